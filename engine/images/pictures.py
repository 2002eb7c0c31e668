"""Bytes ↔ pictures, safely; grids and sheets; text in PNGs; making a picture fit into an upload. No torch, no Discord.

Whatever comes from outside goes through `open_picture`, which never trusts what the bytes say about themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin, UnidentifiedImageError

from engine.errors import UnreadablePicture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000
OWN_BYTES = 768 * 2**20
"""Of a file that was made here, or that somebody at this machine names."""
OWN_PIXELS = 178_000_000
"""The same: as many as are ever made here. Half a gigabyte, and what Pillow still opens."""
MAX_SIDE = 16_384
SNAPSHOT_SIDE = 256
SUFFIXES = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""In which format a file of that name is written."""
_WEBP_SIDE = 16_383
_JPEG_SIDE = 65_535
_QUALITIES = (95, 90, 80, 65, 50)
_BACKGROUND = (30, 31, 34)
_GOLD = (250, 190, 60)
_BROKEN = (
    OSError,  # truncated data, unknown formats
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What decoders have been seen to raise for hostile bytes."""


def open_picture(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, alpha: bool = False
) -> Image.Image:
    """Foreign bytes → RGB, upright, transparency on white, the first frame if it moves; raises UnreadablePicture.

    *alpha*: RGBA instead, where there is transparency.
    """
    with _decoding(data, max_bytes, max_pixels) as image:
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image), alpha)


def open_own(data: bytes) -> Image.Image:
    """The same for what was made here or named at this machine, and may be larger than what strangers send."""
    return open_picture(data, max_bytes=OWN_BYTES, max_pixels=OWN_PIXELS)


def open_reduced(data: bytes, side: int) -> Image.Image:
    """As `open_own`, but no larger than is needed: the shorter side of large ones has *side* pixels.

    What is decoded is held once, where `open_picture` holds it three times.
    """
    with _decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        image.draft(None, (2 * side, 2 * side))  # a JPEG can be decoded at a half, a quarter, an eighth
        image.load()
        plain = image.mode == "RGB" and not image.has_transparency_data
        small = _reduced(image if plain else _to_rgb(image, alpha=False), side)
        small.info = {key: value for key, value in image.info.items() if key != "transparency"}  # which way is up
        return ImageOps.exif_transpose(small)


def stored_size(data: bytes) -> tuple[int, int]:
    """Width and height as the file has them, whichever way is up; little is decoded. Limits as of `open_own`."""
    with _decoding(data, OWN_BYTES, OWN_PIXELS) as image:
        return image.size


def _reduced(image: Image.Image, side: int) -> Image.Image:
    shrink = min(side / min(image.size), 1)
    size = (max(round(image.width * shrink), 1), max(round(image.height * shrink), 1))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


@contextlib.contextmanager
def _decoding(data: bytes, max_bytes: int, max_pixels: int) -> Iterator[Image.Image]:
    """Foreign bytes, of which only the head was read; whatever a decoder says becomes UnreadablePicture."""
    if len(data) > max_bytes:
        raise UnreadablePicture(
            f"The picture has {_megabytes(len(data))}; {_megabytes(max_bytes)} is the most that is opened here."
        )
    try:
        with _opened(data, max_pixels) as image:
            _check_size(image.width, image.height, max_pixels)
            yield image
    except UnidentifiedImageError as error:
        raise UnreadablePicture("This is not a picture that is opened here: PNG, JPEG, WebP and GIF are.") from error
    except Image.DecompressionBombError as error:
        raise UnreadablePicture(f"The picture is over {max_pixels / 1e6:.0f} megapixels.") from error
    except _BROKEN as error:
        raise UnreadablePicture("The picture is broken or incomplete: it cannot be decoded.") from error


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    if max_pixels <= (Image.MAX_IMAGE_PIXELS or max_pixels):
        return Image.open(io.BytesIO(data), formats=FORMATS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of what is welcome here
        return Image.open(io.BytesIO(data), formats=FORMATS)


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """*image* in RGB, enlarged or reduced to cover *width* × *height*, what stands over cut off evenly."""
    if image.size == (width, height):
        return image.convert("RGB")
    return ImageOps.fit(image.convert("RGB"), (width, height), method=Image.Resampling.LANCZOS)


def within(image: Image.Image, side: int) -> Image.Image:
    """*image* in RGB, enlarged or reduced so that its longer side has *side* pixels; nothing is cut off."""
    return ImageOps.contain(image.convert("RGB"), (side, side), method=Image.Resampling.LANCZOS)


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """All pictures in one, as square as it gets, with narrow gaps; a single picture comes back as it is."""
    if len(images) == 1:
        return images[0].convert("RGB")
    columns = math.ceil(math.sqrt(len(images)))
    return _lay_out(images, columns, max(2, max(i.width for i in images) // 64), 0)[0]


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], *, columns: int = 0, marked: Collection[int] = ()
) -> Image.Image:
    """All pictures in rows, each with a caption of one line under it; *columns* 0 chooses.

    Those whose position is in *marked* get a frame.
    """
    side = max(image.width for image in images)
    size = min(max(side // 14, 11), 28)
    sheet, corners = _lay_out(images, columns or math.ceil(math.sqrt(len(images))), max(4, side // 32), size * 2)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for place, ((x, y), caption) in enumerate(zip(corners, captions, strict=True)):
        text = _shortened(caption, font, side)
        if place in marked:
            cell = max(image.height for image in images)
            draw.rectangle(
                (x, y - size * 2 - cell, x + side - 1, y - size * 2 - 1), outline=_GOLD, width=side // 64 + 1
            )
        draw.text((x + side / 2, y - size * 0.3), text, font=font, fill=(220, 221, 222), anchor="ms")
    return sheet


def to_png(image: Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """*image* as PNG; *text* goes into iTXt chunks (UTF-8) before the pixels, where `read_text` finds it."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_itxt(key, value, zip=len(value) > 1024)
    return _encoded(image, "PNG", alpha=True, pnginfo=chunks, compress_level=6)


def in_format(png: bytes, suffix: str) -> bytes:
    """A PNG in the format that a file's *suffix* names; raises UnreadablePicture where a side is too long for it."""
    name = SUFFIXES[suffix.lower()]
    if name == "PNG":
        return png
    with warnings.catch_warnings(), _own_png(png) as image:
        most = {"WEBP": _WEBP_SIDE, "JPEG": _JPEG_SIDE}[name]
        if max(image.size) > most:
            raise UnreadablePicture(f"{image.width}×{image.height} is too large for {_title(name)}; PNG can hold it.")
        if name == "WEBP":
            return _encoded(image, name, alpha=True, quality=_QUALITIES[0])
        return _encoded(_to_rgb(image, alpha=False), name, quality=_QUALITIES[0], subsampling=0)


def _own_png(png: bytes) -> Image.Image:
    """A PNG that is large or is only asked for its texts: Pillow's warning says nothing new. In `catch_warnings`."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image.open(io.BytesIO(png), formats=("PNG",))


def read_text(png: bytes) -> dict[str, str]:
    """The text chunks of a PNG by keyword; empty for one without. Raises UnreadablePicture for what is no PNG."""
    try:
        with warnings.catch_warnings(), _own_png(png) as image:
            return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
    except _BROKEN as error:
        raise UnreadablePicture("This is not a PNG, so there is no record of how it was made in it.") from error


def snapshot(image: Image.Image, side: int = SNAPSHOT_SIDE, quality: int = 80) -> bytes:
    """A small WebP to look at while the picture forms; its longer side is *side* pixels, enlarged if need be."""
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return _encoded(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), "WEBP", quality=quality, method=2)


def pixels_sha256(image: Image.Image) -> str:
    """SHA-256 of the RGB pixels, row by row: equal pictures are equal, however they were compressed."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def fit_to_bytes(png: bytes, limit: int) -> tuple[bytes, str, str]:
    """*png* within *limit* bytes → (bytes, file extension, a note for the person, empty if nothing was done).

    The ladder: as it is; WebP at falling quality (JPEG where a side is too long for WebP); then smaller and smaller.
    Raises UnreadablePicture if even that does not help.
    """
    if len(png) <= limit:
        return png, "png", ""
    image = open_picture(png, max_bytes=max(len(png), MAX_BYTES), max_pixels=MAX_SIDE**2)
    name = "WEBP" if max(image.size) <= _WEBP_SIDE else "JPEG"
    extension = {"WEBP": "webp", "JPEG": "jpg"}[name]
    why = f"the PNG has {_megabytes(len(png))} and {_megabytes(limit)} is the limit here"
    for quality in _QUALITIES:
        data = _encoded(image, name, quality=quality)
        if len(data) <= limit:
            return data, extension, f"Re-encoded as {_title(name)} (quality {quality}): {why}."
    while min(image.size) > 16:
        shrink = min(math.sqrt(limit / len(data)) * 0.95, 0.9)
        image = image.resize([max(round(side * shrink), 1) for side in image.size], Image.Resampling.LANCZOS)
        data = _encoded(image, name, quality=80)
        if len(data) <= limit:
            return data, extension, f"Made smaller ({image.width}×{image.height}, {_title(name)}): {why}."
    raise UnreadablePicture(f"The picture cannot be made to fit into {limit} bytes.")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise UnreadablePicture(
            f"The picture is {width}×{height}; the most that is opened here is {max_pixels / 1e6:.0f} megapixels "
            f"and {MAX_SIDE} pixels a side."
        )


def _to_rgb(image: Image.Image, alpha: bool) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scale
        levels = np.clip(np.asarray(image, dtype=np.float32) / 257, 0, 255)
        return Image.fromarray(levels.round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return image if alpha else Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _lay_out(
    images: Sequence[Image.Image], columns: int, gap: int, footer: int
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The sheet, and the corner at the lower left of each picture's cell (under its footer)."""
    width, height = max(i.width for i in images), max(i.height for i in images) + footer
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), _BACKGROUND)
    corners = []
    for index, image in enumerate(images):
        x, y = index % columns * (width + gap), index // columns * (height + gap)
        sheet.paste(image.convert("RGB"), (x + (width - image.width) // 2, y + (height - footer - image.height) // 2))
        corners.append((x, y + height))
    return sheet, corners


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    line = " ".join(text.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


def _encoded(image: Image.Image, name: str, *, alpha: bool = False, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if alpha and image.mode == "RGBA" else image.convert("RGB")).save(buffer, name, **options)
    return buffer.getvalue()


def _title(name: str) -> str:
    return {"WEBP": "WebP", "JPEG": "JPEG"}[name]


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{size / 1024:.0f} kB"
