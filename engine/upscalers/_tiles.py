"""Cuts an image into windows that are upscaled one by one, and joins the results without seams.

A window is a core with context around it. All windows of an image have one size, so that they share forward passes.
Near the image's borders they are moved inwards, so that a network pads with zeros only where it would without tiles.
Where a network reaches further than its context, neighbours overlap and fade into one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor

from engine.errors import OutOfMemory
from engine.images.opening import open_own
from engine.methods import Finished, Running, Step
from engine.protocol.messages import Job
from engine.protocol.replay_record import StepConditions, StepLog, find_record
from engine.requests.request import UpscaleRequest
from engine.runtime.device import free_memory
from engine.upscalers import PLAIN, Axes, check_large

FILL_RADIUS = 8
OPAQUE = 255
TINY = 8
"""Shorter sides are continued on both ends."""
WRAPPED = 8
"""Pixels of the opposite side beside a seamless image, at least."""


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

    Transparency is resampled by Lanczos; hidden colours are replaced by those beside them, so that no halo grows around
    the edges. A tiny image is continued by reflection, because a network would see little but the zeros beyond it.
    Seamless axes are continued by *margin* pixels on both sides, `WRAPPED` at least.
    """
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None and alpha.getextrema() == (OPAQUE, OPAQUE):
        alpha = None
    rgb = _filled(image) if alpha else image.convert("RGB")
    red, green, blue = rgb.split()
    grey = all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))
    pads = []
    for side, wrapped in zip(image.size, wrap, strict=True):
        before = max(margin, WRAPPED) if wrapped else max(-(-(TINY - side) // 2), 0)
        wanted = max(side + 2 * before, smallest)
        pads.append((before, -(-wanted // grain) * grain - side - before))
    origin = (pads[0][0], pads[1][0])
    return Surface(_continued(rgb, pads, wrap), image.size, alpha and _continued(alpha, pads, wrap), grey, origin)


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


Box: TypeAlias = tuple[int, int, int, int]
Span: TypeAlias = tuple[int, int, int, int]
PIXEL_BYTES = 8
"""System memory for each of its pixels, at most: the picture itself, what is cut out of it, the PNG."""
LANCZOS_REACH = 3
PREVIEW_SIDE = 512


@dataclass(frozen=True, slots=True)
class Cutting:
    """How an image is cut; lengths in small pixels. Cores of about *core*², *context* around them."""

    core: int
    context: int = 0
    fade: int = 0
    """Neighbours overlap by so much on either side of where their cores meet; less than *context*."""
    grain: int = 1
    """Windows begin and end on multiples of this; so must the picture, the core and the context."""


@dataclass(frozen=True, slots=True)
class Tile:
    """*window* is the input, *core* its share of the image; both (left, top, right, bottom), in small pixels."""

    window: Box
    core: Box


@dataclass(slots=True)
class Unfinished:
    """A window within a network. *rest* yields None at pauses, then the result and whether it is finite."""

    rest: Iterator[tuple[Tensor, Tensor] | None]
    threads: int
    """CPU threads of its first step; the others use as many, so that they are rounded alike."""


@dataclass(slots=True)
class Canvas:
    """The state of one image during upscaling: an `engine.methods.State`."""

    job_id: str
    index: int
    surface: Surface
    scale: int
    cutting: Cutting
    step: int = 0
    precise: bool = False
    """Half precision was not enough for it."""
    alone: bool = False
    """Whether its windows go through the net one by one, in several steps each."""
    unfinished: Unfinished | None = None
    """What is left to do of the next tile."""
    bucket: int = 1
    """The smallest batch its tiles may run in; a replay sets that of the first time, tile by tile."""
    step_log: StepLog = field(default_factory=StepLog)
    """How its tiles were run."""
    notes: tuple[str, ...] = ()
    """For the person, with the finished picture."""
    tiles: tuple[Tile, ...] = field(init=False)
    large: Image.Image = field(init=False)
    _row: Image.Image | None = None
    """The tiles so far of the row that is being worked on, from fade to fade."""

    def __post_init__(self) -> None:
        size = (self.small.width * self.scale, self.small.height * self.scale)
        self.large = self.small.resize(size, Image.Resampling.BILINEAR)  # seen only where tiles are still to come
        self.tiles = cut(*self.small.size, self.cutting)

    @property
    def small(self) -> Image.Image:
        """The image that is cut: RGB, with the pixels that were added to its sides."""
        return self.surface.rgb

    @property
    def steps(self) -> int:
        return len(self.tiles)

    @property
    def tile(self) -> Tile:
        return self.tiles[self.step]

    @property
    def shown(self) -> Box:
        """The part of the image that the next tile shows: its core, and the overlap with its neighbours."""
        left, top, right, bottom = self.tile.core
        fade, (width, height) = self.cutting.fade, self.small.size
        return max(left - fade, 0), max(top - fade, 0), min(right + fade, width), min(bottom + fade, height)

    def paste(
        self, enlarged: Image.Image, resolved: Mapping[str, object], conditions: StepConditions | None = None
    ) -> Step:
        """Pastes the next tile; that is one step. *resolved* goes into the replay record.

        *conditions*: the conditions of the step, if they matter for a replay.
        """
        if self.cutting.fade:
            self._blend(enlarged)
        else:
            left, top, _, _ = self.tile.core
            self.large.paste(enlarged, (left * self.scale, top * self.scale))
        self.step += 1
        if conditions:
            self.step_log = self.step_log.appended(conditions)
        if self.step < self.steps:
            return Running(self.step, self.steps, self.preview)
        way = {"upscaler_course": self.step_log.rows, "upscaler_core": self.cutting.core} if conditions else {}
        facts = {"resolved": {**resolved, **way}} | ({"notes": list(self.notes)} if self.notes else {})
        return Finished(self.surface.finish(self.large, self.scale), facts)

    def preview(self) -> Image.Image:
        """The image so far, small."""
        shrink = min(PREVIEW_SIDE / max(self.large.size), 1)
        size = (max(round(self.large.width * shrink), 1), max(round(self.large.height * shrink), 1))
        return self.large.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)

    def refine(self) -> bool:
        """Cuts the rest of the image into tiles of half the size, from the current row on.

        Returns False if tiles cannot be smaller.
        """
        core = self.cutting.core // 2 // self.cutting.grain * self.cutting.grain
        if core < max(self.cutting.grain, 2 * self.cutting.fade, 1):
            return False
        top = self.tile.core[1]
        done = tuple(tile for tile in self.tiles if tile.core[1] < top)
        self.cutting, self._row, self.unfinished = replace(self.cutting, core=core), None, None
        self.tiles, self.step = done + cut(*self.small.size, self.cutting, top), len(done)
        self.step_log = self.step_log.first(self.step)
        return True

    def begin_with(self, core: int) -> None:
        """Before the first step: cuts the image into cores of about that side."""
        core = max(core // self.cutting.grain * self.cutting.grain, self.cutting.grain, 2 * self.cutting.fade)
        self.cutting = replace(self.cutting, core=core)
        self.tiles = cut(*self.small.size, self.cutting)

    def _blend(self, enlarged: Image.Image) -> None:
        """Pastes the tile into its row, and a finished row into the image; both fade over the same length."""
        scale, (left, top, _, bottom) = self.scale, self.shown
        width = 2 * self.cutting.fade * scale
        if self._row is None:
            self._row = Image.new("RGB", (self.large.width, (bottom - top) * scale))
        self._row.paste(enlarged, (left * scale, 0), _ramp(enlarged.size, width, across=True) if left else None)
        if self.tile.core[2] == self.small.width:
            mask = _ramp(self._row.size, width, across=False) if top else None
            self.large.paste(self._row, (0, top * scale), mask)
            self._row = None


def cut(width: int, height: int, cutting: Cutting, top: int = 0) -> tuple[Tile, ...]:
    """Tiles whose cores cover *width* × *height* once, from the line *top* on, in rows."""
    across = _spans(width, cutting, 0)
    return tuple(
        Tile((wl, wt, wr, wb), (cl, ct, cr, cb))
        for wt, wb, ct, cb in _spans(height, cutting, top)
        for wl, wr, cl, cr in across
    )


def _spans(length: int, cutting: Cutting, start: int) -> list[Span]:
    """(window start, window end, core start, core end) along one side.

    All windows have one size. Context lies on the inner sides alone; at the image's borders a core takes its place.
    """
    context, grain = cutting.context, cutting.grain
    before = min(context, start)
    whole = length - start + before
    count = max(math.ceil((whole - 2 * context) / cutting.core), 1)
    window = math.ceil((whole + 2 * context * (count - 1)) / count / grain) * grain
    spans, begin = [], start
    for number in range(count):
        left = start - before + number * (window - 2 * context)
        if number == count - 1:
            left, end = max(length - window, 0), length
        else:
            end = left + window - context
        spans.append((left, min(left + window, length), begin, end))
        begin = end
    return spans


def _ramp(size: tuple[int, int], length: int, *, across: bool) -> Image.Image:
    """A mask that rises from 0 to 255 within its first *length* columns (or rows)."""
    side = size[0] if across else size[1]
    rising = np.clip((np.arange(side) + 0.5) / length, 0, 1) * 255
    levels = rising.round().astype(np.uint8)
    line = Image.fromarray(levels[None] if across else levels[:, None])
    return line.resize(size, Image.Resampling.NEAREST)


def resample(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """*box* of *image* at *size*, by Lanczos. Reads the pixels around the box, so pieces fit together without seams.

    Always across first, then down: Pillow would choose the order by the size, and clips in between.
    """
    left, top, right, bottom = box
    margin = math.ceil(LANCZOS_REACH * max((bottom - top) / size[1], 1)) + 1
    upper, lower = max(top - margin, 0), min(bottom + margin, image.height)
    strip = image.resize((size[0], lower - upper), Image.Resampling.LANCZOS, box=(left, upper, right, lower))
    return strip.resize(size, Image.Resampling.LANCZOS, box=(0, top - upper, size[0], bottom - upper))


def open_small(job: Job, images: Mapping[str, bytes]) -> tuple[Image.Image, int, Axes]:
    """The image (RGB or RGBA) of an upscale job, its seamless axes by its record, and the scale as a whole number.

    A scale between whole numbers is rounded up here; the worker reduces the result.

    Raises UnreadablePicture, InvalidRequest or OutOfMemory.
    """
    request = job.request
    assert isinstance(request, UpscaleRequest)
    image = open_own(images[request.image], alpha=True)
    check_large(image.width, image.height, request.scale)
    scale = math.ceil(request.scale)
    check_room(image.width * image.height * scale**2)
    return image, scale, axes_of(find_record(images[request.image]))


def check_room(pixels: int) -> None:
    """Raises OutOfMemory for an image of *pixels* pixels that does not fit into free memory."""
    needed, free = pixels * PIXEL_BYTES, free_memory(torch.device("cpu"))
    if needed > free:
        raise OutOfMemory(
            f"A picture of {pixels / 1e6:.0f} megapixels takes {needed / 1e9:.1f} GB of memory here, and "
            f"{free / 1e9:.1f} GB are free; a smaller scale may fit."
        )
