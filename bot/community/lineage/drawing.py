"""Draws a family tree: thumbnails with numbers, names and lines. Blocks; call it in a thread.

The sheet has its own dark ground, so it looks the same in light and dark themes. It is as narrow as its widest row
allows, because a phone shows it about 300 pixels wide.
"""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw

from bot.community.lineage.family import Family, Relative
from engine.errors import UnreadablePicture
from engine.images.lettering import draw_line, fitting, length
from engine.images.opening import open_own
from engine.images.pictures import fit, to_png

NARROWEST = 480
GROUND, PANEL, EDGE = (30, 31, 34), (58, 60, 66), (120, 124, 132)
INK, SOFT, GOLD = (240, 240, 242), (190, 193, 200), (240, 181, 65)
SIDE, GAP, MARGIN = 160, 24, 20
NAME, SMALL = 30, 26
ROW = SIDE + 2 * NAME + 34
"""Pixels of a generation: thumbnail, name, relation, and room for lines."""
WORDS: Mapping[str, str] = {
    "again": "new seed",
    "init": "from it",
    "target": "towards it",
    "pick": "shown alone",
    "outpaint": "extended",
    "crop": "cropped",
    "upscale": "upscaled",
    "blend": "blended",
}
"""Relation → word under a picture; others are their own word."""
SAYS: Mapping[str, str] = {"private": "private", "deleted": "deleted", "covered": "spoiler"}


def family_tree(family: Family, pictures: Mapping[str, bytes], title: Mapping[str, str]) -> bytes:
    """The tree as PNG. *pictures*: key → small copy of the members shown; *title*: key → name of the author."""
    rows = list(family.generations.values())
    width = max(NARROWEST, max(map(len, rows)) * (SIDE + GAP) - GAP + 2 * MARGIN)
    places = {
        member.key: (_left(width, number, len(row)), MARGIN + level * ROW)
        for level, row in enumerate(rows)
        for number, member in enumerate(row)
    }
    sheet = Image.new("RGB", (width, MARGIN + len(rows) * ROW), GROUND)
    draw = ImageDraw.Draw(sheet)
    for parent, child in family.lines:
        _line(draw, places[parent], places[child])
    numbers = {member.key: number for number, member in enumerate(family.numbered, 1)}
    for row in rows:
        for member in row:
            _box(sheet, places[member.key], member, pictures.get(member.key), root=member.key == family.root)
            if member.key in numbers:
                _caption(draw, places[member.key], numbers[member.key], title.get(member.key, ""), member.relation)
    return to_png(sheet)


def _left(width: int, number: int, many: int) -> int:
    return (width - many * SIDE - (many - 1) * GAP) // 2 + number * (SIDE + GAP)


def _line(draw: ImageDraw.ImageDraw, parent: tuple[int, int], child: tuple[int, int]) -> None:
    """From the bottom of a parent's caption to the top of its child."""
    x1, y1, x2, y2 = parent[0] + SIDE // 2, parent[1] + SIDE, child[0] + SIDE // 2, child[1]
    middle = y2 - 12
    draw.line([(x1, y1), (x1, middle), (x2, middle), (x2, y2)], EDGE, 3, "curve")


def _box(sheet: Image.Image, at: tuple[int, int], member: Relative, png: bytes | None, *, root: bool) -> None:
    draw, (x, y) = ImageDraw.Draw(sheet), at
    box = (x, y, x + SIDE - 1, y + SIDE - 1)
    bottom = y + ROW - 22 if member.job else y + SIDE - 1
    draw.rectangle((x, y, x + SIDE - 1, bottom), GROUND)  # lines pass behind the caption
    image = _opened(png)
    if image is not None:
        sheet.paste(image, (x, y))
    else:
        draw.rounded_rectangle(box, 12, PANEL)
        said = f"+{member.others}" if member.look == "more" else SAYS.get(member.look, "expired")
        draw_line(draw, (x + SIDE / 2, y + SIDE / 2), said, NAME, SOFT, "mm")
    if root:
        draw.rectangle((x - 4, y - 4, x + SIDE + 3, y + SIDE + 3), outline=GOLD, width=5)


def _caption(draw: ImageDraw.ImageDraw, at: tuple[int, int], number: int, name: str, relation: str) -> None:
    x, y = at[0], at[1] + SIDE + 8
    numbered = f"{number} "
    shift = length(numbered, NAME)
    draw_line(draw, (x, y), numbered, NAME, INK)
    draw_line(draw, (x + shift, y), fitting(name, NAME, SIDE - round(shift)), NAME, INK)
    draw_line(draw, (x, y + NAME + 4), fitting(WORDS.get(relation, relation), SMALL, SIDE), SMALL, SOFT)


def _opened(png: bytes | None) -> Image.Image | None:
    try:
        return fit(open_own(png), SIDE, SIDE).convert("RGB") if png else None
    except UnreadablePicture:  # damaged on disk
        return None
