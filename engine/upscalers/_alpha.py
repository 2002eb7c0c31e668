"""What an upscaler is given of a picture, and what it gives back: transparency, grey, sides that do not fit a net.

Transparency is enlarged by itself, by Lanczos; what lies under it is filled with the colours beside it, so that no
halo grows around the edges. A grey picture stays grey, whatever a net makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

FILL_RADIUS = 8
OPAQUE = 255


@dataclass(frozen=True, slots=True)
class Surface:
    """A picture, made ready. *rgb* may be larger than *size*: its right and lower side were continued by reflection."""

    rgb: Image.Image
    size: tuple[int, int]
    alpha: Image.Image | None = None
    """At *size*."""
    grey: bool = False

    def finish(self, large: Image.Image, scale: int) -> Image.Image:
        """*large* is *rgb*, *scale* times larger → the picture that was asked for: RGB, or RGBA."""
        size = (self.size[0] * scale, self.size[1] * scale)
        image = large if large.size == size else large.crop((0, 0, *size))
        if self.grey:
            image = image.convert("L").convert("RGB")
        if self.alpha is not None:
            image.putalpha(self.alpha.resize(size, Image.Resampling.LANCZOS))
        return image


def prepare(image: Image.Image, grain: int = 1, smallest: int = 1) -> Surface:
    """Any picture → one whose sides are multiples of *grain* and at least *smallest*."""
    alpha = _alpha(image)
    rgb = _filled(image) if alpha else image.convert("RGB")
    sides = [max(-(-side // grain), -(-smallest // grain)) * grain for side in image.size]
    return Surface(_continued(rgb, *sides), image.size, alpha, _is_grey(rgb))


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


def _continued(rgb: Image.Image, width: int, height: int) -> Image.Image:
    if rgb.size == (width, height):
        return rgb
    levels = np.asarray(rgb)
    return Image.fromarray(np.pad(levels, ((0, height - rgb.height), (0, width - rgb.width), (0, 0)), mode="reflect"))


def _is_grey(rgb: Image.Image) -> bool:
    red, green, blue = rgb.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))
