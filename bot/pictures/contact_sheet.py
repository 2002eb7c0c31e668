"""Draws contact sheets: numbered thumbnails, best first once they are scored; the sheets of votes with letters.

Every function blocks; call it in a thread.

Discord shows a sheet about 550 pixels wide, so numbers are as high as a fifth of their picture.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from engine.images.lettering import draw_line, fitting
from engine.images.opening import open_own
from engine.images.pictures import to_png, within

THUMBNAIL = 256
"""Pixels of a picture's longer side, at most."""
WIDEST = 2048
"""Pixels of a sheet."""
FRAMES = ((250, 190, 60), (196, 202, 210), (193, 128, 78))
"""Of the best three: gold, silver, bronze."""
NO_FRAMES: Mapping[int, tuple[int, int, int]] = {}
BACKGROUND = (30, 31, 34)
EMPTY = (43, 45, 49)
TEXT = (220, 221, 222)
NARROW, SMALLEST = 300, 11
"""Captions have SMALLEST pixels on a sheet that is shown NARROW pixels wide: in an embed on a phone of 400 pixels."""


def thumbnail(png: bytes) -> bytes:
    """A picture for a sheet, as WebP."""
    image = open_own(png)
    buffer = io.BytesIO()
    (within(image, THUMBNAIL) if max(image.size) > THUMBNAIL else image).save(buffer, "WEBP", quality=92, method=2)
    return buffer.getvalue()


def sheet_so_far(thumbnails: Mapping[int, bytes], pictures: int) -> bytes:
    """A sheet with a cell for each of *pictures*, filled as far as painted, as WebP. Needs at least one thumbnail."""
    cells = [thumbnails.get(index) for index in range(pictures)]
    buffer = io.BytesIO()
    _drawn(cells, _numbers(range(pictures))).save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()


def ranked_sheet(thumbnails: Mapping[int, bytes], order: Sequence[int], *, judged: bool) -> bytes:
    """The pictures of *order*, the best first, as PNG; *judged*: they are ranked, so the best get frames."""
    frames = dict(enumerate(FRAMES)) if judged else {}
    return to_png(_drawn([thumbnails[index] for index in order], _numbers(order), frames))


def lettered_sheet(
    cells: Sequence[bytes | None], letters: Sequence[str], captions: Sequence[str] = (), winners: Collection[int] = ()
) -> bytes:
    """The sheet of a vote as PNG: a letter on each cell, with *captions* a line under each, *winners* with a frame.

    A cell without a picture (None) stays dark.
    """
    return to_png(_drawn(cells, letters, dict.fromkeys(winners, FRAMES[0]), captions))


def side_by_side(thumbnails: Mapping[int, bytes], captions: Sequence[str]) -> bytes:
    """Numbered pictures with a caption under each, as PNG; a missing one is dark. Needs at least one."""
    cells = [thumbnails.get(index) for index in range(len(captions))]
    columns = len(cells) if len(cells) < 4 else math.ceil(math.sqrt(len(cells)))
    return to_png(_drawn(cells, _numbers(range(len(cells))), captions=captions, columns=columns))


