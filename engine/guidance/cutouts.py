"""Cutouts: crop and antialiased resize as two matrix products for all cutouts at once, then augmentations.

view = A · image · Bᵀ, where the rows of A [size x H] and B [size x W] hold the triangle filter of one window. It
equals `interpolate(crop, antialias=True)`, and has a static shape and a deterministic gradient. On a GPU, `interpolate`
and adaptive pooling have neither. All images of a batch have equally many cuts. Random numbers depend on a key.

Windows come from one of seven recipes:

mixed     a quarter shows the whole image, the others squares of at least 0.7 of the shorter side
classic   squares from CLIP's input size to the shorter side (Crowson's notebooks)
padded    the image gets a black rim of a quarter of its height; a quarter of the cutouts shows all of it, the others
          squares of normally distributed size around 0.8 (clip-diffusion-art, Quick CLIP Guided Diffusion)
big_sleep squares of 0.5 to 0.95 of the shorter side, mostly large (Murdock's “The Big Sleep”)
disco     `overview` views of the whole image in colour, gray and mirrored, and inner squares as in classic (Disco
          Diffusion). The reference compares with ≤, so one more inner square is gray than `gray` says
clipdraw  rectangles of 0.7 to 0.9 of the area (CLIPDraw)
whole     the whole image, stretched to a square (VQGAN-CLIP, without its max pooling)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.guidance.warps import Warps, draw_warps, gray, warp
from engine.images.tensors import Key, noise, uniform
from engine.requests.options.clip_views import PLAIN, Augment

SMALLEST_PART = 0.7
"""Smallest window of `mixed` over the shorter side, or CLIP's input size if that is smaller."""
OVERVIEW_PART = 4
"""One of this many cutouts shows the whole image."""
RIM_PART = 4
"""Height of the image over width of the rim."""
PADDED_MEAN, PADDED_SPREAD = 0.8, 0.3
SLEEP_SIZES = 0.5, 0.95
"""Limits over the shorter side; normally distributed as in `padded`."""
CROP_AREAS, CROP_RATIO = (0.7, 0.9), 4 / 3
"""Smallest and largest share of the area, and the largest ratio of the sides."""
VARIED_OVERVIEWS = 4
"""Up to four overviews are varied: plain, gray, mirrored, both. More of them are all plain."""


