"""Views of a picture, as CLIP shall see them: crop and antialiased resize as two matrix products for all cuts at once.

view = A · picture · Bᵀ, where the rows of A [size x H] and B [size x W] hold the triangle filter of one window. It
equals `interpolate(crop, antialias=True)`, has a static shape whatever the windows are, and a deterministic gradient,
which `grid_sample`, `interpolate` and adaptive pooling have not on a GPU. Every picture has as many cuts as its
neighbours in a batch, and its own windows, drawn from numbers that have a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.tensors import noise, uniform

SMALLEST_PART = 0.7
"""Of the shorter side: no window is smaller, unless CLIP's own size is."""
OVERVIEW_PART = 4
"""One in so many cuts shows the whole picture."""


@dataclass(frozen=True, slots=True)
class CutRecipe:
    """How a request wants its cuts. *power*: > 1 prefers small windows; *flip*, *gray*: parts of all."""

    count: int
    power: float = 1.0
    flip: float = 0.0
    gray: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Cuts:
    """One picture's cuts in one step; all of it small and on the CPU."""

    windows: Tensor
    """[C, 4]: top, left, height, width in whole pixels. A window may reach beyond the picture: edges are repeated."""
    flip: Tensor
    """[C], bool."""
    gray: Tensor
    """[C], bool."""
    noise: Tensor | None
    """[C, 3, size, size] in [-1, 1]'s scale, or none."""


def draw_cuts(recipe: CutRecipe, seed: int, index: int, step: int, sides: tuple[int, int], size: int) -> Cuts:
    """The cuts of picture *index* in *step*; *sides* are its height and width, *size* is the perceptor's."""
    count, (height, width) = recipe.count, sides
    draws = uniform(seed, index, step, "cuts", (count, 5)).double()
    longest = min(height, width)
    smallest = min(size, round(SMALLEST_PART * longest))
    side = (smallest + draws[:, 0] ** recipe.power * (longest - smallest)).round()
    top, left = ((draws[:, 1] * (height - side + 1)).floor(), (draws[:, 2] * (width - side + 1)).floor())
    windows = torch.stack([top, left, side, side], dim=1)
    windows[: max(1, count // OVERVIEW_PART)] = _overview(height, width)
    grain = recipe.noise * noise(seed, index, step, "cut noise", (count, 3, size, size)) if recipe.noise else None
    return Cuts(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray, grain)


def cut(images: Tensor, cuts: Sequence[Cuts], size: int) -> Tensor:
    """Cut every picture: [N, 3, H, W] in [-1, 1] and one `Cuts` of C windows each → [N · C, 3, size, size]."""
    n, channels, height, width = images.shape
    windows = torch.stack([c.windows for c in cuts]).to(images)
    count = windows.shape[1]
    rows = window_matrix(windows[..., 0], windows[..., 2], height, size)
    columns = window_matrix(windows[..., 1], windows[..., 3], width, size)
    flip = torch.stack([c.flip for c in cuts]).to(images.device)
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    bands = rows.reshape(n, 1, count * size, height) @ images
    views = bands.view(n, channels, count, size, width) @ columns.transpose(-1, -2)[:, None]
    views = views.transpose(1, 2)
    gray = torch.stack([c.gray for c in cuts]).to(images.device)
    views = torch.where(gray[..., None, None, None], views.mean(2, keepdim=True), views)
    grain = [c.noise for c in cuts]
    if all(g is not None for g in grain):
        views = views + torch.stack([g for g in grain if g is not None]).to(images)
    return views.reshape(n * count, channels, size, size)


def window_matrix(start: Tensor, length: Tensor, source: int, target: int) -> Tensor:
    """The rows that resize the pixels [start, start + length) of *source* to *target*: [...] → [..., target, source].

    A triangle filter as wide as one target pixel, at least as one source pixel. What lies outside of the picture
    repeats its edge.
    """
    scale = (length / target)[..., None]
    centre = start[..., None] + (torch.arange(target, device=start.device, dtype=start.dtype) + 0.5) * scale
    centre = centre.clamp(0.5, source - 0.5)
    pixel = torch.arange(source, device=start.device, dtype=start.dtype)
    distance = (pixel + 0.5 - centre[..., None]).abs()
    weights = (1 - distance / scale.clamp_min(1)[..., None]).clamp_min(0)
    inside = (pixel >= start[..., None]) & (pixel < (start + length)[..., None])
    weights = weights * inside[..., None, :]
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-8)


def _overview(height: int, width: int) -> Tensor:
    """The smallest square that holds the whole picture in its middle."""
    side = max(height, width)
    return torch.tensor([(height - side) // 2, (width - side) // 2, side, side], dtype=torch.float64)
