"""Strokes: cubic Bézier curves with a width, a colour and an opacity on paper, rendered or laid on edges.

Each curve becomes a chain of line segments. A stroke covers the pixels within half its width of the chain, with a soft
edge of about a pixel; later strokes cover earlier ones. The gradient of a pixel reaches only the nearest segment, so
its cost does not grow with the number of segments. Replaces diffvg (Li et al. 2020) in CLIPDraw (Frans et al. 2021,
arXiv 2106.14843) by tensor operations.

CLIPasso (Vinker et al. 2022, arXiv 2202.05822) draws the first points from a map of edges within CLIP's attention. Here
the map is the gradient alone, so that no network decides what matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PIECES = 8
"""Line segments per cubic curve."""
SOFTNESS = 0.4
"""Scale of the sigmoid at the edge of a stroke, in pixels."""
AT_ONCE = 1 << 21
"""Maximum number of distances from a pixel to a stroke in memory at once, without gradients."""
TOGETHER = 1 << 16
"""Distances that are computed together: their tensors stay in the cache."""
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
    band = len(grid) if torch.is_grad_enabled() else max(AT_ONCE // strokes.widths.numel(), 1)
    parts = [_drawn(strokes, paper, part, max(size)) for part in torch.split(grid, band)]
    return torch.cat(parts, dim=2).reshape(-1, 3, *size)


def _drawn(strokes: Strokes, paper: Tensor, grid: Tensor, longer: int) -> Tensor:
    """Colours at the pixels *grid* [P, 2]: [N, 3, P]."""
    distances: Tensor = _Distances.apply(flattened(strokes.points) * longer, grid)  # type: ignore[no-untyped-call]
    cover = torch.sigmoid((strokes.widths[..., None] * longer / 2 - distances) / SOFTNESS)
    veil = torch.log1p(-(cover * strokes.opacities[..., None]).clamp(max=OPAQUE))
    shares = -torch.expm1(veil) * _sum_of_later(veil).exp()
    ground = veil.sum(1).exp()[:, None] * paper[None, :, None]
    return torch.einsum("nsp,nsc->ncp", shares, strokes.colours) + ground


def _sum_of_later(veil: Tensor) -> Tensor:
    """For each of the strokes, [N, S, P], the sum over those above it: the log of their transmittance."""
    if veil.is_cuda:  # where `cumsum` adds in any order
        strokes = veil.shape[1]
        return veil.new_ones(strokes, strokes).triu(1) @ veil
    return veil.sum(1, keepdim=True) - veil.cumsum(1)


def flattened(points: Tensor) -> Tensor:
    """Control points [N, S, 3K + 1, 2] → vertices of the chains [N, S, K * PIECES + 1, 2]."""
    curves = points.unfold(2, 4, 3)  # [N, S, K, 2, 4]
    inner = torch.einsum("nskdc,tc->nsktd", curves, _bernstein()[:-1].to(points))
    return torch.cat([inner.flatten(2, 3), points[:, :, -1:]], dim=2)


class _Distances(torch.autograd.Function):
    """Distance from each pixel to each chain, in pixels: vertices [N, S, V, 2] and pixels [P, 2] → [N, S, P].

    The nearest point divides its segment in the ratio t : 1 - t. It is nearest, so the distance does not change with t,
    and the gradient of its two ends is that of the point times 1 - t and t.
    """

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, grid: Tensor) -> Tensor:
        chains = vertices.flatten(0, 1)
        rows = max(TOGETHER // len(grid), 1)
        parts = [_nearest(part, grid) for part in torch.split(chains, rows)]
        square, place, across, down = (torch.cat(planes) for planes in zip(*parts, strict=True))
        found = square.add_(1e-8).sqrt_()
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(place, across.div_(found), down.div_(found))
            ctx.shape, ctx.rows = vertices.shape, rows
        return found.reshape(*vertices.shape[:2], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        place, across, down = ctx.saved_tensors
        pull = gradients[0].reshape(place.shape)
        pieces = ctx.shape[2] - 1
        piece = place.floor().clamp_(max=pieces - 1)
        share = place - piece
        pulls = torch.stack([across * pull, down * pull], dim=1)
        ends = torch.cat([pulls * (1 - share)[:, None], pulls * share[:, None]], dim=1)  # [N * S, 4, P]
        numbers = torch.arange(pieces).to(piece)
        each = [
            part @ (which[..., None] == numbers).to(part)
            for part, which in zip(torch.split(ends, ctx.rows), torch.split(piece, ctx.rows), strict=True)
        ]
        sums = torch.cat(each).transpose(1, 2)  # [N * S, pieces, 4]
        found = -F.pad(sums[..., :2], (0, 0, 0, 1)) - F.pad(sums[..., 2:], (0, 0, 1, 0))
        return found.reshape(ctx.shape), None


def _nearest(chains: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The nearest point of each chain [S, V, 2] to each pixel, each [S, P]: squared distance, place, gap in x and y.

    Place: the segment's number plus the point's position on it, 0 to 1.
    """
    x, y = grid.unbind(1)
    found: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    for number in range(chains.shape[1] - 1):
        from_x, from_y = chains[:, number, :1], chains[:, number, 1:]
        line_x, line_y = chains[:, number + 1, :1] - from_x, chains[:, number + 1, 1:] - from_y
        length = (line_x.square() + line_y.square()).clamp(min=1e-12)
        across, down = x - from_x, y - from_y
        along = torch.addcmul(across * line_x, down, line_y).div_(length).clamp_(0, 1)
        across.addcmul_(along, line_x, value=-1)
        down.addcmul_(along, line_y, value=-1)
        square = torch.addcmul(across * across, down, down)
        planes = square, along.add_(number), across, down
        if found is None:
            found = planes
        else:
            nearer = square < found[0]
            for known, new in zip(found, planes, strict=True):
                torch.where(nearer, new, known, out=known)
    assert found is not None
    return found


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


def strokes_on_edges(picture: Tensor, draws: Tensor, points: int, reach: float) -> Tensor:
    """Strokes that follow edges from random places on them: [S, points, 2] in pixels.

    *draws*: [S] uniform numbers in [0, 1), which choose the places by their strength. *reach*: length of a stroke in
    pixels, at most; a stroke ends where its edge does.
    """
    strength, tangent = edges_of(picture)
    height, width = strength.shape
    chosen = torch.searchsorted(strength.flatten().cumsum(0), draws.contiguous()).clamp(max=height * width - 1)
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
