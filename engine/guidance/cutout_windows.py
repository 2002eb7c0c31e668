"""Positions and sizes of cutouts. Seven recipes, with keyed random numbers:

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from engine.images.tensors import noise, uniform

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

Key: TypeAlias = tuple[int, int, int, str]
"""(seed, index, step, purpose) of `tensors.noise`."""


class WindowRecipe(Protocol):
    """The part of `cutouts.CutRecipe` that windows depend on."""

    @property
    def count(self) -> int: ...
    @property
    def overview(self) -> int: ...
    @property
    def power(self) -> float: ...
    @property
    def flip(self) -> float: ...
    @property
    def gray(self) -> float: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Windows:
    """*windows*: [C, 4], top, left, height and width in whole pixels. *flip*, *gray*: [C], bool."""

    windows: Tensor
    flip: Tensor
    gray: Tensor


def draw_windows(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    """Draw windows in an image of *sides* (height, width) for a CLIP with an input of *size* pixels."""
    return KINDS[recipe.kind](recipe, key, sides, size)


def _mixed(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws = _draws(key, recipe.count)
    windows = _squares(draws, recipe.power, sides, min(size, round(SMALLEST_PART * min(sides))))
    windows[: max(1, recipe.count // OVERVIEW_PART)] = _overview(*sides)
    return Windows(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


def _classic(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws = _draws(key, recipe.count)
    windows = _squares(draws, recipe.power, sides, min(size, *sides))
    return Windows(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


def _padded(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws, rim = _draws(key, recipe.count), sides[0] // RIM_PART
    height, width = sides[0] + 2 * rim, sides[1] + 2 * rim
    longest = min(height, width)
    part = PADDED_MEAN + PADDED_SPREAD * noise(*key[:3], f"{key[3]} sizes", (recipe.count,)).double()
    side = (longest * part.clamp(min(size / longest, 1.0), 1)).floor()
    windows = _placed(draws, side, height, width)
    windows[: recipe.count // OVERVIEW_PART] = torch.tensor([0, 0, height, width], dtype=torch.float64)
    windows[:, :2] -= rim
    return Windows(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


def _big_sleep(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws = _draws(key, recipe.count)
    part = PADDED_MEAN + PADDED_SPREAD * noise(*key[:3], f"{key[3]} sizes", (recipe.count,)).double()
    windows = _placed(draws, (min(sides) * part.clamp(*SLEEP_SIZES)).floor(), *sides)
    return Windows(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


def _disco(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    whole, inner = recipe.overview, recipe.count
    draws = _draws(key, whole + inner)
    windows = _squares(draws, recipe.power, sides, min(size, *sides))
    windows[:whole] = _overview(*sides)
    number = torch.arange(whole + inner)
    varied = (number < whole) if whole <= VARIED_OVERVIEWS else torch.zeros(whole + inner, dtype=torch.bool)
    gray = (varied & (number % 2 == 1)) | ((number >= whole) & (number <= whole + int(recipe.gray * inner)))
    return Windows(windows, (draws[:, 3] < recipe.flip) ^ (varied & (number >= 2)), gray)


def _clipdraw(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws, (height, width) = _draws(key, recipe.count), sides
    area = CROP_AREAS[0] + (CROP_AREAS[1] - CROP_AREAS[0]) * draws[:, 0]
    ratio = torch.exp(math.log(CROP_RATIO) * (2 * uniform(*key[:3], f"{key[3]} ratios", (recipe.count,)).double() - 1))
    ratio = torch.minimum(torch.maximum(ratio, area * width / height), width / height / area)  # so that it fits
    tall, wide = ((area * height * width / ratio).sqrt(), (area * height * width * ratio).sqrt())
    tall, wide = tall.round().clamp(max=height), wide.round().clamp(max=width)
    top, left = (draws[:, 1] * (height - tall + 1)).floor(), (draws[:, 2] * (width - wide + 1)).floor()
    return Windows(torch.stack([top, left, tall, wide], dim=1), draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


def _whole(recipe: WindowRecipe, key: Key, sides: tuple[int, int], size: int) -> Windows:
    draws = _draws(key, recipe.count)
    windows = torch.tensor([0, 0, *sides], dtype=torch.float64).repeat(recipe.count, 1)
    return Windows(windows, draws[:, 3] < recipe.flip, draws[:, 4] < recipe.gray)


KINDS: Mapping[str, Callable[[WindowRecipe, Key, tuple[int, int], int], Windows]] = {
    "mixed": _mixed,
    "classic": _classic,
    "padded": _padded,
    "big_sleep": _big_sleep,
    "disco": _disco,
    "clipdraw": _clipdraw,
    "whole": _whole,
}
"""By the option's words."""


def _draws(key: Key, count: int) -> Tensor:
    """[count, 5] in [0, 1): size, top, left, mirrored, gray."""
    return uniform(*key, (count, 5)).double()


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
