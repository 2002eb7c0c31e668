"""Losses of guidance. Each returns one number per sample, so a sample's gradient does not depend on the batch.

Images are [N, 3, H, W] in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared angle between unit vectors, 2·arcsin(|x - y| / 2)² (Crowson 2021): [..., D] → [...].

    Computed from the cosine, clamped away from the poles, where the derivative of arcsin is infinite.
    """
    half_chord = ((1 - (x * y).sum(-1)) / 2).clamp(1e-7, 1 - 1e-7).sqrt()
    return 2 * half_chord.arcsin() ** 2


def cos_spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """`spherical_distance` + ½·exp(2·(1 - cos)), which weighs large distances more (clip-diffusion-art)."""
    return spherical_distance(x, y) + ((1 - (x * y).sum(-1)) / 0.5).exp() / 2


Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
DISTANCES: Mapping[str, Distance] = {"spherical": spherical_distance, "cos_spherical": cos_spherical_distance}
"""Option value → distance."""


def clip_loss(
    views: Tensor,
    targets: Tensor,
    weights: Tensor,
    distance: Distance = spherical_distance,
    stops: Tensor | None = None,
) -> Tensor:
    """Σ over targets of weight · distance, averaged over views.

    *views* [N, C, D] and *targets* [N, P, D] are unit vectors; *weights*: [N, P]. Returns [N]. Below its stop (*stops*:
    [N, P]), a distance times the sign of its weight has no gradient (VQGAN-CLIP).
    """
    distances = distance(views[:, :, None], targets[:, None])
    if stops is not None:
        reached = distances * weights.sign()[:, None] < stops[:, None]
        distances = torch.where(reached, distances.detach(), distances)
    return (distances * weights[:, None]).sum(-1).mean(-1)


def tv_loss(x: Tensor) -> Tensor:
    """Total variation, squared: the mean over C, H, W of dx² + dy². [N]."""
    padded = F.pad(x, (0, 1, 0, 1), "replicate")
    across = padded[..., :-1, 1:] - x
    down = padded[..., 1:, :-1] - x
    return (across**2 + down**2).mean((1, 2, 3))


def range_loss(x: Tensor) -> Tensor:
    """Mean squared excess beyond [-1, 1]: [N]."""
    return (x - x.clamp(-1, 1)).square().mean((1, 2, 3))


def saturation_loss(x: Tensor) -> Tensor:
    """Mean absolute excess beyond [-1, 1]: [N]."""
    return (x - x.clamp(-1, 1)).abs().mean((1, 2, 3))


def mse_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference: [N]."""
    return (x - y).square().mean((1, 2, 3))


def limit_rms(gradient: Tensor, most: Tensor) -> Tensor:
    """Scale the gradient of each sample to an rms of at most *most* [N]; 0 means no limit.

    Public tools limit the whole batch, which makes an image depend on its neighbours.
    """
    rms = gradient.square().mean((1, 2, 3)).sqrt().clamp_min(1e-20)
    factor = torch.where(most > 0, torch.minimum(rms, most) / rms, torch.ones_like(rms))
    return gradient * factor.view(-1, 1, 1, 1)
