"""Attention as devices compute it: who looks at whom is never written down as a whole."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q·kᵀ/√d + mask)·v of [N, heads, T, d] each.

    The meta device, on which steps are only rehearsed, would write the T x T matrix down, and devices do not: so it is
    told to take the kernel that a processor takes.
    """
    if q.device.type == "meta":
        out: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=mask)[0]
        return out
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
