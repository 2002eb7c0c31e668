"""Random changes of views: rotation, shift, shear, perspective, colours, erased rectangles; differentiable and keyed.

All moves of a view are one homography, so that all views are resampled once. All changes of colour are one matrix.
Unlike torchvision and kornia, colours are not clamped in between, which would stop the gradient, and hues turn in YIQ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.images.tensors import Key, uniform
from engine.requests.options.clip_views import Augment, Term

LUMA = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in gray (ITU-R BT.601)."""
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
LEAST_ERASED, LONGEST_ERASED = 0.25, 3.3
"""Smallest erased area over the largest, and the largest ratio of its sides (kornia)."""
NEAREST = 1e-4
"""Least homogeneous coordinate; smaller ones lie beyond the horizon."""
PRECISION = 2.0**36
"""Steps of the fixed-point numbers in which gradients of views are summed, over the largest of them."""


@dataclass(frozen=True, slots=True)
class Warps:
    """The changes of one picture's views in one step, on the CPU. A kind of change that does not act is None."""

    place: Tensor | None
    """[C, 3, 3]: where a pixel of the view comes from, in homogeneous coordinates; the view is [-1, 1]²."""
    colour: Tensor | None
    """[C, 3, 4]: a matrix for colours in [0, 1], and the weight of the view's mean gray."""
    erased: Tensor | None
    """[C, 4]: top, left, bottom, right in [0, 1]."""
    fill: float = -1.0
    """The colour beyond a view, in [-1, 1]."""

    def part(self, some: slice) -> Warps:
        """The changes of *some* of the views."""
        place, colour, erased = (None if t is None else t[some] for t in (self.place, self.colour, self.erased))
        return Warps(place, colour, erased, self.fill)


def draw_warps(augment: Augment, key: Key, count: int) -> Warps:
    """The changes of *count* views."""
    draws = uniform(*key, (1 if augment.together else count, 32)).double().expand(count, -1)
    return Warps(
        _places(augment, draws) if augment.moves else None,
        _colours(augment, draws) if augment.colours else None,
        _erased(augment.erase, draws) if augment.erase[0] else None,
        1.0 if augment.white else -1.0,
    )


def warp(views: Tensor, warps: Sequence[Warps]) -> Tensor:
    """Change views [N · C, 3, size, size] in [-1, 1] by one `Warps` of C views per picture, all of the same kinds."""
    if warps[0].place is not None:
        views = _moved(views, _stacked([w.place for w in warps], views), warps[0].fill)
    if warps[0].colour is not None:
        views = _coloured(views, _stacked([w.colour for w in warps], views))
    if warps[0].erased is not None:
        views = _without(views, _stacked([w.erased for w in warps], views))
    return views


def gray(images: Tensor) -> Tensor:
    """[..., 3, H, W] → [..., 1, H, W], by luma."""
    red, green, blue = (part * images[..., i : i + 1, :, :] for i, part in enumerate(LUMA))
    return red + green + blue


def _places(augment: Augment, draws: Tensor) -> Tensor:
    """The inverse of an affine move followed by a change of perspective: [C, 3, 3]."""
    turn, lean_x, lean_y, right, down = (2 * draws[:, i] - 1 for i in range(5))
    angle = torch.deg2rad(augment.rotate[0] * turn) * (draws[:, 5] < augment.rotate[1])
    shear = augment.shear[0] * (draws[:, 5] < augment.shear[1])
    shift = 2 * augment.shift[0] * (draws[:, 5] < augment.shift[1])
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    across, along = torch.deg2rad(shear * lean_x).tan(), torch.deg2rad(shear * lean_y).tan()
    rotation = _matrix(cos, -sin, shift * right, sin, cos, shift * down, zero, zero, one)
    shearing = _matrix(one, across, zero, along, one, zero, zero, zero, one)
    amount = augment.perspective[0] * (draws[:, 6] < augment.perspective[1])
    move = _perspective(amount[:, None] * draws[:, 7:15]) @ rotation @ shearing
    place: Tensor = torch.linalg.inv(move)
    return place


def _perspective(inwards: Tensor) -> Tensor:
    """The homography that moves the corners of [-1, 1]² inwards by x and y in [0, 1]: [C, 8] → [C, 3, 3].

    Heckbert 1989, “Fundamentals of Texture Mapping and Image Warping”, section 2.2.3.
    """
    corners = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=inwards.dtype)
    (x0, x1, x2, x3), (y0, y1, y2, y3) = (corners * (1 - inwards.view(-1, 4, 2))).permute(2, 1, 0)
    x_sum, y_sum = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    below = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = (x_sum * (y3 - y2) - (x3 - x2) * y_sum) / below
    h = ((x1 - x2) * y_sum - x_sum * (y1 - y2)) / below
    of_unit_square = _matrix(
        x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h, torch.ones_like(g)
    )
    to_unit_square = torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]], dtype=inwards.dtype)
    return of_unit_square @ to_unit_square


def _matrix(*entries: Tensor) -> Tensor:
    return torch.stack(entries, dim=-1).view(-1, 3, 3)


