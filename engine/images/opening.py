"""Opens image files: formats, sizes, colour (sRGB), orientation.

`open_own` opens what was made on this machine or is named by its user. What strangers send goes through
`engine.images.decoder`, whose child process uses `decoding` and `to_rgb` with the limits of `engine.images.foreign`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import PIL.WebPImagePlugin  # noqa: F401 - for a format that is not registered, Pillow imports all its plugins (20 ms)
from PIL import Image, ImageChops, ImageCms, PngImagePlugin, UnidentifiedImageError

from engine.errors import InvalidRequest, UnreadablePicture

FORMATS = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WEBP": "WebP",
    "GIF": "GIF",
    "TIFF": "TIFF",
    "BMP": "BMP",
    "AVIF": "AVIF",
    "HEIF": "HEIC",
}
"""Pillow's name of each format that is opened → its usual name. HEIC needs the package pillow-heif."""
NAMES = "PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF"
SUFFIXES_READ = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif"}
)
OWN_BYTES = 768 * 2**20
"""Limit of `open_own`, in bytes of the file."""
OWN_PIXELS = 178_000_000
"""Limit of `open_own` in pixels, half a gigabyte in RGB: the largest image that an upscaler makes."""
MAX_SIDE = 16_384
PngImagePlugin.MAX_TEXT_CHUNK = 8 * 2**20  # workflows and colour profiles exceed Pillow's megabyte
Image.MAX_IMAGE_PIXELS = OWN_PIXELS  # Pillow warns beyond it; `decoding` refuses at its own limits

_MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"} | dict.fromkeys(
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"
)
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what turns the image upright."""
_ORIENTATION = 0x0112
_PNG_DEPTH = 24
"""The byte of a PNG that holds its bits per channel."""
_BROKEN = (
    OSError,  # truncated data, unknown formats
    SyntaxError,  # Pillow's error for a broken PNG
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    EOFError,
    MemoryError,
    RuntimeError,  # AVIF
    AssertionError,  # a PNG without its palette
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow's decoders raise for broken files."""


