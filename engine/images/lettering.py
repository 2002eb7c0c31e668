"""Text in drawings: letters of many scripts, from left to right or from right to left, in one line.

DejaVu Sans ships with the package: Latin, Greek, Cyrillic, Hebrew, Arabic and more. Other scripts come from fonts of
the system, if it has one of `SYSTEM_FONTS`. Letters that no font has become “…”, and a text of which nothing is left
becomes what the caller offers, for example “Image 3”. No torch: the bot imports this module.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
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
JOINED = " · "
"""Joins texts that have nothing to do with one another: a label and a duration."""
_JOINERS = "\u200c\u200d"
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
    parts = [_drawable(part) for part in unicodedata.normalize("NFC", text[:_MOST]).split(JOINED)]
    if not any(parts):
        return instead
    first = next((place for place, part in enumerate(parts) if not part), -1)
    return JOINED.join(part or (instead if place == first else "") or ELLIPSIS for place, part in enumerate(parts))


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
    return sum(_length(font_of(size, number), run, right) for number, run, right in _runs(line))


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
    for number, run, right in _runs(line):
        font = font_of(size, number)
        draw.text((x, y), run, fill, font, anchor="ls", direction=_direction(right))
        x += _length(font, run, right)


def _length(font: ImageFont.FreeTypeFont, run: str, right: bool) -> float:
    return font.getlength(run, direction=_direction(right))


def _direction(right: bool) -> str | None:
    """Pillow's name of a direction; None where it cannot shape text."""
    return ("rtl" if right else "ltr") if _shapes() else None


def _drawable(text: str) -> str:
    """What is left of *text*; empty if no letter, digit or sign of it is."""
    found: list[str] = []
    for char in text:
        if char.isspace():
            found.append(" ")
        elif char in _JOINERS:  # they shape the letters beside them, in Persian for example
            found += [char] * (_shapes() and bool(found) and unicodedata.bidirectional(found[-1][-1]) == "AL")
        elif _number(char) is not None:
            found.append(char)
        elif plain := "".join(part for part in unicodedata.normalize("NFKD", char) if _number(part) is not None):
            found.append(plain)
        elif char.isalnum() and found[-1:] != [ELLIPSIS]:
            found.append(ELLIPSIS)
    line = " ".join("".join(found).split())
    return line if line.strip(f"{ELLIPSIS} ") else ""


def _runs(line: str) -> Iterator[tuple[int, str, bool]]:
    """(font, text, whether it is read from right to left) in the order in which they are seen, from the left.

    Texts joined by “ · ” follow one another from the left, each in its own direction.
    """
    for place, part in enumerate(line.split(JOINED)):
        if place:
            yield 0, JOINED, False
        for level, piece in _ordered(part):
            right = level % 2 == 1
            runs = [(number, "".join(group)) for number, group in groupby(piece, lambda char: _number(char) or 0)]
            for number, run in reversed(runs) if right else runs:
                yield number, run[::-1] if right and not _shapes() else run, right


def _ordered(text: str) -> list[tuple[int, str]]:
    """(level, text) of each run as seen from the left: rule L2 of the Unicode Bidirectional Algorithm (UAX #9)."""
    levels = _levels(text)
    pieces = [
        (level, "".join(text[place] for place in places))
        for level, places in ((level, list(group)) for level, group in groupby(range(len(text)), levels.__getitem__))
    ]
    for level in range(max(levels, default=0), 0, -1):
        ordered: list[tuple[int, str]] = []
        for inside, group in groupby(pieces, lambda piece: piece[0] >= level):  # noqa: B023 - used at once
            row = list(group)
            ordered += row[::-1] if inside else row
        pieces = ordered
    return pieces


def _levels(text: str) -> list[int]:
    """The level of each character of a text without embeddings: odd ones are read from right to left.

    Signs and spaces between two texts of one direction take it; others, as an ellipsis at the end, take that of the
    whole, which is the one of its first letter.
    """
    kinds = [unicodedata.bidirectional(char) for char in text]
    first = next((kind for kind in kinds if kind == "L" or kind in _RIGHT), "L")
    base = "L" if first == "L" else "R"
    classes = _classes(kinds, base)
    for place, (kind, one) in enumerate(zip(kinds, classes, strict=True)):
        beside = {*classes[max(place - 1, 0) : place], *classes[place + 1 : place + 2]}
        if one == "O" and ((kind in ("ES", "CS") and beside == {"N"}) or (kind == "ET" and "N" in beside)):
            classes[place] = "N"
    place = 0
    for one, group in groupby(list(classes)):
        end = place + len(list(group))
        if one == "O":
            before = classes[place - 1] if place else base
            after = classes[end] if end < len(classes) else base
            sides = {"R" if side == "N" else side for side in (before, after)}
            classes[place:end] = [sides.pop() if len(sides) == 1 else base] * (end - place)
        place = end
    numbers = {"L": 0, "R": 1, "N": 2} if base == "L" else {"L": 2, "R": 1, "N": 2}
    return [numbers[one] for one in classes]


def _classes(kinds: Iterable[str], base: str) -> list[str]:
    """L, R, N (a number in a text from right to left) or O (anything else) of each character."""
    found: list[str] = []
    strong = base
    for kind in kinds:
        if kind == "L" or kind in _RIGHT:
            strong = "L" if kind == "L" else "R"
            found.append(strong)
        elif kind in ("EN", "AN"):
            found.append("L" if kind == "EN" and strong == "L" else "N")
        else:
            found.append(found[-1] if kind in ("NSM", "BN") and found else "O")
    return found


@lru_cache(maxsize=1)
def _shapes() -> bool:
    """Whether Pillow shapes and orders text from right to left itself."""
    return bool(features.check("raqm"))


@lru_cache(maxsize=8192)
def _number(char: str) -> int | None:
    """The first font that has a letter, or None."""
    if char == " " or char in _JOINERS:
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