def _colours(augment: Augment, draws: Tensor) -> Tensor:
    """Brightness, contrast, saturation, hue, then gray: [C, 3, 4]."""
    jitter = augment.jitter[0] * (draws[:, 15] < augment.jitter[1])
    bright, contrast, saturation = (1 + jitter * (2 * draws[:, i] - 1) for i in (16, 17, 18))
    hue = 2 * math.pi * jitter * (2 * draws[:, 19] - 1)
    plain, yiq = torch.eye(3, dtype=draws.dtype), torch.tensor(YIQ, dtype=draws.dtype)
    mean = torch.tensor(LUMA, dtype=draws.dtype).expand(3, 3)
    zero, one = torch.zeros_like(hue), torch.ones_like(hue)
    turn = _matrix(one, zero, zero, zero, hue.cos(), -hue.sin(), zero, hue.sin(), hue.cos())
    keep = saturation[:, None, None]
    matrix = torch.linalg.inv(yiq) @ turn @ yiq @ (keep * plain + (1 - keep) * mean)
    grayed = draws[:, 20] < augment.gray[0] * augment.gray[1]
    matrix = torch.where(grayed[:, None, None], mean @ matrix, matrix) * (bright * contrast)[:, None, None]
    return torch.cat([matrix, ((1 - contrast) * bright)[:, None, None].expand(-1, 3, 1)], dim=2)


def _erased(erase: Term, draws: Tensor) -> Tensor:
    """One rectangle in each view; empty in those that keep all: [C, 4]."""
    area = erase[0] * (LEAST_ERASED + (1 - LEAST_ERASED) * draws[:, 21]) * (draws[:, 25] < erase[1])
    ratio = torch.exp(math.log(LONGEST_ERASED) * (2 * draws[:, 22] - 1))
    height, width = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    top, left = (1 - height) * draws[:, 23], (1 - width) * draws[:, 24]
    return torch.stack([top, left, top + height, left + width], dim=1)


def _stacked(values: Sequence[Tensor | None], like: Tensor) -> Tensor:
    return torch.cat([value for value in values if value is not None]).to(like)


def _moved(views: Tensor, place: Tensor, fill: float) -> Tensor:
    size = views.shape[-1]
    centre = (2 * torch.arange(size, device=views.device, dtype=views.dtype) + 1) / size - 1
    x, y = centre[None, None, :], centre[None, :, None]
    factors = place[..., None, None]
    rows = [factors[:, i, 0] * x + factors[:, i, 1] * y + factors[:, i, 2] for i in range(3)]
    grid = torch.stack(rows[:2], dim=-1) / rows[2].clamp_min(NEAREST)[..., None]
    sample = resample if views.is_cuda else _grid_sample
    return sample(views - fill, grid) + fill


def _grid_sample(views: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(views, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _coloured(views: Tensor, colour: Tensor) -> Tensor:
    unit = (views + 1) / 2
    mean = gray(unit).mean((1, 2, 3))
    changed = (colour[:, :, :3] @ unit.flatten(2)).view_as(unit) + (colour[:, :, 3] * mean[:, None])[..., None, None]
    return 2 * changed - 1


def _without(views: Tensor, erased: Tensor) -> Tensor:
    size = views.shape[-1]
    centre = (torch.arange(size, device=views.device, dtype=views.dtype) + 0.5) / size
    rows, columns = ((centre >= erased[:, i, None]) & (centre < erased[:, i + 2, None]) for i in (0, 1))
    return views.masked_fill((rows[:, :, None] & columns[:, None])[:, None], -1.0)


class _Resample(torch.autograd.Function):
    """Bilinear sampling whose gradient is summed in whole numbers, so that the order of the sum does not matter.

    PyTorch's own gradient of `grid_sample` has no deterministic form on CUDA. *grid* has no gradient.
    """

    @staticmethod
    def forward(ctx: Any, views: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        return _grid_sample(views, grid)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of the views [V, C, size, size], summed in units of its largest value / `PRECISION`."""
        (grid,) = ctx.saved_tensors
        size, count = gradient.shape[-1], gradient.shape[0]
        steps = PRECISION / gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        pixel = ((grid.clamp(-4, 4) + 1) * size - 1) / 2
        corner = pixel.floor()
        total = torch.zeros(count, gradient.shape[1], size * size, dtype=torch.int64, device=gradient.device)
        for offset in ((0, 0), (1, 0), (0, 1), (1, 1)):
            at = corner + torch.tensor(offset, device=grid.device)
            weight = (1 - (pixel - at).abs()).prod(-1) * ((at >= 0) & (at < size)).all(-1)
            index = at.clamp(0, size - 1).long()
            flat = (index[..., 1] * size + index[..., 0]).view(count, 1, -1).expand(-1, gradient.shape[1], -1)
            with _in_any_order():
                total.scatter_add_(2, flat, (gradient * weight[:, None] * steps).round().long().flatten(2))
        return total.view_as(gradient).to(gradient.dtype) / steps, None


@contextmanager
def _in_any_order() -> Iterator[None]:
    """Kernels may add in any order: faster, and the same for whole numbers."""
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)


def resample(views: Tensor, grid: Tensor) -> Tensor:
    """Views [V, C, size, size] at the places *grid* [V, size, size, 2] in [-1, 1]², 0 beyond; reproducible on CUDA."""
    found: Tensor = _Resample.apply(views, grid)  # type: ignore[no-untyped-call]
    return found