def crossed(thumbnails: Mapping[int, bytes], rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """Numbered pictures, row by row, with the labels of columns above and of each row before it, as PNG."""
    cells = [thumbnails.get(index) for index in range(len(rows) * len(columns))]
    return to_png(_drawn(cells, _numbers(range(len(cells))), columns=len(columns), heads=columns, sides=rows))


def gallery_sheet(cells: Sequence[bytes | None], stars: Sequence[int]) -> bytes:
    """Thumbnails of any shape in square cells, numbered, with their stars; a missing one is dark. As WebP."""
    columns = math.ceil(math.sqrt(len(cells)))
    gap, rows = THUMBNAIL // 28, math.ceil(len(cells) / columns)
    sheet = Image.new("RGB", (columns * (THUMBNAIL + gap) + gap, rows * (THUMBNAIL + gap) + gap), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(THUMBNAIL // 6)
    for place, (cell, votes) in enumerate(zip(cells, stars, strict=True)):
        x, y = (gap + part * (THUMBNAIL + gap) for part in (place % columns, place // columns))
        draw.rectangle((x, y, x + THUMBNAIL - 1, y + THUMBNAIL - 1), fill=EMPTY)
        if cell is not None:
            image = within(_opened(cell), THUMBNAIL)
            sheet.paste(image, (x + (THUMBNAIL - image.width) // 2, y + (THUMBNAIL - image.height) // 2))
        _badge(draw, (x, y), str(place + 1), font)
        if votes:
            _stars(draw, (x, y + THUMBNAIL), votes, font)
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=88, method=2)
    return buffer.getvalue()


def _stars(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], votes: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """A golden star with a number on a dark ground in a picture's lower left corner."""
    x, y = corner
    left, top, right, bottom = draw.textbbox((0, 0), text := str(votes), font=font)
    size, pad = bottom - top, max(round((bottom - top) / 4), 3)
    width, height = round(size * 1.3 + right - left + 3 * pad), round(size + 2 * pad)
    draw.rectangle((x, y - height, x + width, y - 1), fill=(20, 21, 24))
    centre, radius = (x + pad + size * 0.6, y - height / 2), size * 0.62
    points = [
        (
            centre[0] + radius * (0.42 if step % 2 else 1.0) * math.sin(math.pi * step / 5),
            centre[1] - radius * (0.42 if step % 2 else 1.0) * math.cos(math.pi * step / 5),
        )
        for step in range(10)
    ]
    draw.polygon(points, fill=FRAMES[0])
    draw.text((x + 2 * pad + size * 1.25 - left, y - height + pad - top), text, font=font, fill=(245, 245, 245))


def _numbers(indices: Sequence[int]) -> list[str]:
    return [str(index + 1) for index in indices]


def _drawn(
    cells: Sequence[bytes | None],
    badges: Sequence[str],
    frames: Mapping[int, tuple[int, int, int]] = NO_FRAMES,
    captions: Sequence[str] = (),
    *,
    columns: int = 0,
    heads: Sequence[str] = (),
    sides: Sequence[str] = (),
) -> Image.Image:
    """*frames*: position → colour. *captions* go under the cells, *heads* above columns, *sides* above each row."""
    images = [_opened(cell) if cell else None for cell in cells]
    sizes = [image.size for image in images if image] or [(THUMBNAIL, THUMBNAIL)]
    columns = columns or math.ceil(math.sqrt(len(cells)))
    scale = min(1.0, WIDEST / columns / max(map(max, sizes)))
    width, height = (max(round(max(size[axis] for size in sizes) * scale), 1) for axis in (0, 1))
    gap = max(6, width // 28)
    rows, full = math.ceil(len(cells) / columns), columns * (width + gap) + gap
    strip = round(1.5 * caption_size(full))
    top, side, footer = (strip if texts else 0 for texts in (heads, sides, captions))
    row_height = side + height + footer + gap
    sheet = Image.new("RGB", (full, gap + top + rows * row_height), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(max(round(min(width, height) / 5), 12))
    for column, head in enumerate(heads):
        middle = (gap + column * (width + gap) + width / 2, gap / 2 + top / 2)
        _line(draw, middle, head, width, full, f"Column {column + 1}")
    for row, label in enumerate(sides):
        start = (gap, gap + top + row * row_height + side / 2)
        _line(draw, start, label, full - 2 * gap, full, f"Row {row + 1}", "lm")
    for place, (image, badge) in enumerate(zip(images, badges, strict=True)):
        x, y = gap + place % columns * (width + gap), gap + top + place // columns * row_height + side
        if captions:
            middle = (x + width / 2, y + height + footer / 2)
            _line(draw, middle, captions[place], width, full, f"Image {badge}")
        if image is None:
            draw.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
            continue
        fitted = ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS)
        sheet.paste(fitted, (x + (width - fitted.width) // 2, y + (height - fitted.height) // 2))
        if place in frames:
            edge = gap // 2
            box = (x - edge, y - edge, x + width - 1 + edge, y + height - 1 + edge)
            draw.rectangle(box, None, frames[place], edge + 2)
        _badge(draw, (x, y), badge, font)
    return sheet


def _line(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    width: int,
    sheet: int,
    instead: str,
    anchor: str = "mm",
) -> None:
    """One line of at most *width* pixels on a sheet of *sheet* pixels; *instead* of a text that no font can show."""
    size = caption_size(sheet)
    draw_line(draw, at, fitting(text, size, width, instead), size, TEXT, anchor)


def caption_size(width: int) -> int:
    """Font size in pixels of captions on a sheet of that width."""
    return max(round(SMALLEST * width / NARROW), SMALLEST)


def _badge(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """A number on a dark ground in a picture's upper left corner."""
    x, y = corner
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = max(round((bottom - top) / 4), 3)
    box = (x, y, round(x + right - left + 2 * pad), round(y + bottom - top + 2 * pad))
    draw.rectangle(box, fill=(20, 21, 24))
    draw.text((x + pad - left, y + pad - top), text, font=font, fill=(245, 245, 245))


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        return image.convert("RGB")
