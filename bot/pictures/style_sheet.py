"""Pictures of the shipped styles that the small model paints. Pillow only.

`styles.webp` beside this module is one row of squares: the prompt without a style, then each style of
`bot.community.styles.starters.PAINTED` with the same prompt and seed. They were painted by the shipped model:
``python -m engine dream "an owl in a forest, ink sketch" --seed 4`` (and so on).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from engine.images.pictures import contact_sheet, to_png

_COLUMNS = 4


@lru_cache(maxsize=1)
def _row() -> Image.Image:
    with Image.open(Path(__file__).with_name("styles.webp")) as image:
        return image.convert("RGB")


def _tile(place: int) -> Image.Image:
    side = _row().height
    return _row().crop((place * side, 0, (place + 1) * side, side))


def style_sheet(names: Sequence[str]) -> bytes:
    """All tiles with captions, as PNG; *names* are those of the styles in their order."""
    captions = ["without a style", *names]
    return to_png(contact_sheet([_tile(place) for place in range(len(captions))], captions, columns=_COLUMNS))


def style_picture(place: int, name: str) -> bytes:
    """The tile without a style beside that of style *place* (from 0), as PNG."""
    return to_png(contact_sheet([_tile(0), _tile(place + 1)], ["without a style", name], columns=2))
