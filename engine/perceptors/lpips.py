"""Perceptual distance of two pictures in the feature maps of a trained network.

A squared error makes an uncertain network predict a blurred mean; feature maps reward one plausible picture instead.
The distance is that of LPIPS (Zhang et al. 2018, eq. 1) without its learned weights, applied to x̂₀ of a diffusion model
(Lin & Yang 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Features = Callable[[Tensor], Sequence[Tensor]]
"""Pictures [N, 3, H, W] in [0, 1] → maps [N, C, h, w] of several sizes, and embeddings [N, D]."""


def perceptual_distance(features: Features, guess: Tensor, real: Tensor, shift: tuple[int, int] = (0, 0)) -> Tensor:
    """Two batches [N, 3, H, W] in [-1, 1] → [N] in 0 … 2: the mean over maps of 1 - cosine along their channels.

    *shift* rolls both pictures by so many pixels first: a net that paints in patches must not learn the grid of a net
    that sees in patches. The gradient reaches *guess* alone.
    """
    with torch.no_grad():
        wanted = features(_seen(real, shift))
    seen = features(_seen(guess, shift))
    return torch.stack([_distance(a.float(), b.float()) for a, b in zip(seen, wanted, strict=True)]).mean(dim=0)


def _seen(images: Tensor, shift: tuple[int, int]) -> Tensor:
    return (torch.roll(images, shift, dims=(2, 3)) + 1) / 2


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared distance of the unit vectors, averaged over places: [N]."""
    return (1 - F.cosine_similarity(a, b, dim=1)).reshape(len(a), -1).mean(dim=1)
