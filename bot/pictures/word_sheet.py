"""Pages of the nouns that the small model paints, each with its drawing. Pillow only.

`words.webp` beside this module holds the first drawing of every noun, 25 in a row, in the order of `NOUNS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from engine.images.pictures import contact_sheet, to_png
from engine.primer.things import NOUNS

_TILE, _IN_A_ROW = 48, 25
_COLUMNS, _SHOWN = 6, 104
"""Drawings in a row of a page, and their side in pixels."""
PAGE = 24
"""Nouns on a page."""
_GROUND = (43, 45, 49)


@lru_cache(maxsize=1)
def _atlas() -> Image.Image:
    with Image.open(Path(__file__).with_name("words.webp")) as image:
        return image.convert("RGBA")


def nouns_of(group: str, page: int) -> tuple[tuple[str, ...], int]:
    """Return the nouns on a page (from 0, clamped) of a group of `GROUPS`, and how many pages the group has."""
    names = sorted(noun.name for noun in NOUNS.values() if noun.group == group)
    pages = -(-len(names) // PAGE)
    start = min(max(page, 0), pages - 1) * PAGE
    return tuple(names[start : start + PAGE]), pages


def word_sheet(names: Sequence[str]) -> bytes:
    """Return the drawings of nouns with their names, as PNG."""
    return to_png(contact_sheet([_drawing(name) for name in names], names, columns=_COLUMNS))


def _drawing(name: str) -> Image.Image:
    row, column = divmod(list(NOUNS).index(name), _IN_A_ROW)
    left, top = column * _TILE, row * _TILE
    tile = _atlas().crop((left, top, left + _TILE, top + _TILE)).resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", tile.size, _GROUND)
    return Image.alpha_composite(ground, tile).convert("RGB")
