"""The camera of a film in two dimensions: zoom, rotation and shift of a whole image, with Disco Diffusion's signs."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import InvalidRequest, PromptError

LONGEST = 1000
"""Characters."""
_PAIR = re.compile(r"\s*(\d{1,6})\s*:\s*(\(?)\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*(\)?)\s*")
_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$")


@dataclass(frozen=True, slots=True)
class KeyFrames:
    """Values at frames, in order; linear between them, constant before the first and after the last."""

    frames: tuple[int, ...]
    values: tuple[float, ...]

    def at(self, frame: int) -> float:
        """The value at *frame*, from 0."""
        behind = bisect_right(self.frames, frame)
        if behind in (0, len(self.frames)):
            return self.values[min(behind, len(self.values) - 1)]
        (a, b), (low, high) = self.frames[behind - 1 : behind + 1], self.values[behind - 1 : behind + 1]
        return low + (high - low) * (frame - a) / (b - a)


def read_key_frames(text: str, name: str, low: float, high: float) -> KeyFrames:
    """Read the option *name*, whose values lie in *low* to *high*. Raises PromptError at the character.

    >>> read_key_frames("0:(1), 10:(2)", "zoom", 0.5, 2).at(5)
    1.5
    """
    if len(text) > LONGEST:
        _fail(text, name, LONGEST, f"key frames have {LONGEST} characters at most")
    if _NUMBER.match(text):
        _check(text, name, 0, float(text), low, high)
        return KeyFrames((0,), (float(text),))
    found, at = dict[int, float](), 0
    while True:
        pair = _PAIR.match(text, at)
        if not pair or bool(pair[2]) != bool(pair[4]):
            _fail(text, name, at, "a frame and a value are missing here, as in 0:1, 50:1.05")
        _check(text, name, pair.start(3), float(pair[3]), low, high)
        if int(pair[1]) in found:
            _fail(text, name, pair.start(1), f"frame {pair[1]} is named twice")
        found[int(pair[1])], at = float(pair[3]), pair.end()
        if at == len(text):
            break
        if text[at] != ",":
            _fail(text, name, at, "a comma is missing here")
        at += 1
    frames = tuple(sorted(found))
    return KeyFrames(frames, tuple(found[frame] for frame in frames))


def _check(text: str, name: str, at: int, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        _fail(text, name, at, f"{value:g} is out of range ({low:g}–{high:g})")


def _fail(text: str, name: str, at: int, what: str) -> NoReturn:
    raise PromptError(f"{name}, character {at + 1}: {what}.", text, min(at, max(len(text) - 1, 0)))


Edges: TypeAlias = Literal["mirror", "wrap", "stretch", "black"]
EDGES: tuple[Edges, ...] = get_args(Edges)
MARGIN = 3
"""Pixels beyond the sampled ones that the bicubic filter reads."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Motion per frame: factor, degrees counter-clockwise, and shares of width and height to the right and down."""

    zoom: KeyFrames
    angle: KeyFrames
    x: KeyFrames
    y: KeyFrames
    edges: Edges = "mirror"
    """What appears beyond the image's edge."""

    def move(self, image: Image.Image, frame: int) -> Image.Image:
        """The image from which *frame* starts; *image* is the frame before it, in RGB."""
        shift = self.x.at(frame) * image.width, self.y.at(frame) * image.height
        return moved(image, self.zoom.at(frame), self.angle.at(frame), shift, self.edges)


def read_camera(zoom: str, angle: str, x: str, y: str, edges: str) -> Camera:
    """A camera from key frames as text; *x* and *y* in percent.

    Raises PromptError at the character, InvalidRequest for unknown *edges*.
    """
    beyond = next((one for one in EDGES if one == edges), None)
    if beyond is None:
        raise InvalidRequest(f"Unknown edges “{edges}”. Available: {', '.join(EDGES)}.")
    percent = [read_key_frames(text, name, -50, 50) for text, name in ((x, "x"), (y, "y"))]
    across, down = (KeyFrames(found.frames, tuple(value / 100 for value in found.values)) for found in percent)
    return Camera(
        read_key_frames(zoom, "zoom", 0.5, 2), read_key_frames(angle, "angle", -180, 180), across, down, beyond
    )


def moved(image: Image.Image, zoom: float, angle: float, shift: tuple[float, float], edges: Edges) -> Image.Image:
    """*image* shifted by so many pixels right and down, then rotated and enlarged around its centre; its size stays."""
    if zoom == 1 and not angle and shift == (0, 0):
        return image.copy()
    width, height = image.size
    cosine, sine = math.cos(math.radians(angle)) / zoom, math.sin(math.radians(angle)) / zoom
    middle = width / 2, height / 2
    # A pixel of the result (u, v) → a place in the image: Pillow's affine transform goes this way.
    a, b = cosine, -sine
    c = middle[0] - cosine * middle[0] + sine * middle[1] - shift[0]
    d, e = sine, cosine
    f = middle[1] - sine * middle[0] - cosine * middle[1] - shift[1]
    corners = [(a * u + b * v + c, d * u + e * v + f) for u in (0, width) for v in (0, height)]
    left, top = (math.floor(min(corner[k] for corner in corners)) - MARGIN for k in (0, 1))
    right, bottom = (math.ceil(max(corner[k] for corner in corners)) + MARGIN for k in (0, 1))
    canvas = _beyond(np.asarray(image.convert("RGB")), (top, bottom), (left, right), edges)
    return Image.fromarray(canvas).transform(
        image.size, Image.Transform.AFFINE, (a, b, c - left, d, e, f - top), Image.Resampling.BICUBIC
    )


def _beyond(
    pixels: NDArray[np.uint8], rows: tuple[int, int], columns: tuple[int, int], edges: Edges
) -> NDArray[np.uint8]:
    """The *rows* and *columns* (from, to) of an image that is continued beyond its *edges*."""
    height, width = pixels.shape[:2]
    down, across = np.arange(*rows), np.arange(*columns)
    found: NDArray[np.uint8] = pixels[_folded(down, height, edges)][:, _folded(across, width, edges)]
    if edges == "black":
        outside = ((down < 0) | (down >= height))[:, None] | ((across < 0) | (across >= width))[None]
        found[outside] = 0
    return found


def _folded(places: NDArray[np.int_], side: int, edges: Edges) -> NDArray[np.int_]:
    """Places on a line, also outside 0 … side - 1 → the places of the pixels shown there."""
    if edges == "wrap":
        return places % side
    if edges == "mirror":
        period = places % (2 * side)
        return np.minimum(period, 2 * side - 1 - period)
    return places.clip(0, side - 1)
