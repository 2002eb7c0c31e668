"""Finds the edges of a picture, and draws strokes along them.

CLIPasso (Vinker et al. 2022, arXiv 2202.05822) draws the first points from a map of edges within CLIP's attention.
Here the map is the gradient alone, so that no network decides what matters.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SHARPNESS = 2.0
"""Exponent of the edge strength: higher draws more strokes from the strongest edges."""
STEP = 1.5
"""Pixels between two points of the line that is followed along an edge."""


def edges_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """[3, H, W] in [0, 1] → strength [H, W] (sum 1) and unit tangent [H, W, 2] (x, y) of the edges."""
    sobel = torch.tensor(SOBEL)
    kernels = torch.stack([sobel, sobel.T])[:, None]
    gray = F.pad(picture.mean(0)[None, None], (1, 1, 1, 1), mode="replicate")
    blurred = F.pad(F.avg_pool2d(gray, 3, 1), (1, 1, 1, 1), mode="replicate")
    gradient = F.conv2d(blurred, kernels)[0]
    size = gradient.square().sum(0).sqrt()
    tangent = torch.stack([-gradient[1], gradient[0]], dim=-1) / (size[..., None] + 1e-6)
    weight = size**SHARPNESS + 1e-9
    return weight / weight.sum(), tangent


def strokes_on_edges(picture: Tensor, lots: Tensor, points: int, reach: float) -> Tensor:
    """Strokes that follow edges from random places on them: [S, points, 2] in pixels.

    *lots*: [S] uniform numbers in [0, 1), which choose the places by their strength. *reach*: length of a stroke in
    pixels, at most; a stroke ends where its edge does.
    """
    strength, tangent = edges_of(picture)
    height, width = strength.shape
    chosen = torch.searchsorted(strength.flatten().cumsum(0), lots.contiguous()).clamp(max=height * width - 1)
    at = torch.stack([chosen % width, chosen // width], dim=1) + 0.5
    limit = strength.max() / 50
    steps = max(int(reach / 2 / STEP), 1)
    halves = [_followed(at, tangent, strength, limit, steps, sign) for sign in (-1.0, 1.0)]
    way = torch.cat([halves[0].flip(1), at[:, None], halves[1]], dim=1)
    where = torch.linspace(0, way.shape[1] - 1, points).round().long()
    return way[:, where]


def _followed(at: Tensor, tangent: Tensor, strength: Tensor, limit: Tensor, steps: int, sign: float) -> Tensor:
    """[S, 2] → the next *steps* points along the edge, [S, steps, 2]; repeated where it ends."""
    height, width = strength.shape
    direction, way = torch.zeros_like(at), []
    going = torch.ones(len(at), dtype=torch.bool)
    for number in range(steps):
        x, y = at[:, 0].long().clamp(0, width - 1), at[:, 1].long().clamp(0, height - 1)
        along = tangent[y, x] * sign if number == 0 else tangent[y, x]
        turned = torch.where((along * direction).sum(1, keepdim=True) < 0, -along, along)
        inside = (at[:, 0] > 0) & (at[:, 1] > 0) & (at[:, 0] < width) & (at[:, 1] < height)
        going = going & (strength[y, x] > limit) & inside
        at = torch.where(going[:, None], at + STEP * turned, at)
        direction = turned
        way.append(at)
    return torch.stack(way, dim=1)
