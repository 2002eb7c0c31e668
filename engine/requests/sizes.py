"""Sizes as people write them: ``384x256``, ``3:2``, ``portrait``. A shape becomes the nearest size of a model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from engine.catalogue.models import Model
from engine.errors import InvalidRequest

SHAPES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"square": (1, 1), "portrait": (2, 3), "landscape": (3, 2), "wide": (16, 9), "tall": (9, 16)}
)
"""Name → width : height."""
_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
_ABOUT = 2.0
"""A shape costs at most this many times the pixels of the model's own size, where its limits allow that."""


def parse_size(text: str) -> tuple[int, int]:
    """``384x256`` → (384, 256); raises InvalidRequest."""
    width, _, height = text.lower().replace("×", "x").replace(" ", "").partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6):
        raise InvalidRequest(
            f"“{text}” is not a size. A size looks like 256x256 (width x height), 3:2, or {', '.join(SHAPES)}."
        )
    return int(width), int(height)


def parse_shape(text: str) -> tuple[int, int] | None:
    """``3:2`` or ``portrait`` → width : height; None for anything else."""
    word = text.strip().lower().replace(" ", "")
    if found := _RATIO.fullmatch(word):
        return int(found[1]), int(found[2])
    return SHAPES.get(word)


def find_size(text: str, model: Model, most: int = 0) -> tuple[int, int]:
    """The size that *text* means for *model*, in pixels; a shape has no side above *most* (0 = the model's limit).

    Of the sizes that *model* paints, a shape takes the nearest aspect ratio, then about the area of the model's own
    size. ``WxH`` is not checked against the model. Raises InvalidRequest.
    """
    shape = parse_shape(text)
    if shape is None:
        return parse_size(text)
    wanted, own = math.log(shape[0] / shape[1]), model.size[0] * model.size[1]

    def distance(size: tuple[int, int]) -> tuple[bool, float, float, int]:
        width, height = size
        area = abs(math.log(width * height / own))
        return area > math.log(_ABOUT), round(abs(math.log(width / height) - wanted), 6), area, -width

    return min(_sizes(model, most), key=distance)


def _sizes(model: Model, most: int) -> Iterator[tuple[int, int]]:
    """Every size that *model* paints with sides of at most *most* pixels, or its smallest square."""
    start = -(-model.smallest // model.multiple) * model.multiple
    largest = min(model.largest, most) if most else model.largest
    sides = range(start, max(largest, start) + 1, model.multiple)
    yield from ((width, height) for width in sides for height in sides)
