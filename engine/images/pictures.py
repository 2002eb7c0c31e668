"""Grids, contact sheets and snapshots; encoding; text in PNGs; making an image fit into an upload."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Collection, Mapping, Sequence

from PIL import Image, ImageDraw, ImageOps, ImageStat, PngImagePlugin

from engine.errors import UnreadablePicture
from engine.images.lettering import draw_line, fitting
from engine.images.opening import OWN_BYTES, OWN_PIXELS, decoding, megabytes, open_own, sniff, to_rgb

SNAPSHOT_SIDE = 256
SVG = "svg"
"""The keyword of the text chunk that holds a drawing of strokes as SVG."""
SUFFIXES = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""File suffix → Pillow format."""
_WEBP_SIDE = 16_383
_JPEG_SIDE = 65_535
_QUALITIES = (95, 90, 80, 65, 50)
_BACKGROUND = (30, 31, 34)
_GOLD = (250, 190, 60)


def fit(image: Image.Image, width: int, height: int, how: str = "crop", border: str = "") -> Image.Image:
    """*image* in RGB at *width* × *height*. *how*: ``crop`` (evenly), ``stretch`` or ``pad``.

    ``pad`` centres the whole image on the colour *border*, by default the image's mean colour.
    """
    image, size = image.convert("RGB"), (width, height)
    if image.size == size:
        return image
    if how == "stretch":
        return image.resize(size, Image.Resampling.LANCZOS)
    if how == "pad":
        red, green, blue = (round(mean) for mean in ImageStat.Stat(image).mean)
        return ImageOps.pad(image, size, method=Image.Resampling.LANCZOS, color=border or (red, green, blue))
    return ImageOps.fit(image, size, method=Image.Resampling.LANCZOS)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """*image* (L, RGB or RGBA) at *size*, by Lanczos; transparent pixels do not colour others."""
    if image.mode != "RGBA":
        return image.resize(size, Image.Resampling.LANCZOS)
    return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def within(image: Image.Image, side: int) -> Image.Image:
    """*image* in RGB, scaled to a longer side of *side* pixels, without cropping."""
    return ImageOps.contain(image.convert("RGB"), (side, side), method=Image.Resampling.LANCZOS)


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """A nearly square grid of all pictures with narrow gaps. A single picture is returned as it is."""
    if len(images) == 1:
        return images[0].convert("RGB")
    columns = math.ceil(math.sqrt(len(images)))
    return _lay_out(images, columns, max(2, max(i.width for i in images) // 64), 0)[0]


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], *, columns: int = 0, marked: Collection[int] = ()
) -> Image.Image:
    """A grid of all pictures with a one-line caption under each. *columns*: 0 chooses.

    Pictures whose index is in *marked* get a frame.
    """
    side = max(image.width for image in images)
    size = min(max(side // 14, 11), 28)
    sheet, corners = _lay_out(images, columns or math.ceil(math.sqrt(len(images))), max(4, side // 32), size * 2)
    draw = ImageDraw.Draw(sheet)
    for place, ((x, y), caption) in enumerate(zip(corners, captions, strict=True)):
        if place in marked:
            cell = max(image.height for image in images)
            draw.rectangle(
                (x, y - size * 2 - cell, x + side - 1, y - size * 2 - 1), outline=_GOLD, width=side // 64 + 1
            )
        text = fitting(caption, size, side, f"Image {place + 1}")
        draw_line(draw, (x + side / 2, y - size * 0.65), text, size, (220, 221, 222), "ms")
    return sheet


def to_png(image: Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """Encode *image* as PNG with *text* in iTXt chunks (UTF-8) before the pixels; see `read_text`."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_itxt(key, value, zip=len(value) > 1024)
    return _encoded(image, "PNG", alpha=True, pnginfo=chunks, compress_level=6)


def to_webp(image: Image.Image, quality: int) -> bytes:
    """*image* in RGB as a small WebP, encoded slowly."""
    return _encoded(image, "WEBP", quality=quality, method=6)


def in_format(png: bytes, suffix: str) -> bytes:
    """Convert a PNG to the format of *suffix*. Raises UnreadablePicture if a side is too long for the format."""
    name = SUFFIXES[suffix.lower()]
    if name == "PNG":
        return png
    with decoding(png, OWN_BYTES, OWN_PIXELS) as image:
        most = {"WEBP": _WEBP_SIDE, "JPEG": _JPEG_SIDE}[name]
        if max(image.size) > most:
            raise UnreadablePicture(f"{image.width}×{image.height} is too large for {_title(name)}; PNG can hold it.")
        if name == "WEBP":
            return _encoded(image, name, alpha=True, quality=_QUALITIES[0])
        return _encoded(to_rgb(image, alpha=False), name, quality=_QUALITIES[0], subsampling=0)


def read_text(png: bytes) -> dict[str, str]:
    """The text chunks of a PNG by keyword. Raises UnreadablePicture for other files."""
    if sniff(png) != "PNG":
        raise UnreadablePicture("This is not a PNG, so it holds no record of how it was made.")
    with decoding(png, OWN_BYTES, OWN_PIXELS) as image:
        return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}


def snapshot(image: Image.Image, side: int = SNAPSHOT_SIDE, quality: int = 80) -> bytes:
    """A WebP preview whose longer side is *side* pixels; small images are enlarged."""
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return _encoded(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), "WEBP", quality=quality, method=2)


def pixels_sha256(image: Image.Image) -> str:
    """SHA-256 of the RGB pixels, row by row; independent of the compression."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def fit_to_bytes(png: bytes, limit: int) -> tuple[bytes, str, str]:
    """Re-encode *png* to at most *limit* bytes: (bytes, file extension, note for the person or empty).

    Tries WebP with falling quality (JPEG if a side is too long for WebP), then smaller sizes. Raises UnreadablePicture
    if nothing fits.
    """
    if len(png) <= limit:
        return png, "png", ""
    image = open_own(png)
    name = "WEBP" if max(image.size) <= _WEBP_SIDE else "JPEG"
    extension = {"WEBP": "webp", "JPEG": "jpg"}[name]
    why = f"the PNG has {megabytes(len(png))} and {megabytes(limit)} is the limit here"
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
    raise UnreadablePicture(f"The picture cannot be reduced to {limit} bytes.")


def _lay_out(
    images: Sequence[Image.Image], columns: int, gap: int, footer: int
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The sheet, and the lower left corner of each cell, footer included."""
    width, height = max(i.width for i in images), max(i.height for i in images) + footer
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), _BACKGROUND)
    corners = []
    for index, image in enumerate(images):
        x, y = index % columns * (width + gap), index // columns * (height + gap)
        sheet.paste(image.convert("RGB"), (x + (width - image.width) // 2, y + (height - footer - image.height) // 2))
        corners.append((x, y + height))
    return sheet, corners


def _encoded(image: Image.Image, name: str, *, alpha: bool = False, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if alpha and image.mode == "RGBA" else image.convert("RGB")).save(buffer, name, **options)
    return buffer.getvalue()


def _title(name: str) -> str:
    return {"WEBP": "WebP", "JPEG": "JPEG"}[name]
