"""A mask from a person: which part of a picture is painted anew. White is painted, black stays; greys are in between.

Editors say the same with holes: where a mask has transparency, that alone counts, and what is transparent is painted.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from PIL import Image, ImageChops

from bot.errors import Refused
from engine.images.decoder import CleanPicture
from engine.images.opening import open_own
from engine.images.pictures import to_png

SIDE = 2048
"""Pixels that a mask keeps on its longer side; no net paints finer."""
ALONE = "A mask needs a picture. Attach the picture as image, too."


@dataclass(frozen=True, slots=True)
class Mask:
    """A PNG in greys with the shape of its picture; *note* says what had to be done to it, or nothing."""

    png: bytes
    note: str = ""

    @property
    def sha256(self) -> str:
        """The name by which a request asks for it."""
        return hashlib.sha256(self.png).hexdigest()


async def make_mask(mask: CleanPicture, picture: CleanPicture) -> Mask:
    """The mask for *picture*; *mask* was decoded with its alpha. Raises Refused for a mask that is all black."""
    return await asyncio.to_thread(_mask, mask, picture)


def _mask(sent: CleanPicture, picture: CleanPicture) -> Mask:
    mask, size = _greys(open_own(sent.png, alpha=True)), picture.size
    if mask.getbbox() is None:  # all zeros
        raise Refused("The mask is completely black. Make the areas to repaint white.")
    note = ""
    if sent.size != size:
        note = f"The mask was stretched from {_by(sent.size)} to the picture's {_by(size)}."
    shrink = min(1.0, SIDE / max(size))
    fitting = max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)
    return Mask(to_png(mask.resize(fitting, Image.Resampling.BILINEAR) if mask.size != fitting else mask), note)


def _greys(mask: Image.Image) -> Image.Image:
    """One channel: 255 where it is painted."""
    if mask.mode == "RGBA":
        holes = ImageChops.invert(mask.getchannel("A"))
        if holes.getbbox() is not None:
            return holes
    return mask.convert("L")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