@dataclass(frozen=True, slots=True)
class CutRecipe:
    """How to draw the cutouts of a step. *power* > 1 prefers small windows; *flip*, *gray*: shares of all cutouts.

    *kind*: see above. *overview*: views of the whole image, besides *count*. *augment*: warps of each view.
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
        return self.count + self.overview

    @property
    def rim(self) -> bool:
        """Whether windows are black outside the image; otherwise its edge is repeated."""
        return self.kind in ("padded", "disco")


def _mixed(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    windows = _squares(draws, recipe.power, sides, min(size, round(SMALLEST_PART * min(sides))))
    windows[: max(1, recipe.count // OVERVIEW_PART)] = _overview(*sides)
    return windows


def _classic(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    windows = _squares(draws, recipe.power, sides, min(size, *sides))
    windows[: recipe.overview] = _overview(*sides)
    return windows


def _padded(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    rim = sides[0] // RIM_PART
    height, width = sides[0] + 2 * rim, sides[1] + 2 * rim
    longest = min(height, width)
    side = (longest * _parts(key, recipe.count).clamp(min(size / longest, 1.0), 1)).floor()
    windows = _placed(draws, side, height, width)
    windows[: recipe.count // OVERVIEW_PART] = torch.tensor([0, 0, height, width], dtype=torch.float64)
    windows[:, :2] -= rim
    return windows


def _big_sleep(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    return _placed(draws, (min(sides) * _parts(key, recipe.count).clamp(*SLEEP_SIZES)).floor(), *sides)


def _clipdraw(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    height, width = sides
    area = CROP_AREAS[0] + (CROP_AREAS[1] - CROP_AREAS[0]) * draws[:, 0]
    ratio = torch.exp(math.log(CROP_RATIO) * (2 * uniform(*key[:3], f"{key[3]} ratios", (recipe.count,)).double() - 1))
    ratio = torch.minimum(torch.maximum(ratio, area * width / height), width / height / area)  # so that it fits
    tall, wide = ((area * height * width / ratio).sqrt(), (area * height * width * ratio).sqrt())
    tall, wide = tall.round().clamp(max=height), wide.round().clamp(max=width)
    top, left = (draws[:, 1] * (height - tall + 1)).floor(), (draws[:, 2] * (width - wide + 1)).floor()
    return torch.stack([top, left, tall, wide], dim=1)


def _whole(recipe: CutRecipe, draws: Tensor, key: Key, sides: tuple[int, int], size: int) -> Tensor:
    return torch.tensor([0, 0, *sides], dtype=torch.float64).repeat(recipe.count, 1)


KINDS: Mapping[str, Callable[[CutRecipe, Tensor, Key, tuple[int, int], int], Tensor]] = {
    "mixed": _mixed,
    "classic": _classic,
    "padded": _padded,
    "big_sleep": _big_sleep,
    "disco": _classic,
    "clipdraw": _clipdraw,
    "whole": _whole,
}
"""Option value → places the windows of *draws* ([C, 5] in [0, 1): size, top, left, mirrored, gray) in an image of so
many pixels (height, width), for a CLIP of that input size: [C, 4], top, left, height and width in whole pixels."""


def _parts(key: Key, count: int) -> Tensor:
    return PADDED_MEAN + PADDED_SPREAD * noise(*key[:3], f"{key[3]} sizes", (count,)).double()


def _of_disco(recipe: CutRecipe, flip: Tensor) -> tuple[Tensor, Tensor]:
    """Which views of `disco` are mirrored, where the others are by *flip*, and which are gray."""
    whole, number = recipe.overview, torch.arange(recipe.total)
    varied = number < (whole if whole <= VARIED_OVERVIEWS else 0)
    gray = (varied & (number % 2 == 1)) | ((number >= whole) & (number <= whole + int(recipe.gray * recipe.count)))
    return flip ^ (varied & (number >= 2)), gray


def _squares(draws: Tensor, power: float, sides: tuple[int, int], smallest: int) -> Tensor:
    """Squares between *smallest* and the shorter side, anywhere within the picture."""
    longest = min(sides)
    side = (smallest + draws[:, 0] ** power * (longest - smallest)).round()
    return _placed(draws, side, *sides)


def _placed(draws: Tensor, side: Tensor, height: int, width: int) -> Tensor:
    top, left = ((draws[:, 1] * (height - side + 1)).floor(), (draws[:, 2] * (width - side + 1)).floor())
    return torch.stack([top, left, side, side], dim=1)


def _overview(height: int, width: int) -> Tensor:
    """The smallest square around the whole image, centred."""
    side = max(height, width)
    return torch.tensor([(height - side) // 2, (width - side) // 2, side, side], dtype=torch.float64)


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
    recipe: CutRecipe, seed: int, index: int, step: int, sides: tuple[int, int], size: int, draw: str = ""
) -> Cuts:
    """The cuts of picture *index* in *step*; *sides* are its height and width, *size* is the perceptor's.

    *draw* tells apart several draws within one step.
    """
    key = (seed, index, step, f"cuts{draw}")
    draws = uniform(*key, (recipe.total, 5)).double()
    windows = KINDS[recipe.kind](recipe, draws, key, sides, size)
    flip, grayed = draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray
    if recipe.kind == "disco":
        flip, grayed = _of_disco(recipe, flip)
    shape = (recipe.total, 3, size, size)
    grain = recipe.noise * noise(seed, index, step, f"cut noise{draw}", shape) if recipe.noise else None
    warps = draw_warps(recipe.augment, (seed, index, step, f"warps{draw}"), recipe.total)
    return Cuts(windows, flip, grayed, grain, recipe.rim, warps)


def cut(images: Tensor, cuts: Sequence[Cuts], size: int) -> Tensor:
    """Cut every image: [N, 3, H, W] in [-1, 1] and one `Cuts` of C windows each → [N · C, 3, size, size].

    `rim` and the kinds of warps must be equal in all *cuts*.
    """
    n, channels, height, width = images.shape
    rim = cuts[0].rim
    beyond = max(height, width) // 2 if rim else 0  # not by the windows, so that rounding does not depend on them
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


@dataclass(frozen=True, slots=True)
class NoiseKey:
    """Random numbers of a step depend on its image's seed and index and on the step, and on nothing else."""

    seed: int
    index: int
    step: int
