"""A loss that sees shapes: how far apart two pictures lie in the feature maps of a net that knows pictures.

A squared error asks a net that is not sure for the mean of all pictures, which is a blot; feature maps ask for one that
reads like the right one. The distance is LPIPS's (Zhang et al. 2018, eq. 1) without its learned weights, over x̂₀ of a
diffusion model (Lin & Yang 2024).
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
