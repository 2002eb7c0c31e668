"""The pictures of `/help`: the nouns that the small model paints, and what the shipped styles do. Pillow only.

Beside this module, `words.webp` holds the first drawing of every noun, 25 in a row, in the order of `NOUNS`.
`styles.webp` is one row of squares: the prompt without a style, then each style of
`bot.community.styles.starters.PAINTED` with the same prompt and seed. They were painted by the shipped model:
``python -m engine dream "an owl in a forest, ink sketch" --seed 4`` (and so on).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from engine.images.pictures import contact_sheet, to_png
from engine.primer.vocabulary import NOUNS

PAGE = 24
"""Nouns on a page."""
_TILE, _IN_A_ROW = 48, 25
"""Of `words.webp`."""
_SHOWN = 104
"""Side of a drawing on a page, in pixels."""
_GROUND = (43, 45, 49)


@lru_cache(maxsize=2)
def _shipped(name: str, mode: str) -> Image.Image:
    with Image.open(Path(__file__).with_name(name)) as image:
        return image.convert(mode)


def nouns_of(group: str, page: int) -> tuple[tuple[str, ...], int]:
    """Return the nouns on a page (from 0, clamped) of a group of `GROUPS`, and how many pages the group has."""
    names = sorted(noun.name for noun in NOUNS.values() if noun.group == group)
    pages = -(-len(names) // PAGE)
    start = min(max(page, 0), pages - 1) * PAGE
    return tuple(names[start : start + PAGE]), pages


def word_sheet(names: Sequence[str]) -> bytes:
    """Return the drawings of nouns with their names, as PNG."""
    return to_png(contact_sheet([_drawing(name) for name in names], names, columns=6))


def _drawing(name: str) -> Image.Image:
    row, column = divmod(list(NOUNS).index(name), _IN_A_ROW)
    left, top = column * _TILE, row * _TILE
    tile = (
        _shipped("words.webp", "RGBA")
        .crop((left, top, left + _TILE, top + _TILE))
        .resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    )
    ground = Image.new("RGBA", tile.size, _GROUND)
    return Image.alpha_composite(ground, tile).convert("RGB")


def _tile(place: int) -> Image.Image:
    row = _shipped("styles.webp", "RGB")
    return row.crop((place * row.height, 0, (place + 1) * row.height, row.height))


def style_sheet(names: Sequence[str]) -> bytes:
    """All tiles with captions, as PNG; *names* are those of the styles in their order."""
    captions = ["without a style", *names]
    return to_png(contact_sheet([_tile(place) for place in range(len(captions))], captions, columns=4))


def style_picture(place: int, name: str) -> bytes:
    """The tile without a style beside that of style *place* (from 0), as PNG."""
    return to_png(contact_sheet([_tile(0), _tile(place + 1)], ["without a style", name], columns=2))
