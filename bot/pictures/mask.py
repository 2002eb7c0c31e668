"""Reads a mask for inpainting: white is repainted, black stays, greys blend.

A mask with transparency is read by its alpha channel alone: transparent parts are repainted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from PIL import Image

from bot.errors import Refused
from bot.retry import in_thread
from engine.images.decoder import CleanPicture
from engine.images.opening import open_mask
from engine.images.pictures import to_png

SIDE = 2048
"""Most pixels of a mask's longer side; no model paints at a higher resolution."""
ALONE = "A mask needs a picture. Attach the picture as image, too."


@dataclass(frozen=True, slots=True)
class Mask:
    """A greyscale PNG with its picture's aspect ratio; *note* says how it was changed, if it was."""

    png: bytes
    note: str = ""

    @property
    def sha256(self) -> str:
        """The name by which a request refers to it."""
        return hashlib.sha256(self.png).hexdigest()


@in_thread
def make_mask(sent: CleanPicture, picture: CleanPicture) -> Mask:
    """The mask for *picture*; *sent* was decoded with its alpha. Raises Refused for a mask that is all black."""
    mask, size = open_mask(sent.png).convert("L"), picture.size
    if mask.getbbox() is None:  # all zeros
        raise Refused("The mask is completely black. Make the areas to repaint white.")
    note = ""
    if sent.size != size:
        note = f"The mask was stretched from {_by(sent.size)} to the picture's {_by(size)}."
    shrink = min(1.0, SIDE / max(size))
    fitting = max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)
    return Mask(to_png(mask.resize(fitting, Image.Resampling.BILINEAR) if mask.size != fitting else mask), note)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
