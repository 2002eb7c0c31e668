"""Differentiable rendering of strokes: cubic Bézier curves with a width, a colour and an opacity on paper.

Each curve becomes a chain of line segments. A stroke covers the pixels within half its width of the chain, with a soft
edge of about a pixel; later strokes cover earlier ones. The gradient of a pixel reaches only the nearest segment, so
its cost does not grow with the number of segments. Replaces diffvg (Li et al. 2020) in CLIPDraw (Frans et al. 2021,
arXiv 2106.14843) by tensor operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

PIECES = 8
"""Line segments per cubic curve."""
SOFTNESS = 0.4
"""Scale of the sigmoid at the edge of a stroke, in pixels."""
AT_ONCE = 1 << 24
"""Maximum number of pixel–segment distances in memory at once."""
OPAQUE = 0.9999
"""Maximum coverage, so that strokes below an opaque one keep a gradient."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """S strokes of each of N images. Lengths are in units of the longer side."""

    points: Tensor
    """[N, S, 3K + 1, 2]: x and y of the control points of K cubic curves, each starting where the last one ends."""
    widths: Tensor
    """[N, S]"""
    colours: Tensor
    """[N, S, 3] in [0, 1]"""
    opacities: Tensor
    """[N, S] in [0, 1]"""


def draw(strokes: Strokes, paper: Tensor, size: tuple[int, int]) -> Tensor:
    """Renders strokes on *paper* ([3] in [0, 1]): [N, 3, H, W] in [0, 1], where *size* = (H, W).

    Without gradients, it renders in bands, so that memory does not grow with the size.
    """
    grid = _grid(*size).to(strokes.points)
    band = len(grid) if torch.is_grad_enabled() else max(AT_ONCE // PIECES // strokes.widths.numel(), 1)
    parts = [_drawn(strokes, paper, part, max(size)) for part in torch.split(grid, band)]
    return torch.cat(parts, dim=2).reshape(-1, 3, *size)


def _drawn(strokes: Strokes, paper: Tensor, grid: Tensor, longer: int) -> Tensor:
    """Colours at the pixels *grid* [P, 2]: [N, 3, P]."""
    distances = _distances(flattened(strokes.points) * longer, grid)
    cover = torch.sigmoid((strokes.widths[..., None] * longer / 2 - distances) / SOFTNESS)
    veil = torch.log1p(-(cover * strokes.opacities[..., None]).clamp(max=OPAQUE))
    below = veil.sum(1, keepdim=True) - veil.cumsum(1)  # log of the transmittance of later strokes
    shares = -torch.expm1(veil) * below.exp()
    ground = veil.sum(1).exp()[:, None] * paper[None, :, None]
    return torch.einsum("nsp,nsc->ncp", shares, strokes.colours) + ground


def flattened(points: Tensor) -> Tensor:
    """Control points [N, S, 3K + 1, 2] → vertices of the chains [N, S, K * PIECES + 1, 2]."""
    curves = points.unfold(2, 4, 3)  # [N, S, K, 2, 4]
    inner = torch.einsum("nskdc,tc->nsktd", curves, _bernstein()[:-1].to(points))
    return torch.cat([inner.flatten(2, 3), points[:, :, -1:]], dim=2)


def _distances(vertices: Tensor, grid: Tensor) -> Tensor:
    """Distance from each pixel to each chain, in pixels: [N, S, V, 2] and [P, 2] → [N, S, P]."""
    nearest = _nearest(vertices.detach(), grid)
    begin, end = (_picked(part, nearest) for part in (vertices[:, :, :-1], vertices[:, :, 1:]))
    gap = grid - begin - _along(begin, end, grid)[..., None] * (end - begin)
    return (gap.square().sum(-1) + 1e-8).sqrt()


@torch.no_grad()
def _nearest(vertices: Tensor, grid: Tensor) -> Tensor:
    """Index of the nearest segment of each stroke to each pixel: [N, S, P]."""
    strokes = vertices.flatten(0, 1)
    pieces = strokes.shape[1] - 1
    rows = max(AT_ONCE // (pieces * len(grid)), 1)
    found = [_nearest_of(part, grid) for part in torch.split(strokes, rows)]
    return torch.cat(found).reshape(*vertices.shape[:2], -1)


def _nearest_of(chains: Tensor, grid: Tensor) -> Tensor:
    begin, end = chains[:, :-1, None], chains[:, 1:, None]
    gap = grid - begin - _along(begin, end, grid)[..., None] * (end - begin)
    return gap.square().sum(-1).argmin(1)


def _along(begin: Tensor, end: Tensor, grid: Tensor) -> Tensor:
    """Position of the nearest point on a segment, 0 (begin) to 1 (end)."""
    line = end - begin
    return (((grid - begin) * line).sum(-1) / line.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)


def _picked(corners: Tensor, which: Tensor) -> Tensor:
    """[N, S, V, 2] at [N, S, P] → [N, S, P, 2]."""
    return corners.gather(2, which[..., None].expand(*which.shape, 2))


@lru_cache(maxsize=1)
def _bernstein() -> Tensor:
    """[PIECES + 1, 4]: Bernstein weights of the four control points along a cubic curve."""
    t = torch.linspace(0, 1, PIECES + 1)
    return torch.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], dim=1)


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> Tensor:
    """x and y of the pixel centres, row by row: [H * W, 2]."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)
