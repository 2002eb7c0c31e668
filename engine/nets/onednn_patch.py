"""Replaces layers of any network by subclasses that multiply through `engine.nets.onednn_linear`.

Names, weights and results stay the same.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from engine.nets.attention import attend
from engine.nets.onednn_linear import is_faster, linear

M = TypeVar("M", bound=nn.Module)


class OneDNNLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        return linear(x, self.weight, self.bias)


class OneDNNAttention(nn.MultiheadAttention):
    """Self-attention; any other use falls back to `nn.MultiheadAttention`."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Query, key and value [N, T, C] → ([N, T, C], None)."""
        mask = kwargs.get("attn_mask")
        itself = query is key is value and self._qkv_same_embed_dim and self.batch_first and query.ndim == 3
        plain = not args and kwargs.keys() <= {"need_weights", "attn_mask"} and not kwargs.get("need_weights", True)
        usual = self.bias_k is None and not self.add_zero_attn and not (self.training and self.dropout)
        if not (itself and plain and usual) or (mask is not None and (mask.dtype is torch.bool or mask.ndim > 2)):
            return super().forward(query, key, value, *args, **kwargs)
        n, length, width = query.shape
        qkv = linear(query, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(n, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, mask).transpose(1, 2).reshape(n, length, width)
        return linear(h, self.out_proj.weight, self.out_proj.bias), None


class OneDNNPatchConv(nn.Conv2d):
    """A convolution with stride = kernel size, as in the patch embedding of a vision transformer."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, O, H/p, W/p]."""
        (down, across), (n, _, height, width) = self.kernel_size, x.shape
        weight = self.weight.flatten(1)
        whole = not height % down and not width % across
        if not whole or not is_faster(x, weight, n * (height // down) * (width // across)):
            return super().forward(x)
        patches = x.reshape(n, -1, height // down, down, width // across, across).permute(0, 2, 4, 1, 3, 5).flatten(3)
        return linear(patches, weight, self.bias).permute(0, 3, 1, 2)


def use_onednn(net: M) -> M:
    """Change the classes of the layers of *net* in place; returns *net*."""
    for module in net.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDNNLinear
        elif type(module) is nn.MultiheadAttention:
            module.__class__ = OneDNNAttention
        elif type(module) is nn.Conv2d and _is_patches(module):
            module.__class__ = OneDNNPatchConv
    return net


def _is_patches(conv: nn.Conv2d) -> bool:
    alone = conv.groups == 1 and conv.padding in ((0, 0), 0) and conv.dilation == (1, 1)
    return alone and conv.kernel_size == conv.stride and conv.kernel_size != (1, 1)