def sniff(data: bytes) -> str:
    """Pillow's name of the format that the first bytes announce; empty for every format that is not in FORMATS."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[start : start + 4] for start in range(16, 64, 4))}
        return "AVIF" if brands & _AVIF else "HEIF" if brands & _HEIF else ""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file, or of a pipe of the shell. Raises InvalidRequest for other pipes and for devices.

    A pipe without a writer would be waited for, and a device may have no end.
    """
    try:
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            kind = os.fstat(file.fileno()).st_mode
            if stat.S_ISFIFO(kind) and str(path).startswith("/dev/"):  # <(command), or standard input
                os.set_blocking(file.fileno(), True)
            elif not stat.S_ISREG(kind):
                raise InvalidRequest(f"{path} cannot be read: it is a device or a pipe.")
            data = file.read(OWN_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InvalidRequest(f"{path} cannot be read: {getattr(error, 'strerror', '') or error}.") from error
    if len(data) > OWN_BYTES:
        raise InvalidRequest(f"{path} has more than {megabytes(OWN_BYTES)}, which is the limit.")
    return data


def open_own(data: bytes, *, alpha: bool = False) -> Image.Image:
    """The first frame in sRGB, upright: RGB, transparency on white; with *alpha* RGBA where there is transparency.

    Raises UnreadablePicture.
    """
    with decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        image.load()
        return upright(to_rgb(image, alpha), image)


def open_mask(data: bytes) -> Image.Image:
    """The mask of a picture, RGB or one channel: white is painted, black stays. Raises UnreadablePicture.

    A mask with holes is read by its transparency alone, whatever its colours: the holes are painted.
    """
    mask = open_own(data, alpha=True)
    if mask.mode == "RGBA":
        holes = ImageChops.invert(mask.getchannel("A"))
        if holes.getbbox() is not None:
            return holes
    return mask.convert("RGB")


def open_reduced(data: bytes, side: int) -> Image.Image:
    """As `open_own`, but the shorter side is reduced to *side* pixels; a large file is held in memory once."""
    with decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        image.draft(None, (2 * side, 2 * side))  # a JPEG can be decoded at 1/2, 1/4 or 1/8
        image.load()
        plain = image.mode == "RGB" and not image.has_transparency_data
        small = _reduced(image if plain else to_rgb(image, alpha=False), side)
        if plain:
            small.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
            small = to_rgb(small, alpha=False)
        return upright(small, image)


def stored_size(data: bytes) -> tuple[int, int]:
    """Width and height as the file has them, before it is turned upright. Only the header is decoded."""
    with decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        return image.size


def upright_size(data: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height once it is turned upright, and whether the file is animated. Limits as of `open_own`."""
    with decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        moves = image.format not in ("MPO", "TIFF") and bool(getattr(image, "is_animated", False))
        return (image.size[::-1] if lies_on_its_side(image) else image.size), moves


@contextlib.contextmanager
def decoding(data: bytes, max_bytes: int, max_pixels: int) -> Iterator[Image.Image]:
    """The image whose header was read; everything that a decoder raises inside becomes UnreadablePicture."""
    if len(data) > max_bytes:
        raise UnreadablePicture(f"The picture has {megabytes(len(data))}; the limit is {megabytes(max_bytes)}.")
    name = sniff(data)
    if not name:
        raise UnreadablePicture(f"This file is not a picture that can be opened; {NAMES} and HEIC can.")
    if name == "HEIF":
        register_heif()
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as image:
            check_size(image.width, image.height, max_pixels)
            if name == "PNG" and image.mode != "P" and "transparency" in image.info:
                image.info["transparency"] = _transparent(image.info["transparency"], data[_PNG_DEPTH])
            yield image
    except UnidentifiedImageError as error:
        raise UnreadablePicture(
            f"This file is not a picture that can be opened: it starts like {FORMATS[name]}, but its header is broken."
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadablePicture(f"The picture is over {max_pixels / 1e6:.0f} megapixels.") from error
    except _BROKEN as error:
        raise UnreadablePicture("The picture is broken or incomplete: it cannot be decoded.") from error


def _transparent(value: object, depth: int) -> object:
    """The transparent grey or colour of a PNG of *depth* bits as 8 bits; Pillow scales the pixels, but not this."""
    if isinstance(value, tuple):
        return tuple(level >> 8 for level in value) if depth == 16 else value
    scale = {2: 85.0, 4: 17.0, 16: 1 / 257}.get(depth, 1.0)
    return int(value * scale + 0.5) if isinstance(value, int) else value


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise UnreadablePicture beyond *max_pixels* or MAX_SIDE."""
    if width * height > max_pixels:
        raise UnreadablePicture(
            f"The picture is {width}×{height}; the limit is {max_pixels / 1e6:.0f} megapixels "
            f"and {MAX_SIDE} pixels a side."
        )
    if max(width, height) > MAX_SIDE:
        raise UnreadablePicture(f"The picture is {width}×{height}; the limit is {MAX_SIDE} pixels a side.")


def to_rgb(image: Image.Image, alpha: bool) -> Image.Image:
    """*image* in sRGB without metadata: RGB, transparency on white; with *alpha* RGBA where there is transparency."""
    profile = image.info.get("icc_profile")
    image = in_levels(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's convert() clips instead of scaling
        image = image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    holes = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    rgb = _to_srgb(image, profile) if profile else image.convert("RGB")
    if rgb is image:
        rgb = image.copy()
    rgb.info = {}
    if holes is None:
        return rgb
    if alpha:
        rgb.putalpha(holes)
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, "white"), holes)


def in_levels(image: Image.Image) -> Image.Image:
    """Floating-point grey as 8 bits, whose range its largest value tells: 0 to 1, to 255 or to 65535; else *image*."""
    if image.mode != "F":
        return image
    highest = image.getextrema()[1]
    assert isinstance(highest, float)
    scale = 255 if highest <= 1 else 1 if highest <= 255 else 1 / 257
    return image.point(lambda level: level * scale + 0.5).convert("L")


def upright(image: Image.Image, source: Image.Image) -> Image.Image:
    """*image* turned as the EXIF orientation of the loaded *source* says."""
    turn = _UPRIGHT.get(source.getexif().get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def lies_on_its_side(source: Image.Image) -> bool:
    """Whether `upright` swaps width and height. Pillow turns a TIFF itself, and its size is that from the start."""
    return source.format != "TIFF" and source.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)


def megabytes(size: int) -> str:
    """``3.5 MB``, ``12 kB``."""
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{size / 1024:.0f} kB"


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """RGB by the embedded profile; a profile that is broken or of another colour space is ignored."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if space == "RGB" and "sRGB" in (profile.profile.profile_description or ""):
            return image.convert("RGB")
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
        if mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
            return image.convert("RGB")
        if mode == "L" and image.mode not in ("1", "L", "LA", "La"):
            return image.convert("RGB")
        done = ImageCms.profileToProfile(image.convert(mode), profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_BROKEN):
        return image.convert("RGB")
    return done or image.convert("RGB")


def register_heif() -> None:
    """Register the HEIC plugin with Pillow. Raises UnreadablePicture where pillow-heif is not installed."""
    if "pillow_heif" not in sys.modules and importlib.util.find_spec("pillow_heif") is None:
        raise UnreadablePicture("HEIC pictures are not supported here; save it as JPEG or PNG.")
    import pillow_heif

    pillow_heif.register_heif_opener()


def _reduced(image: Image.Image, side: int) -> Image.Image:
    shrink = min(side / min(image.size), 1)
    size = (max(round(image.width * shrink), 1), max(round(image.height * shrink), 1))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
