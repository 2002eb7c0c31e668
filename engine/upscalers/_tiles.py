"""Cutting a picture into windows that can be enlarged one by one without seams.

A window is a core and context around it. All windows of a picture have one size (so that they share forward passes);
at the picture's borders they are pushed inwards, so that a net pads with zeros only where it would without tiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from PIL import Image

from engine.errors import InvalidRequest
from engine.messages import Job
from engine.pictures import open_picture
from engine.requests import UpscaleRequest
from engine.steps import Finished, Running, Step

Box: TypeAlias = tuple[int, int, int, int]
MAX_OUTPUT = 16_384
LANCZOS_REACH = 3


@dataclass(frozen=True, slots=True)
class Tile:
    """*window* is looked at, *core* is what becomes of it; both (left, top, right, bottom) in the small picture."""

    window: Box
    core: Box


@dataclass(slots=True)
class Canvas:
    """The state of one picture that is being enlarged: an `engine.steps.State`."""

    job_id: str
    index: int
    small: Image.Image
    scale: int
    tiles: tuple[Tile, ...]
    step: int = 0
    large: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        size = (self.small.width * self.scale, self.small.height * self.scale)
        self.large = self.small.resize(size, Image.Resampling.BILINEAR)  # seen only where tiles are still to come

    @property
    def steps(self) -> int:
        """As many as there are tiles."""
        return len(self.tiles)

    @property
    def tile(self) -> Tile:
        """The next one."""
        return self.tiles[self.step]

    def paste(self, enlarged: Image.Image, resolved: Mapping[str, object]) -> Step:
        """Put the enlarged core of `tile` into its place; that is one step. *resolved* goes into the replay record."""
        left, top, _, _ = self.tile.core
        self.large.paste(enlarged, (left * self.scale, top * self.scale))
        self.step += 1
        if self.step < self.steps:
            return Running(self.step, self.steps, self.preview)
        return Finished(self.large, {"resolved": resolved})

    def preview(self) -> Image.Image:
        """The picture so far, small."""
        small = self.large.copy()
        small.thumbnail((512, 512), Image.Resampling.BILINEAR, reducing_gap=1.0)
        return small


def cut(width: int, height: int, *, core: int, context: int) -> tuple[Tile, ...]:
    """Tiles with cores of at most *core*² that cover *width* × *height* once, each with *context* pixels around it."""
    across = _spans(width, core, context)
    return tuple(
        Tile((wl, wt, wr, wb), (cl, ct, cr, cb))
        for wt, wb, ct, cb in _spans(height, core, context)
        for wl, wr, cl, cr in across
    )


def _spans(length: int, core: int, context: int) -> list[tuple[int, int, int, int]]:
    """(window start, window end, core start, core end) along one side."""
    window = min(length, core + 2 * context)
    spans = []
    for start in range(0, length, core):
        left = min(max(start - context, 0), length - window)
        spans.append((left, left + window, start, min(start + core, length)))
    return spans


def resample(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """*box* of *image* at *size*, by Lanczos, reading the pixels around the box: pieces fit together without seams.

    First across, then down, always: Pillow chooses the order by the size, and clips between the two.
    """
    left, top, right, bottom = box
    margin = math.ceil(LANCZOS_REACH * max((bottom - top) / size[1], 1)) + 1
    upper, lower = max(top - margin, 0), min(bottom + margin, image.height)
    strip = image.resize((size[0], lower - upper), Image.Resampling.LANCZOS, box=(left, upper, right, lower))
    return strip.resize(size, Image.Resampling.LANCZOS, box=(0, top - upper, size[0], bottom - upper))


def open_small(job: Job, images: Mapping[str, bytes]) -> tuple[Image.Image, int]:
    """The picture and the scale of an upscale job; raises UnreadablePicture, InvalidRequest in words."""
    request = job.request
    assert isinstance(request, UpscaleRequest)
    image = open_picture(images[request.image])
    longest = max(image.size) * request.scale
    if longest > MAX_OUTPUT:
        most = MAX_OUTPUT // max(image.size)
        raise InvalidRequest(
            f"{image.width}×{image.height} times {request.scale} would be {longest} pixels long; {MAX_OUTPUT} is the "
            + (f"most, so {most} is the largest scale for this picture." if most > 1 else "most: it is large enough.")
        )
    return image, request.scale
