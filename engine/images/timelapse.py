"""Encodes snapshots and the finished image as a timelapse: GIF, WebP or MP4.

All snapshots together last about three seconds. The finished image stays longer, so that it is visible in a loop.
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

SNAPSHOTS_MS = 3000
FRAME_MS = 60, 250
"""Shortest and longest duration of a snapshot."""
FINISHED_MS = 2000
"""Duration of the finished image."""
MOST_FRAMES = 48
LARGEST_SIDE = {".gif": 384, ".webp": 512, ".mp4": 512}
MAX_BYTES = 8 * 2**20
"""Below the upload limit of every Discord server."""
LEAST_SHRINK = 0.9
SMALLEST_SIDE = 64
FPS = 25
NO_VIDEO = "MP4 needs the package “av”: pip install 'dreambot[video]', or choose .gif or .webp."


def check_kind(suffix: str) -> None:
    """Raise InvalidRequest unless files with this *suffix* can be encoded."""
    if suffix.lower() not in LARGEST_SIDE:
        raise InvalidRequest(f"Unknown film format “{suffix}”. Available: {', '.join(LARGEST_SIDE)}.")
    if suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise InvalidRequest(NO_VIDEO)


def animate(pictures: Sequence[Image.Image], suffix: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Encode *pictures* as a film in the format of *suffix*: .gif, .webp or .mp4. The last picture is the finished one.

    All frames get the shape of the last picture. The longer side is at most `LARGEST_SIDE`, and smaller if *max_bytes*
    requires it. Raises InvalidRequest for another suffix, for no pictures, or without the video library.
    """
    check_kind(suffix)
    if not pictures:
        raise InvalidRequest("A film needs at least one picture.")
    kind = suffix.lower()
    snapshots = _spread(pictures[:-1], MOST_FRAMES - 1)
    side = min(max(pictures[-1].size), LARGEST_SIDE[kind])
    while True:
        size = _scaled(pictures[-1].size, side)
        data = _ENCODERS[kind]([fit(picture, *size) for picture in (*snapshots, pictures[-1])], pace(len(snapshots)))
        if len(data) <= max_bytes or side <= SMALLEST_SIDE:
            return data
        shrink = min(math.sqrt(max_bytes / len(data)), LEAST_SHRINK)
        side = max(int(side * shrink), SMALLEST_SIDE)


def pace(snapshots: int) -> list[int]:
    """Durations in milliseconds of *snapshots* snapshots and the finished image."""
    each = min(max(SNAPSHOTS_MS // max(snapshots, 1), FRAME_MS[0]), FRAME_MS[1])
    return [each] * snapshots + [FINISHED_MS]


def _spread(pictures: Sequence[Image.Image], most: int) -> list[Image.Image]:
    """At most *most* pictures, evenly spaced, with the first and the last."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[round(i * (len(pictures) - 1) / (most - 1))] for i in range(most)]


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Scale *size* to a longer side of *side*, rounded down to even numbers, which video codecs need."""
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
    """H.264 in yuv420p, which browsers and Discord play, with the index first for streaming."""
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
