"""Cutouts: crop and antialiased resize as two matrix products for all cutouts at once, then augmentations.

view = A · image · Bᵀ, where the rows of A [size x H] and B [size x W] hold the triangle filter of one window. It
equals `interpolate(crop, antialias=True)`, and has a static shape and a deterministic gradient. On a GPU, `interpolate`
and adaptive pooling have neither. All images of a batch have equally many cuts. Random numbers have a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.guidance.cutout_windows import Windows, draw_windows
from engine.guidance.warps import Warps, draw_warps, gray, warp
from engine.images.tensors import noise
from engine.requests.augment import PLAIN, Augment


@dataclass(frozen=True, slots=True)
class CutRecipe:
    """How to draw the cutouts of a step. *power* > 1 prefers small windows; *flip*, *gray*: shares of all cutouts.

    *kind*: see `cutout_windows`. *overview*: views of the whole image, besides *count*. *augment*: warps of each view.
    """

    count: int
    power: float = 1.0
    flip: float = 0.0
    gray: float = 0.0
    noise: float = 0.0
    kind: str = "mixed"
    overview: int = 0
    augment: Augment = PLAIN

    @property
    def total(self) -> int:
        """Cutouts of a lot."""
        return self.count + self.overview

    @property
    def rim(self) -> bool:
        """Whether windows are black outside the image; otherwise its edge is repeated."""
        return self.kind in ("padded", "disco")


@dataclass(frozen=True, slots=True)
class Cuts:
    """The cutouts of one image in one step; small tensors on the CPU."""

    windows: Tensor
    """[C, 4]: top, left, height, width in whole pixels. A window may extend beyond the image."""
    flip: Tensor
    """[C], bool."""
    gray: Tensor
    """[C], bool."""
    noise: Tensor | None
    """[C, 3, size, size], added to views in [-1, 1]."""
    rim: bool = False
    """Pixels outside the image are black; otherwise its edge is repeated."""
    warps: Warps = field(default=Warps(None, None, None))
    """Augmentations of the views."""

    def part(self, number: int, parts: int) -> Cuts:
        """Part *number* of *parts* nearly equal parts."""
        total = len(self.windows)
        some = slice(number * total // parts, (number + 1) * total // parts)
        grain = None if self.noise is None else self.noise[some]
        return Cuts(self.windows[some], self.flip[some], self.gray[some], grain, self.rim, self.warps.part(some))


def draw_cuts(
    recipe: CutRecipe, seed: int, index: int, step: int, sides: tuple[int, int], size: int, lot: str = ""
) -> Cuts:
    """The cuts of picture *index* in *step*; *sides* are its height and width, *size* is the perceptor's.

    *lot* tells apart several draws within one step.
    """
    found: Windows = draw_windows(recipe, (seed, index, step, f"cuts{lot}"), sides, size)
    shape = (recipe.total, 3, size, size)
    grain = recipe.noise * noise(seed, index, step, f"cut noise{lot}", shape) if recipe.noise else None
    warps = draw_warps(recipe.augment, (seed, index, step, f"warps{lot}"), recipe.total)
    return Cuts(found.windows, found.flip, found.gray, grain, recipe.rim, warps)


def cut(images: Tensor, cuts: Sequence[Cuts], size: int) -> Tensor:
    """Cut every image: [N, 3, H, W] in [-1, 1] and one `Cuts` of C windows each → [N · C, 3, size, size].

    `rim` and the kinds of warps must be equal in all *cuts*.
    """
    n, channels, height, width = images.shape
    rim = cuts[0].rim
    beyond = (
        max(height, width) // 2 if rim else 0
    )  # depends on the size alone, so that rounding does not depend on the windows
    windows = torch.stack([c.windows for c in cuts]).to(images)
    count = windows.shape[1]
    rows = window_matrix(windows[..., 0], windows[..., 2], height, size, beyond)
    columns = window_matrix(windows[..., 1], windows[..., 3], width, size, beyond)
    flip = torch.stack([c.flip for c in cuts]).to(images.device)
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    bands = rows.reshape(n, 1, count * size, height) @ images
    views = bands.view(n, channels, count, size, width) @ columns.transpose(-1, -2)[:, None]
    views = views.transpose(1, 2)
    if rim:
        covered = rows.sum(-1)[..., :, None] * columns.sum(-1)[..., None, :]
        views = views - (1 - covered)[:, :, None]
    grayed = torch.stack([c.gray for c in cuts]).to(images.device)
    views = torch.where(grayed[..., None, None, None], gray(views), views)
    views = warp(views.reshape(n * count, channels, size, size), [c.warps for c in cuts])
    grain = [c.noise for c in cuts]
    if any(g is not None for g in grain):
        blank = next(torch.zeros_like(g) for g in grain if g is not None)
        views = views + torch.cat([blank if g is None else g for g in grain]).to(images)
    return views


def window_matrix(start: Tensor, length: Tensor, source: int, target: int, beyond: int = 0) -> Tensor:
    """Matrices that resize the pixels [start, start + length) of *source* to *target*: [...] → [..., target, source].

    A triangle filter as wide as one target pixel, or one source pixel if that is wider. Outside the image its edge is
    repeated. With *beyond* > 0, that many pixels outside count as 0, and rows there sum to less than 1.
    """
    scale = (length / target)[..., None]
    centre = start[..., None] + (torch.arange(target, device=start.device, dtype=start.dtype) + 0.5) * scale
    if not beyond:
        centre = centre.clamp(0.5, source - 0.5)
    pixel = torch.arange(-beyond, source + beyond, device=start.device, dtype=start.dtype)
    distance = (pixel + 0.5 - centre[..., None]).abs()
    weights = (1 - distance / scale.clamp_min(1)[..., None]).clamp_min(0)
    inside = (pixel >= start[..., None]) & (pixel < (start + length)[..., None])
    weights = weights * inside[..., None, :]
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-8)
    return weights[..., beyond : beyond + source]
