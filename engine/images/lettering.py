"""Text in drawings: the font that ships with Pillow, and what of a text it can show."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TypeAlias

from PIL import ImageFont

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont
LAST = 0x24F
"""The font has Latin letters up to here."""
SIGNS = frozenset("–—‘’“”…×−·•€™")


@lru_cache(maxsize=32)
def font_of(size: int) -> Font:
    """The font at *size* pixels."""
    return ImageFont.load_default(size)


def drawable(text: str) -> str:
    """*text* in one line without letters and emoji that the font lacks; accents it lacks fall off their letters."""
    folded = "".join(
        char if _has(char) else "".join(part for part in unicodedata.normalize("NFKD", char) if _has(part))
        for char in text
    )
    return " ".join(folded.split())


def fitting(text: str, size: int, width: int) -> str:
    """`drawable` *text*, cut to *width* pixels at *size*."""
    line, font = drawable(text), font_of(size)
    if font.getlength(line) <= width:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(line[:middle] + "…") <= width else (low, middle - 1)
    return line[:low].rstrip() + "…"


def _has(char: str) -> bool:
    return char in SIGNS or char.isspace() or (char.isprintable() and ord(char) <= LAST)
