"""The decoder's child process: image bytes from a stranger on stdin → a clean PNG on stdout.

`decoder_server` forks it; on Windows `decoder` starts it. The child imports what it needs, then gives up memory, CPU
time, new files, sockets and processes, and only then decodes. What it answers is one line of JSON, then the PNG:

    {"width": 4000, "height": 3000, "format": "JPEG", "animated": false}      width × height: upright, as sent
    {"error": "The picture is broken or incomplete: it cannot be decoded."}
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import sys

from PIL import Image, PngImagePlugin

from engine.errors import UnreadablePicture
from engine.images.opening import (
    FORMATS,
    check_size,
    decoding,
    in_levels,
    lies_on_its_side,
    register_heif,
    sniff,
    to_rgb,
    upright,
)

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000
"""Of the decoded image. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, so that it may have more."""
MEMORY = 80 * 2**20
"""Bytes that decoding may take by estimate; a PNG of 4096×4096 takes just this. The address space is limited to
MEMORY + SPARE beyond that of the start."""
SPARE = 56 * 2**20
CPU_SECONDS = 3
SCANNED_PIXELS = 400_000_000
"""Pixels × scans of a JPEG: libjpeg needs about 4 ns for each, however few bytes a scan has."""

_PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "PIL.MpoImagePlugin"),
    "WEBP": ("PIL.WebPImagePlugin",),
    "GIF": ("PIL.GifImagePlugin", "copy"),
    "BMP": ("PIL.BmpImagePlugin",),
    "AVIF": ("PIL.AvifImagePlugin",),
}
_ALWAYS = ("PIL.TiffImagePlugin", "PIL.ImageOps")
"""What reading EXIF imports, whatever the format."""
_BYTES_PER_PIXEL = {"WEBP": 15, "AVIF": 11, "HEIF": 10}
"""Measured peaks of the decoders that hold more than the decoded image; for others, see `_depth`."""
_STRIP_BYTES = 2 * 2**20


def clean(data: bytes, pixels: int, *, alpha: bool = False) -> tuple[dict[str, object], bytes]:
    """Image bytes → (facts as above, PNG in sRGB of at most about *pixels* pixels). Raises UnreadablePicture.

    With *alpha* the PNG keeps transparency; without, the image is laid on white.
    """
    kind = sniff(data)
    scans = data.count(b"\xff\xda") if kind == "JPEG" else 1
    if kind == "WEBP":  # Pillow allocates the canvas when it opens the file
        _check_memory(kind, _webp_size(data), 4)
    with decoding(data, MAX_BYTES, 2**62) as image:
        width, height = image.size
        if scans * width * height > SCANNED_PIXELS:
            raise UnreadablePicture(
                f"The picture is a JPEG of {width}×{height} in {scans} scans, which would take too long to decode; "
                "save it again with fewer pixels."
            )
        coefficients = width * height * 6 if scans > 1 else 0
        image.draft(None, _size_of(image.size, 4 * pixels))
        if kind != "JPEG":
            check_size(width, height, MAX_PIXELS)
        check_size(image.width, image.height, MAX_PIXELS)
        _check_memory(kind, image.size, _depth(image.mode), coefficients)
        animated = kind not in ("JPEG", "TIFF") and bool(getattr(image, "is_animated", False))
        image.load()
        small = upright(_reduced(image, pixels, alpha), image)
        if lies_on_its_side(image):
            width, height = height, width
    file = io.BytesIO()
    small.save(file, "PNG", compress_level=1)
    facts: dict[str, object] = {"width": width, "height": height, "format": kind, "animated": animated}
    return facts, file.getvalue()


def _check_memory(kind: str, size: tuple[int, int], depth: float, more: int = 0) -> None:
    """Raise UnreadablePicture for an image whose decoder needs more than MEMORY bytes."""
    needed = size[0] * size[1] * _BYTES_PER_PIXEL.get(kind, depth) + more
    if needed > MEMORY:
        raise UnreadablePicture(
            f"The picture is {size[0]}×{size[1]}, and decoding it would take {needed / 2**20:.0f} MB of memory; "
            f"the limit is {MEMORY / 2**20:.0f} MB. Make it smaller."
        )


def _depth(mode: str) -> float:
    """Bytes that decoding a pixel takes: Pillow holds RGB in four; a quarter more for what is made of it."""
    return 1.25 * {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}.get(mode, 4)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a WebP, (0, 0) where it has none."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _size_of(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """*size* reduced to at most about *pixels* pixels, never enlarged."""
    shrink = min(math.sqrt(pixels / (size[0] * size[1])), 1)
    return max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)


def _reduced(image: Image.Image, pixels: int, alpha: bool) -> Image.Image:
    """The loaded *image* in RGB or RGBA of at most about *pixels* pixels; converted in strips, to hold it once."""
    image = in_levels(image)  # whole: a strip has another range
    size = _size_of(image.size, pixels)
    factor = min(image.width // size[0], image.height // size[1])
    if factor < 2:
        return to_rgb(image, alpha).resize(size, Image.Resampling.LANCZOS)
    rows = max(_STRIP_BYTES // (4 * image.width * factor), 1) * factor
    small: Image.Image | None = None
    for top in range(0, image.height, rows):
        strip = to_rgb(image.crop((0, top, image.width, min(top + rows, image.height))), alpha).reduce(factor)
        small = small or Image.new(strip.mode, (strip.width, -(-image.height // factor)))
        small.paste(strip, (0, top // factor))
    assert small
    return small.resize(size, Image.Resampling.LANCZOS)


def _limit(kind: str) -> None:
    """Give up what decoding a *kind* does not need, as OpenSSH's pre-authentication child does. POSIX only."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {
            "RLIMIT_CPU": CPU_SECONDS,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_CORE": 0,
            "RLIMIT_AS": _address_space() + MEMORY + SPARE,
            "RLIMIT_NOFILE": 3,  # stdin, stdout, stderr: neither files nor sockets
        }
        if kind != "HEIF":  # libheif decodes in a thread, which counts as a process
            limits["RLIMIT_NPROC"] = 0
        for name, most in limits.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):  # this system has no such limit
                hard = most + 1 if name == "RLIMIT_CPU" else most  # at the hard limit comes SIGKILL, not SIGXCPU
                resource.setrlimit(getattr(resource, name), (most, hard))


