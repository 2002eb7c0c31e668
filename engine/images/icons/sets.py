"""Two sets of glyphs: drawings of 700 things that ship with the small models, and Font Awesome Free.

A plain name ("owl") is a drawing where there is one. “fa-owl”, or a name that no drawing has, is a glyph of
Font Awesome Free, which the PyPI package `fontawesomefree` (extra `icons`) holds as fonts.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from safetensors import safe_open

from engine.errors import InvalidRequest
from engine.primer.vocabulary import CANONICAL, TOKEN, complete, split_words

DRAWINGS = Path(__file__).parents[2] / "primer" / "weights" / "composer.safetensors"
GLYPH_PREFIX = "fa-"
PLAIN = (0x7B, 0x75, 0x68)
"""The colour of a glyph without one: the mean of ImageNet, as in icon-image."""
MISSING = "Icons of Font Awesome need the package fontawesomefree: pip install 'dreambot[icons]'."
_FONTS = {"solid": "fa-solid-900.ttf", "regular": "fa-regular-400.ttf", "brands": "fa-brands-400.ttf"}


@dataclass(frozen=True, slots=True)
class Glyph:
    """A sign of Font Awesome. *aliases*: its other names; *terms*: its search terms."""

    name: str
    sign: str
    styles: tuple[str, ...]
    aliases: tuple[str, ...]
    terms: tuple[str, ...]


def look(name: str, side: int) -> Image.Image:
    """The icon *name* with transparency, its longer side *side* pixels long. Raises InvalidRequest with suggestions."""
    if (row := _row(name)) is not None:
        return _enlarged(_drawing(row), side)
    style, glyph = _find(name)
    return _rendered(glyph, style, side)


def suggest(typed: str, most: int = 25) -> list[tuple[str, str]]:
    """(name, set) of icons whose name or search term begins with *typed*; drawings first."""
    wanted = typed.strip().lower()
    plain = wanted.removeprefix(GLYPH_PREFIX)
    named = () if wanted.startswith(GLYPH_PREFIX) else complete(wanted, most)
    drawings = [(one, "drawing") for one in named if _row(one) is not None]
    near = [
        (not glyph.name.startswith(plain), glyph.name)
        for glyph in _glyphs().values()
        if glyph.name.startswith(plain) or any(term.startswith(plain) for term in glyph.terms)
    ]
    return [*drawings, *((GLYPH_PREFIX + name, "Font Awesome") for _, name in sorted(near))][:most]


def _row(name: str) -> int | None:
    """The row of the first drawing of that thing; None for an unknown thing."""
    head = CANONICAL.get(" ".join(split_words(name)), "")
    if name.startswith(GLYPH_PREFIX) or not head:
        return None
    row = int(_rows()[TOKEN[head], 0])
    return row or None


@lru_cache(maxsize=1)
def _rows() -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    with safe_open(DRAWINGS, "numpy") as file:
        rows: np.ndarray[tuple[int, int], np.dtype[np.int32]] = file.get_tensor("rows")
    return rows


def _drawing(row: int) -> Image.Image:
    """One drawing, cropped to what is opaque."""
    with safe_open(DRAWINGS, "numpy") as file:
        pixels = file.get_slice("drawings")[row : row + 1][0]
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)), "RGBA")
    return image.crop(image.getchannel("A").point(lambda level: 255 * (level > 8)).getbbox())


def _enlarged(image: Image.Image, side: int) -> Image.Image:
    """With a sharp edge: opacity is made steeper by as much as the drawing grows."""
    scale = side / max(image.size)
    size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    large = image.convert("RGBa").resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    steep = max(scale / 2, 1)
    large.putalpha(large.getchannel("A").point(lambda level: round(min(max((level - 128) * steep + 128, 0), 255))))
    return large


def _find(name: str) -> tuple[str, Glyph]:
    """Style and glyph. Raises InvalidRequest."""
    glyphs, plain = _glyphs(), name.removeprefix(GLYPH_PREFIX).replace(" ", "-")
    if not glyphs:
        near = [one for one, _ in suggest(name[:1], 5)]
        other = f" Without it there are drawings such as {', '.join(near)}." if near else ""
        raise InvalidRequest(f"There is no drawing of “{name}”. {MISSING}{other}")
    style, mark, rest = plain.partition("-")
    wanted = (style, rest) if mark and style in _FONTS else ("", plain)
    glyph = (
        glyphs.get(wanted[1])
        or next((g for g in glyphs.values() if wanted[1] in g.aliases), None)
        or next((g for g in glyphs.values() if wanted[1] in g.terms), None)
    )
    if glyph is None:
        near = [one for one, _ in suggest(plain, 5) or suggest(plain[:3], 5)]
        raise InvalidRequest(f"Unknown icon “{name}”" + (f"; similar: {', '.join(near)}." if near else "."))
    if wanted[0] and wanted[0] not in glyph.styles:
        raise InvalidRequest(f"{glyph.name} comes in the style {' or '.join(glyph.styles)}, not {wanted[0]}.")
    return wanted[0] or next(style for style in _FONTS if style in glyph.styles), glyph


def _rendered(glyph: Glyph, style: str, side: int) -> Image.Image:
    folder = _package()
    assert folder is not None  # glyphs are read from it
    path = str(folder / "webfonts" / _FONTS[style])
    left, top, right, bottom = ImageFont.truetype(path, 512).getbbox(glyph.sign)
    size = max(side * 512 / max(right - left, bottom - top), 1)
    mask = Image.new("L", (2 * side + 2, 2 * side + 2))
    ImageDraw.Draw(mask).text((side + 1, side + 1), glyph.sign, 255, ImageFont.truetype(path, size), anchor="mm")
    image = Image.new("RGBA", mask.size, PLAIN)
    image.putalpha(mask)
    return image.crop(mask.getbbox())


@lru_cache(maxsize=1)
def _glyphs() -> Mapping[str, Glyph]:
    """Name → glyph of all free styles; empty without the package."""
    folder = _package()
    if folder is None:
        return {}
    found = {}
    for name, entry in json.loads((folder / "metadata" / "icons.json").read_text(encoding="utf-8")).items():
        aliases, terms = entry.get("aliases", {}).get("names", ()), map(str, entry["search"]["terms"])
        found[name] = Glyph(
            name, chr(int(entry["unicode"], 16)), tuple(entry["free"]), tuple(aliases), (*aliases, *terms)
        )
    return MappingProxyType(found)


def _package() -> Path | None:
    """The folder of the package's files; None if it is not installed."""
    spec = importlib.util.find_spec("fontawesomefree")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "static" / "fontawesomefree" if places else None
