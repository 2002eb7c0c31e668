"""Prepares an image for a network and undoes it afterwards: transparency, grey, borders, sides that do not fit.

Transparency is resampled by Lanczos; hidden colours are replaced by those beside them, so that no halo grows around the
edges. A grey image stays grey. A seamless image is continued by its opposite side, so that its edges still fit. A tiny
one is continued by reflection, because a network would see little but the zeros beyond its borders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageFilter

FILL_RADIUS = 8
OPAQUE = 255
TINY = 8
"""Shorter sides are continued on both ends."""
WRAPPED = 8
"""Pixels of the opposite side beside a seamless image, at least."""

Axes = tuple[bool, bool]
"""Whether the left edge fits the right one, and the upper edge the lower one."""
PLAIN: Axes = (False, False)


@dataclass(frozen=True, slots=True)
class Surface:
    """An image that is ready for a network. *rgb* may be larger than *size*; the image begins at *origin* in it."""

    rgb: Image.Image
    size: tuple[int, int]
    alpha: Image.Image | None = None
    """As large as *rgb*."""
    grey: bool = False
    origin: tuple[int, int] = (0, 0)

    def finish(self, large: Image.Image, scale: int) -> Image.Image:
        """*large* is *rgb*, *scale* times larger → the upscaled image: RGB, or RGBA."""
        (left, top), (width, height) = self.origin, self.size
        box = (left * scale, top * scale, (left + width) * scale, (top + height) * scale)
        image = large if large.size == (width * scale, height * scale) else large.crop(box)
        if self.grey:
            image = image.convert("L").convert("RGB")
        if self.alpha is not None:
            image.putalpha(self.alpha.resize(large.size, Image.Resampling.LANCZOS).crop(box))
        return image


def prepare(image: Image.Image, grain: int = 1, smallest: int = 1, wrap: Axes = PLAIN, margin: int = 0) -> Surface:
    """Any image → one whose sides are multiples of *grain* and at least *smallest*.

    Seamless axes are continued by *margin* pixels on both sides, `WRAPPED` at least.
    """
    alpha = _alpha(image)
    rgb = _filled(image) if alpha else image.convert("RGB")
    pads = [
        _pads(side, grain, smallest, max(margin, WRAPPED) if wrapped else 0)
        for side, wrapped in zip(image.size, wrap, strict=True)
    ]
    origin = (pads[0][0], pads[1][0])
    return Surface(
        _continued(rgb, pads, wrap), image.size, alpha and _continued(alpha, pads, wrap), _is_grey(rgb), origin
    )


def axes_of(record: Mapping[str, Any] | None) -> Axes:
    """Which axes of a recorded image are seamless; of an upscaled image by the record of its source."""
    while record is not None:
        request = record.get("request")
        options = request.get("options") if isinstance(request, Mapping) else None
        if isinstance(options, Mapping) and "seamless" in options:
            return axes(str(options["seamless"]))
        source = record.get("source")
        record = source if isinstance(source, Mapping) else None
    return PLAIN


def axes(seamless: str) -> Axes:
    """The option “none”, “across”, “down” or “both” as axes."""
    return seamless in ("across", "both"), seamless in ("down", "both")


def _pads(side: int, grain: int, smallest: int, margin: int) -> tuple[int, int]:
    """Pixels to add before and after a side."""
    before = margin or max(-(-(TINY - side) // 2), 0)
    wanted = max(side + 2 * before, smallest)
    return before, -(-wanted // grain) * grain - side - before


def _alpha(image: Image.Image) -> Image.Image | None:
    """Its transparency, unless it is opaque all over."""
    if image.mode != "RGBA":
        return None
    alpha = image.getchannel("A")
    return None if alpha.getextrema() == (OPAQUE, OPAQUE) else alpha


def _filled(image: Image.Image) -> Image.Image:
    """The colours of an RGBA picture; where nothing is seen, those from nearby."""
    near = image.convert("RGBa").filter(ImageFilter.GaussianBlur(FILL_RADIUS)).convert("RGBA").convert("RGB")
    seen = image.getchannel("A").point(lambda level: OPAQUE if level else 0)
    return Image.composite(image.convert("RGB"), near, seen)


def _continued(image: Image.Image, pads: list[tuple[int, int]], wrap: Axes) -> Image.Image:
    """*pads* and *wrap*: across, down."""
    levels = np.asarray(image)
    for axis, (pad, wrapped) in zip((1, 0), zip(pads, wrap, strict=True), strict=True):
        if any(pad):
            widths = [pad if place == axis else (0, 0) for place in range(levels.ndim)]
            levels = np.pad(levels, widths, mode="wrap" if wrapped else "reflect")
    return image if levels.shape[:2] == (image.height, image.width) else Image.fromarray(levels)


def _is_grey(rgb: Image.Image) -> bool:
    red, green, blue = rgb.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))
