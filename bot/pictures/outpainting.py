"""Canvases for painting beyond a picture's edges, with their masks; crops and patterns. Functions block."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from engine.images.opening import open_own
from engine.images.pictures import to_png, within

WIDEST = 4096
"""Pixels of a pattern's longer side, at most; an enlarged picture may be larger by itself."""
BAND = 16
"""Share of a side, as its reciprocal, in which the mask fades into the picture, so that no seam is seen."""


@dataclass(frozen=True, slots=True)
class OutpaintCanvas:
    """*init*: the picture on its new ground; *mask*: white where it is painted. Both are PNGs of *size*."""

    init: bytes
    mask: bytes
    size: tuple[int, int]

    @property
    def init_sha256(self) -> str:
        return hashlib.sha256(self.init).hexdigest()

    @property
    def mask_sha256(self) -> str:
        return hashlib.sha256(self.mask).hexdigest()


def outpaint_canvas(png: bytes, size: tuple[int, int], at: tuple[int, int], scale: float = 1.0) -> OutpaintCanvas:
    """Put the picture, scaled, on a canvas of *size* with its upper left corner *at*; its edges are drawn out."""
    picture = open_own(png)
    if scale != 1:
        shrunk = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(shrunk, Image.Resampling.LANCZOS)
    (left, top), (width, height) = at, size
    around = ((top, height - top - picture.height), (left, width - left - picture.width))
    canvas = np.pad(np.asarray(picture), (*around, (0, 0)), mode="edge")
    return OutpaintCanvas(to_png(Image.fromarray(canvas)), to_png(Image.fromarray(_mask(picture.size, around))), size)


def centre_square(png: bytes) -> bytes:
    """The middle of a picture as a square PNG."""
    picture = open_own(png)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return to_png(picture.crop((left, top, left + side, top + side)))


def tiled(png: bytes) -> bytes:
    """The picture two by two, as PNG of at most `WIDEST` pixels a side: how it looks as a pattern."""
    picture = open_own(png)
    if max(picture.size) > WIDEST // 2:
        picture = within(picture, WIDEST // 2)
    sheet = Image.new("RGB", (2 * picture.width, 2 * picture.height))
    for x in (0, picture.width):
        for y in (0, picture.height):
            sheet.paste(picture, (x, y))
    return to_png(sheet)


def _mask(kept: tuple[int, int], around: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    """[H, W]: 0 in the picture, rising to 255 towards each side that is extended, 255 outside."""
    (above, below), (before, after) = around
    across = _ramp(kept[0], bool(before), bool(after))
    down = _ramp(kept[1], bool(above), bool(below))
    inside = np.maximum(across[None, :], down[:, None])
    return np.pad(inside, around, constant_values=255)


def _ramp(length: int, at_start: bool, at_end: bool) -> np.ndarray:
    band = max(length // BAND, 1)
    rising = np.linspace(0, 255, band + 1, endpoint=False)[1:].round().astype(np.uint8)
    ramp = np.zeros(length, np.uint8)
    if at_start:
        ramp[:band] = np.maximum(ramp[:band], rising[::-1])
    if at_end:
        ramp[length - band :] = np.maximum(ramp[length - band :], rising)
    return ramp