def _address_space() -> int:
    """Bytes of this process's address space; a usual figure where there is no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 10 ms here
            return int(file.read().split()[0]) * 4096
    except OSError:
        return 2**30


def prepare(kind: str) -> None:
    """Import all that decoding a *kind* (as of `sniff`) needs, because no file can be opened afterwards."""
    for name in (*_PLUGINS.get(kind, ()), *_ALWAYS):
        module = importlib.import_module(name)
        if name == "PIL.AvifImagePlugin":
            module.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]  # no thread can be started afterwards
    if kind == "HEIF":
        with contextlib.suppress(UnreadablePicture):
            register_heif()
            sys.modules["pillow_heif"].options.DECODE_THREADS = 0
    PngImagePlugin.MAX_TEXT_MEMORY = 16 * 2**20
    Image.preinit()


def prepare_formats() -> None:
    """Import what decoding any format needs, except HEIC."""
    for kind in FORMATS:
        if kind != "HEIF":
            prepare(kind)


def answer(share: int, pixels: int, *, alpha: bool) -> None:
    """Read stdin to its end, answer on stdout, within 1/*share* of the limits of memory and time."""
    global MEMORY, CPU_SECONDS, SCANNED_PIXELS
    MEMORY, CPU_SECONDS, SCANNED_PIXELS = MEMORY // share, -(-CPU_SECONDS // share), SCANNED_PIXELS // share
    data = sys.stdin.buffer.read()
    kind = sniff(data)
    prepare(kind)
    _limit(kind)
    try:
        facts, png = clean(data, pixels, alpha=alpha)
    except UnreadablePicture as error:
        facts, png = {"error": str(error)}, b""
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + png)
    sys.stdout.buffer.flush()


def main() -> None:
    """``python -I -S -c … SHARE PIXELS ALPHA``: one picture in one process, for systems without fork."""
    answer(int(sys.argv[-3]), int(sys.argv[-2]), alpha=sys.argv[-1] == "True")
