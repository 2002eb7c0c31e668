"""Encodes snapshots and the finished image as a timelapse: GIF, WebP or MP4.

The snapshots take about three seconds, however many they are; the finished image stays longer, so that loops show it.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from engine.errors import InvalidRequest
from engine.images.pictures import fit

WAY_MS = 3000
FRAME_MS = 60, 250
"""One picture of the way is seen at least and at most so long."""
HELD_MS = 2000
"""The finished picture."""
MOST_FRAMES = 48
LARGEST_SIDE = {".gif": 384, ".webp": 512, ".mp4": 512}
MAX_BYTES = 8 * 2**20
"""Below what Discord takes from anybody."""
LEAST_SHRINK = 0.9
SMALLEST_SIDE = 64
FPS = 25
NO_VIDEO = "MP4 needs the package “av”: pip install 'dreambot[video]', or choose .gif or .webp."


def check_kind(suffix: str) -> None:
    """Raise InvalidRequest unless files that end so can be made here."""
    if suffix.lower() not in LARGEST_SIDE:
        raise InvalidRequest(f"An evolution ends in {', '.join(LARGEST_SIDE)}; not in “{suffix}”.")
    if suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise InvalidRequest(NO_VIDEO)


def animate(pictures: Sequence[Image.Image], suffix: str, max_bytes: int = MAX_BYTES) -> bytes:
    """*pictures* in their order, the last one finished, as a file that ends in *suffix*: .gif, .webp or .mp4.

    All get the last one's shape. The longer side is at most `LARGEST_SIDE`, less where *max_bytes* demand it. Raises
    InvalidRequest for another suffix, for no pictures, and where the video library is not installed.
    """
    check_kind(suffix)
    if not pictures:
        raise InvalidRequest("There are no pictures to make an evolution from.")
    kind = suffix.lower()
    way = _spread(pictures[:-1], MOST_FRAMES - 1)
    side = min(max(pictures[-1].size), LARGEST_SIDE[kind])
    while True:
        size = _scaled(pictures[-1].size, side)
        data = _ENCODERS[kind]([fit(picture, *size) for picture in (*way, pictures[-1])], pace(len(way)))
        if len(data) <= max_bytes or side <= SMALLEST_SIDE:
            return data
        shrink = min(math.sqrt(max_bytes / len(data)), LEAST_SHRINK)
        side = max(int(side * shrink), SMALLEST_SIDE)


def pace(way: int) -> list[int]:
    """Milliseconds of every picture: *way* of them on the way, then the finished one."""
    each = min(max(WAY_MS // max(way, 1), FRAME_MS[0]), FRAME_MS[1])
    return [each] * way + [HELD_MS]


def _spread(pictures: Sequence[Image.Image], most: int) -> list[Image.Image]:
    """At most so many, evenly; the first and the last are always among them."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[round(i * (len(pictures) - 1) / (most - 1))] for i in range(most)]


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Even numbers, as video wants them; the longer is *side* or one less."""
    scale = side / max(size)
    width, height = (max(int(length * scale) // 2 * 2, 2) for length in size)
    return width, height


def _gif(pictures: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    return _pillow([picture.quantize(256) for picture in pictures], "GIF", duration=list(durations), loop=0)


def _webp(pictures: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    return _pillow(pictures, "WEBP", duration=list(durations), loop=0, quality=85, method=4)


def _pillow(pictures: Sequence[Image.Image], name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pictures[0].save(buffer, name, save_all=True, append_images=pictures[1:], **options)
    return buffer.getvalue()


def _mp4(pictures: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    """H.264 that browsers and Discord play, its index in front, so that it begins before all of it is there."""
    av: Any = importlib.import_module("av")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evolution.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
            stream = film.add_stream("libx264", rate=FPS, options={"crf": "18"})
            stream.width, stream.height = pictures[0].size
            stream.pix_fmt = "yuv420p"
            for picture, duration in zip(pictures, durations, strict=True):
                for _ in range(max(round(duration * FPS / 1000), 1)):
                    film.mux(stream.encode(av.VideoFrame.from_image(picture)))
            film.mux(stream.encode())
        return path.read_bytes()


_ENCODERS: dict[str, Callable[[Sequence[Image.Image], Sequence[int]], bytes]] = {
    ".gif": _gif,
    ".webp": _webp,
    ".mp4": _mp4,
}
