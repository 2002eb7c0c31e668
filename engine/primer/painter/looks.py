"""Every drawing that the diffusion model's memory holds, in one order, and where a painted scene shows which.

A look is a drawing of a kind: one of a noun's icon sets, or the painter's own part in grey tones. Rows count from 1;
0 is no look. Held-out drawings have no row.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.primer.painter.icons import TRAINING_LOOKS, pixels_of
from engine.primer.painter.layout import Spot
from engine.primer.painter.palette import tones
from engine.primer.painter.parts import PARTS
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import COLOURS, VECTOR_KINDS, Scene
from engine.primer.vocabulary import NOUNS, TOKEN

SIDE = 40
"""Pixels of a look in the memory."""
MOST_SPOTS = 6
MOST_THINGS, MOST_COUNT = 3, 5
NATURAL = len(COLOURS)
"""Colour number of a drawing in its own colours."""
LOOK_ROWS: Mapping[tuple[str, str], int] = {
    key: row
    for row, key in enumerate(
        [(kind, look) for kind in NOUNS for look in TRAINING_LOOKS[kind]] + [(kind, "") for kind in VECTOR_KINDS], 1
    )
}
"""(kind, icon set) → row."""


def look_pixels() -> NDArray[np.uint8]:
    """Return all looks as RGBA [1 + looks, SIDE, SIDE, 4]; row 0 is empty."""
    pixels = [np.zeros((SIDE, SIDE, 4), np.uint8)]
    for kind, look in LOOK_ROWS:
        image = Image.fromarray(pixels_of(kind, look)) if kind in NOUNS else _grey_part(kind)
        premultiplied = image.convert("RGBa").resize((SIDE, SIDE), Image.Resampling.BOX)
        pixels.append(np.asarray(premultiplied.convert("RGBA")))
    return np.stack(pixels)


def _grey_part(kind: str) -> Image.Image:
    side = 8 * SIDE
    image = Image.new("RGBA", (side, side))
    PARTS[kind](Pen(ImageDraw.Draw(image), side / 2, side / 2, side / 2), tones("grey", _Middle()))
    return image


class _Middle(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def rows_of_tokens(vocabulary: int, most: int = 3) -> NDArray[np.int32]:
    """Return the look rows of every token id, [vocabulary, most], 0 where there are fewer."""
    table = np.zeros((vocabulary, most), np.int32)
    filled = np.zeros(vocabulary, np.int32)
    for (kind, _), row in LOOK_ROWS.items():
        token = TOKEN[kind]
        if filled[token] < most:
            table[token, filled[token]] = row
            filled[token] += 1
    return table


def spot_array(spots: Sequence[Spot]) -> NDArray[np.float32]:
    """Return [MOST_SPOTS, 6], back to front: look row, colour number, x, y, reach, facing. Empty rows are zeros."""
    array = np.zeros((MOST_SPOTS, 6), np.float32)
    for i, spot in enumerate(spots):
        colour = COLOURS.index(spot.colour) if spot.colour else NATURAL
        row = LOOK_ROWS.get((spot.kind, spot.look), 0)
        array[i] = row, colour, spot.x, spot.y, spot.reach, spot.facing
    return array


def thing_array(scene: Scene, spots: Sequence[Spot], tokens: Sequence[int]) -> NDArray[np.float32]:
    """Return what a caption's nouns stand for, [MOST_THINGS, 3 + 3 · MOST_COUNT], in the order of the scene.

    Columns: place of the noun among the tokens (-1 = no thing), colour number, count, then x, y and reach of each copy,
    from top to bottom and from left to right.
    """
    array = np.full((MOST_THINGS, 3 + 3 * MOST_COUNT), -1, np.float32)
    for i, thing in enumerate(scene.things):
        token = TOKEN[thing.kind]
        if token not in tokens:
            continue
        own = sorted((s for s in spots if s.kind == thing.kind), key=lambda s: (round(4 * s.y), s.x))
        array[i, :3] = tokens.index(token), COLOURS.index(thing.colour) if thing.colour else NATURAL, thing.count
        array[i, 3 : 3 + 3 * len(own)] = [value for s in own for value in (s.x, s.y, s.reach)]
    return array
