"""Small losses that guidance adds up: each takes pictures and answers one number per sample.

Pictures are NCHW in [-1, 1]. A sum over samples then has, for each sample, the gradient it would have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared angle between unit vectors, 2·arcsin(|x - y| / 2)² (Crowson 2021): [..., D] → [...].

    Written by the cosine and held off the two poles, where the derivative of the arc is infinite.
    """
    half_chord = ((1 - (x * y).sum(-1)) / 2).clamp(1e-7, 1 - 1e-7).sqrt()
    return 2 * half_chord.arcsin() ** 2


def cos_spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """The same, and ½·exp(2·(1 - cos)), which weighs more on what is far (clip-diffusion-art)."""
    return spherical_distance(x, y) + ((1 - (x * y).sum(-1)) / 0.5).exp() / 2


Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
DISTANCES: Mapping[str, Distance] = {"spherical": spherical_distance, "cos_spherical": cos_spherical_distance}
"""By the option's words."""


def clip_loss(
    views: Tensor,
    targets: Tensor,
    weights: Tensor,
    distance: Distance = spherical_distance,
    stops: Tensor | None = None,
) -> Tensor:
    """Σ over targets of weight · distance, averaged over views.

    views [N, C, D] and targets [N, P, D] are unit vectors, weights are [N, P]. Answers [N]. A distance times the sign
    of its weight that is below its stop, [N, P], counts but has no gradient (VQGAN-CLIP).
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
    """How far colours lie out of [-1, 1], squared. [N]."""
    return (x - x.clamp(-1, 1)).square().mean((1, 2, 3))


def saturation_loss(x: Tensor) -> Tensor:
    """How far colours lie out of [-1, 1]. [N]."""
    return (x - x.clamp(-1, 1)).abs().mean((1, 2, 3))


def mse_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference. [N]."""
    return (x - y).square().mean((1, 2, 3))


def limit_rms(gradient: Tensor, most: Tensor) -> Tensor:
    """Scale each sample's gradient so that its rms is at most *most* [N]; where that is 0, there is no limit.

    Per sample: a limit over the batch, as all public tools have it, makes a picture depend on its neighbours.
    """
    rms = gradient.square().mean((1, 2, 3)).sqrt().clamp_min(1e-20)
    factor = torch.where(most > 0, torch.minimum(rms, most) / rms, torch.ones_like(rms))
    return gradient * factor.view(-1, 1, 1, 1)
