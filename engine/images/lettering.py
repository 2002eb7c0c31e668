"""Text in drawings: letters of many scripts, from left to right or from right to left, in one line.

DejaVu Sans ships with the package: Latin, Greek, Cyrillic, Hebrew, Arabic and more. Other scripts come from fonts of
the system, if it has one of `SYSTEM_FONTS`. Letters that no font has become “…”, and a text of which nothing is left
becomes what the caller offers, for example “Image 3”. No torch: the bot imports this module.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from itertools import groupby

from PIL import ImageDraw, ImageFont, features

SYSTEM_FONTS = (
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "unifont.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "Nirmala.ttf",
    "LeelawUI.ttf",
)
"""File names of fonts that Linux, macOS and Windows have, in the order of their use."""
ELLIPSIS = "…"
_NO_LETTER = "\U0010fffe"
"""Never assigned, so every font draws its box for it."""
_PROBE = 20
_RIGHT = frozenset({"R", "AL"})
_MOST = 2000
"""Characters of a text that are looked at; no line is as long."""


@lru_cache(maxsize=64)
def font_of(size: int, number: int = 0) -> ImageFont.FreeTypeFont:
    """Font *number* at *size* pixels: 0 is the font of the package."""
    return ImageFont.truetype(BytesIO(_own()) if not number else _installed()[number - 1], size)


def drawable(text: str, instead: str = "") -> str:
    """*text* in one line as far as fonts have its letters; accents that they lack fall off.

    Of texts joined by “ · ” each is taken by itself: the first one of which nothing is left becomes *instead*, or “…”.
    """
    parts = [_drawable(part) for part in unicodedata.normalize("NFC", text[:_MOST]).split(" · ")]
    if not any(parts):
        return instead
    first = next((place for place, part in enumerate(parts) if not part), -1)
    return " · ".join(part or (instead if place == first else "") or ELLIPSIS for place, part in enumerate(parts))


def fitting(text: str, size: int, width: int, instead: str = "") -> str:
    """`drawable` *text*, cut to *width* pixels at *size*."""
    line = drawable(text, instead)
    if length(line, size) <= width:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(line[:middle] + ELLIPSIS, size) <= width else (low, middle - 1)
    return line[:low].rstrip() + ELLIPSIS


def length(line: str, size: int) -> float:
    """Pixels that a drawable *line* takes."""
    return sum(font_of(size, number).getlength(run) for number, run in _runs(line))


def draw_line(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    line: str,
    size: int,
    fill: tuple[int, int, int],
    anchor: str = "la",
) -> None:
    """Draw a drawable *line*. *anchor* as in Pillow: left, middle or right, then ascender, middle or baseline."""
    ascent, descent = font_of(size).getmetrics()
    x = at[0] - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * length(line, size)
    y = at[1] + {"a": float(ascent), "m": (ascent - descent) / 2, "s": 0.0}[anchor[1]]
    for number, run in _runs(line):
        font = font_of(size, number)
        draw.text((x, y), run, fill, font, anchor="ls")
        x += font.getlength(run)


def _drawable(text: str) -> str:
    """What is left of *text*; empty if no letter, digit or sign of it is."""
    found: list[str] = []
    for char in text:
        if char.isspace():
            found.append(" ")
        elif _number(char) is not None:
            found.append(char)
        elif plain := "".join(part for part in unicodedata.normalize("NFKD", char) if _number(part) is not None):
            found.append(plain)
        elif char.isalnum() and found[-1:] != [ELLIPSIS]:
            found.append(ELLIPSIS)
    line = " ".join("".join(found).split())
    return line if line.strip(f"{ELLIPSIS} ") else ""


def _runs(line: str) -> Iterator[tuple[int, str]]:
    """(font, text) in the order in which they are seen, from the left."""
    pieces = [(right, "".join(char for char, _ in group)) for right, group in groupby(_directed(line), lambda p: p[1])]
    if pieces and pieces[0][0]:  # a line that begins from the right goes on to the left
        pieces.reverse()
    for right, piece in pieces:
        runs = [(number, "".join(group)) for number, group in groupby(piece, lambda char: _number(char) or 0)]
        for number, run in reversed(runs) if right else runs:
            yield number, run[::-1] if right and not _shapes() else run


def _directed(line: str) -> Iterator[tuple[str, bool]]:
    """Each character, and whether it belongs to a text from right to left; signs go with the letter before them."""
    kinds = [unicodedata.bidirectional(char) for char in line]
    right = next((kind in _RIGHT for kind in kinds if kind in _RIGHT or kind == "L"), False)
    for char, kind in zip(line, kinds, strict=True):
        if kind in _RIGHT:
            right = True
        elif kind in ("L", "EN"):
            right = False
        yield char, right


@lru_cache(maxsize=1)
def _shapes() -> bool:
    """Whether Pillow shapes and orders text from right to left itself."""
    return bool(features.check("raqm"))


@lru_cache(maxsize=8192)
def _number(char: str) -> int | None:
    """The first font that has a letter, or None."""
    if char == " ":
        return 0
    if not char.isprintable():
        return None
    for number in range(len(_installed()) + 1):
        if _shape(number, char) != _shape(number, _NO_LETTER):
            return number
    return None


def _shape(number: int, char: str) -> bytes:
    mask = font_of(_PROBE, number).getmask(char)
    return bytes(mask) + repr(mask.size).encode()


@lru_cache(maxsize=1)
def _own() -> bytes:
    return (files(__package__) / "DejaVuSans.ttf").read_bytes()


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Names of the fonts of the system that can be opened."""
    return tuple(name for name in SYSTEM_FONTS if _opens(name))


def _opens(name: str) -> bool:
    try:
        ImageFont.truetype(name, _PROBE)
    except OSError:
        return False
    return True
