"""The options of `pixel_art`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from engine.errors import InvalidRequest
from engine.requests.options.base import guessed
from engine.requests.options.clip_views import Seamless, Symmetry
from engine.requests.options.optimiser_methods import OptimisedOptions

FREE, LEARNED, PICTURE = "free", "learned", "picture"
PALETTES: Mapping[str, str] = {
    "gameboy": "0f380f 306230 8bac0f 9bbc0f",
    "gray4": "000000 555555 aaaaaa ffffff",
    "bw": "000000 ffffff",
    "cga": "000000 55ffff ff55ff ffffff",
    "ega": "000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa "
    "555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff",
    "c64": "000000 ffffff 813338 75cec8 8e3c97 56ac4d 2e2c9b edf171 "
    "8e5029 553800 c46c71 4a4a4a 7b7b7b a9ff9f 706deb b2b2b2",
    "pico8": "000000 1d2b53 7e2553 008751 ab5236 5f574f c2c3c7 fff1e8 "
    "ff004d ffa300 ffec27 00e436 29adff 83769c ff77a8 ffccaa",
    "sweetie16": "1a1c2c 5d275d b13e53 ef7d57 ffcd75 a7f070 38b764 257179 "
    "29366f 3b5dc9 41a6f6 73eff7 f4f4f4 94b0c2 566c86 333c57",
}
"""Palettes by name: Game Boy, IBM's CGA (mode 4, palette 1) and EGA, Commodore 64 (Pepto), PICO-8, Sweetie 16."""
MOST_COLOURS = 64
_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})\Z")


class PixelArtOptions(OptimisedOptions):
    """Pixel art: squares, hexagons, triangles or stitches of a few colours, moved by CLIP alone; crisp at its size."""

    method: Literal["pixel_art"] = "pixel_art"
    steps: int = Field(default=120, ge=5, le=2000, description="optimisation steps")
    shape: Literal["square", "hex", "triangle", "knit"] = Field(default="square", description="shape of the cells")
    cells: int = Field(
        default=32,
        ge=8,
        le=128,
        description="cells along the longer side, about: a cell is a whole number of pixels wide",
    )
    palette: str = Field(
        default="learned",
        max_length=600,
        description="free, learned, picture (init or target), a name as pico8, or colours as in #000000+#ff8800",
    )
    colours: int = Field(default=12, ge=2, le=MOST_COLOURS, description="with palette=learned or picture: how many")
    dither: Literal["none", "checker", "bayer"] = Field(
        default="none", description="mix two colours of the palette in a pattern"
    )
    outlines: Literal["none", "cells", "shapes"] = Field(
        default="none", description="dark lines between the cells, or around shapes"
    )
    symmetry: Symmetry = "none"
    seamless: Seamless = "none"
    tv_scale: float = Field(
        default=3.0, ge=0, le=100000, description="smoothness: penalty on differences between neighbouring cells"
    )

    @property
    def listed(self) -> tuple[tuple[int, int, int], ...]:
        """The colours of a palette by name or as a list; empty for the other kinds. Raises InvalidRequest."""
        return () if self.palette in (FREE, LEARNED, PICTURE) else read_palette(self.palette)

    @property
    def size_of_palette(self) -> int:
        """The number of colours; 0 = not limited."""
        if self.palette == FREE:
            return 0
        return self.colours if self.palette in (LEARNED, PICTURE) else len(self.listed)

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raises InvalidRequest for an unknown palette, and for options without effect."""
        super().check(has_mask=has_mask)
        _ = self.listed
        if self.palette == PICTURE and not (has_init or has_target):
            raise InvalidRequest("palette=picture needs an init or a target picture whose colours it can take.")
        if self.dither != "none" and self.palette == FREE:
            raise InvalidRequest(f"dither={self.dither} mixes the colours of a palette, and palette=free has none.")


def read_palette(text: str) -> tuple[tuple[int, int, int], ...]:
    """``pico8`` or ``#000000+#ff8800`` → colours, 0 to 255. Raises InvalidRequest in words."""
    words = PALETTES[text].split() if text in PALETTES else [word.strip() for word in text.split("+")]
    found = [_COLOUR.match(word) for word in words]
    wrong = next((word for word, match in zip(words, found, strict=True) if match is None), None)
    if wrong is not None:
        if "+" not in text and not text.startswith("#"):
            known = (FREE, LEARNED, PICTURE, *PALETTES)
            raise InvalidRequest(guessed(f"Unknown palette “{text[:40]}”", text, known))
        raise InvalidRequest(f"palette: “{wrong[:40]}” is not a colour of six hexadecimal digits, as in #ff8800.")
    colours = tuple(dict.fromkeys(_rgb(match[1]) for match in found if match))
    if not 2 <= len(colours) <= MOST_COLOURS:
        raise InvalidRequest(f"A palette has 2 to {MOST_COLOURS} different colours, not {len(colours)}.")
    return colours


def _rgb(digits: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
