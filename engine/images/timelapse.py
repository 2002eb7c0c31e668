"""Encodes films: GIF, WebP or MP4. A timelapse shows snapshots and then the finished image.

All snapshots together last about three seconds. The finished image stays longer, so that it is visible in a loop.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
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
GIF_MS = 20
"""Shortest duration of a GIF's frame. Browsers show frames of 10 ms or less for 100 ms."""
LEAST_SHRINK = 0.9
SMALLEST_SIDE = 64
FPS = 25
FILM_FPS, MOST_FPS = 12, 60
"""Usual and largest frames per second of a film."""
QUALITIES: Mapping[str, tuple[int, ...]] = {".mp4": (18, 24, 30), ".webp": (85, 65, 45), ".gif": (256, 64)}
"""CRF of H.264, quality of WebP, colours of a GIF; the best first."""
_SAID = 4096
"""Bytes that are read of what ffmpeg says."""
NO_VIDEO = "MP4 needs ffmpeg, or the package “av”: pip install 'dreambot[video]', or choose .gif or .webp."


def check_kind(suffix: str) -> None:
    """Raise InvalidRequest unless files with this *suffix* can be encoded."""
    if suffix.lower() not in LARGEST_SIDE:
        raise InvalidRequest(f"Unknown film format “{suffix}”. Available: {', '.join(LARGEST_SIDE)}.")
    if suffix.lower() == ".mp4" and not has_video():
        raise InvalidRequest(NO_VIDEO)


def has_video() -> bool:
    return importlib.util.find_spec("av") is not None or shutil.which("ffmpeg") is not None


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
        fitted = [fit(picture, *size) for picture in (*snapshots, pictures[-1])]
        data = _ENCODERS[kind](fitted, pace(len(snapshots)), FPS, QUALITIES[kind][0])
        if len(data) <= max_bytes or side <= SMALLEST_SIDE:
            return data
        shrink = min(math.sqrt(max_bytes / len(data)), LEAST_SHRINK)
        side = max(int(side * shrink), SMALLEST_SIDE)


def film_of(frames: Iterable[Image.Image], suffix: str, fps: int) -> bytes:
    """Encode *frames* of one size in the format of *suffix* at *fps* frames per second, all of them at full size.

    Sides of an MP4 are cut to even numbers. Raises InvalidRequest for another suffix, or without the video library.
    """
    check_kind(suffix)
    kind = suffix.lower()
    return _ENCODERS[kind]((frame.convert("RGB") for frame in frames), repeat(1000 / fps), fps, QUALITIES[kind][0])


def film_within(
    frames: Callable[[], Iterable[Image.Image]], suffix: str, fps: int, max_bytes: int
) -> tuple[bytes, tuple[int, int]]:
    """Encode as `film_of`, in at most *max_bytes*: with less quality, then with smaller sides.

    *frames* starts from the first frame at each call. Returns the file, and width and height in it; a film of
    `SMALLEST_SIDE` pixels may still be too large.
    """
    check_kind(suffix)
    kind, full = suffix.lower(), next(iter(frames())).size
    size, longest, qualities = full, max(full), iter(QUALITIES[kind])
    quality = next(qualities)
    while True:
        fitted = (fit(frame.convert("RGB"), *size) for frame in frames())
        data = _ENCODERS[kind](fitted, repeat(1000 / fps), fps, quality)
        if len(data) <= max_bytes or longest <= SMALLEST_SIDE:
            return data, size
        if (lower := next(qualities, None)) is not None:
            quality = lower
            continue
        longest = max(int(longest * min(math.sqrt(max_bytes / len(data)), LEAST_SHRINK)), SMALLEST_SIDE)
        size = _scaled(full, longest)


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


def _gif(pictures: Iterable[Image.Image], durations: Iterable[float], fps: int, quality: int) -> bytes:
    shown = durations if isinstance(durations, list) else repeat(max(next(iter(durations)), GIF_MS))
    return _pillow((picture.quantize(quality) for picture in pictures), "GIF", shown)


def _webp(pictures: Iterable[Image.Image], durations: Iterable[float], fps: int, quality: int) -> bytes:
    return _pillow(pictures, "WEBP", durations, quality=quality, method=4)


def _pillow(pictures: Iterable[Image.Image], name: str, durations: Iterable[float], **options: object) -> bytes:
    """Frames are encoded one by one. Pillow wants the durations of all, or one for all."""
    buffer, frames = io.BytesIO(), iter(pictures)
    first = next(frames)
    one = durations if isinstance(durations, list) else round(next(iter(durations)))
    first.save(buffer, name, save_all=True, append_images=frames, duration=one, loop=0, **options)
    return buffer.getvalue()


def _mp4(pictures: Iterable[Image.Image], durations: Iterable[float], fps: int, quality: int) -> bytes:
    """H.264 in yuv420p, which browsers and Discord play, with the index first for streaming."""
    shown = _repeated(pictures, durations, fps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        (_by_av if importlib.util.find_spec("av") else _by_ffmpeg)(shown, path, fps, quality)
        return path.read_bytes()


def _repeated(pictures: Iterable[Image.Image], durations: Iterable[float], fps: int) -> Iterator[Image.Image]:
    """Repeat each picture for its duration, with its sides cut to even numbers."""
    for picture, duration in zip(pictures, durations, strict=False):
        even = picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2))
        for _ in range(max(round(duration * fps / 1000), 1)):
            yield even


def _by_av(pictures: Iterator[Image.Image], path: Path, fps: int, crf: int) -> None:
    av: Any = importlib.import_module("av")
    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=fps, options={"crf": str(crf)})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if not number:
                stream.width, stream.height = picture.size
            film.mux(stream.encode(av.VideoFrame.from_image(picture)))
        film.mux(stream.encode())


def _by_ffmpeg(pictures: Iterator[Image.Image], path: Path, fps: int, crf: int) -> None:
    """Raises InvalidRequest if ffmpeg fails, for example without H.264."""
    first = next(pictures)
    size = f"{first.width}x{first.height}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(fps), "-i", "-"]
    target = ["-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p", "-movflags", "faststart", "-y", str(path)]
    with tempfile.TemporaryFile() as errors:  # a full pipe would stop ffmpeg
        with subprocess.Popen(  # noqa: S603 -- fixed words
            [shutil.which("ffmpeg") or "ffmpeg", "-loglevel", "error", *source, *target],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as program:
            assert program.stdin
            with contextlib.suppress(BrokenPipeError):
                for picture in chain((first,), pictures):
                    program.stdin.write(picture.tobytes())
                program.stdin.close()
        errors.seek(0)
        said = errors.read(_SAID).decode(errors="replace").strip()
    if program.returncode:
        raise InvalidRequest(f"ffmpeg could not write the MP4: {said.splitlines()[0] if said else 'it failed'}.")


_ENCODERS: dict[str, Callable[[Iterable[Image.Image], Iterable[float], int, int], bytes]] = {
    ".gif": _gif,
    ".webp": _webp,
    ".mp4": _mp4,
}
