"""Drawings of nouns from the icon sets, at any size and in any colour.

`fetch_icons` must have run; every function raises ModelUnavailable otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import ModelUnavailable
from engine.primer.icon_sets import PIXELS, icons_folder, rasterise
from engine.primer.painter.palette import RGB, Tones
from engine.primer.vocabulary import NOUNS, SETS

_LARGEST_FROM_PIXELS = 200
"""Side up to which a drawing is resized from its stored pixels; larger ones are rendered from the vectors."""
_FIFTH = 5


@dataclass(frozen=True, slots=True)
class Drawing:
    """`width` and `height`: half extents of what is drawn, of a square of half extent 1. `row`: into the pixels."""

    row: int
    body: str
    view: tuple[float, float, float]
    width: float
    height: float


@lru_cache(maxsize=1)
def _drawings() -> tuple[Mapping[tuple[str, str], Drawing], NDArray[np.uint8]]:
    folder = icons_folder()
    try:
        rows = json.loads((folder / "drawings.json").read_text(encoding="utf-8"))
        pixels = np.load(folder / "pixels.npy")
    except OSError as error:
        raise ModelUnavailable("The icon sets are missing: run python -m engine primer icons.") from error
    found = {}
    for row, entry in enumerate(rows):
        left, top, side, width, height = entry["view"]
        found[entry["noun"], entry["set"]] = Drawing(row, entry["body"], (left, top, side), width, height)
    return found, pixels


def drawing(noun: str, look: str) -> Drawing:
    """Return the drawing of a noun in an icon set; without *look*, the first that there is."""
    return _drawings()[0][noun, look or next(iter(NOUNS[noun].drawings))]


def pixels_of(noun: str, look: str) -> NDArray[np.uint8]:
    """Return the drawing as RGBA [PIXELS, PIXELS, 4], in its own colours."""
    pixels: NDArray[np.uint8] = _drawings()[1][drawing(noun, look).row]
    return pixels


def _held_out_looks() -> dict[str, str]:
    """Noun → the set whose drawing the guide and the diffusion model never see: one for every fifth noun."""
    able = [noun for noun in NOUNS.values() if len(noun.drawings) > 1][::_FIFTH]
    looks = {}
    for i, noun in enumerate(able):
        names = [name for name in SETS if name in noun.drawings]
        looks[noun.name] = names[i % len(names)]
    return looks


_HELD_OUT = _held_out_looks()
LOOKS: Mapping[str, tuple[str, ...]] = {name: tuple(noun.drawings) for name, noun in NOUNS.items()}
"""Noun → the sets that have a drawing of it."""
TRAINING_LOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(look for look in looks if look != _HELD_OUT.get(name)) for name, looks in LOOKS.items()
}
"""The same without the held-out drawings."""


def icon(noun: str, look: str, side: int, colour: Tones | None, tint: tuple[RGB, float] | None = None) -> Image.Image:
    """Return the drawing as RGBA of *side* pixels, recoloured to *colour* if given, then mixed with *tint*."""
    side = max(side, 1)
    found = drawing(noun, look)
    if side <= _LARGEST_FROM_PIXELS:
        image = Image.fromarray(_drawings()[1][found.row])
        if side != PIXELS:
            image = image.resize((side, side), Image.Resampling.BILINEAR)
    else:
        image = Image.fromarray(rasterise(found.body, found.view, side))
    if colour is None and tint is None:
        return image
    pixels = np.asarray(image).astype(np.float32)
    if colour is not None:
        pixels[..., :3] = recoloured(pixels[..., :3], pixels[..., 3], colour)
    if tint is not None:
        pixels[..., :3] += tint[1] * (np.array(tint[0], np.float32) - pixels[..., :3])
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def recoloured(rgb: NDArray[np.float32], alpha: NDArray[np.float32], colour: Tones) -> NDArray[np.float32]:
    """Return RGB [H, W, 3] in shades of *colour*; outlines and highlights of the drawing keep their own.

    Of a colourful drawing the colourful pixels change, of a grey one those that are neither black nor white.
    """
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    chroma = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    light = 0.3 * red + 0.59 * green + 0.11 * blue
    seen = alpha > 128
    colourful = bool(seen.any()) and float(chroma[seen].mean()) > 40
    if colourful:
        share = np.clip((chroma - 24) / 36, 0, 1)
    else:
        share = np.clip((light - 28) / 30, 0, 1) * (
            1 if colour.name in ("black", "grey") else np.clip((258 - light) / 16, 0, 1)
        )
    body = seen & (share > 0.5)
    pivot = float(np.median(light[body])) if body.any() else 128.0
    main = np.array(colour.main, np.float32)
    high = np.array(colour.light, np.float32)
    dim = np.clip(light / max(pivot, 1), 0, 1)[..., None]
    lit = np.clip((light - pivot) / max(255 - pivot, 1), 0, 1)[..., None]
    shaded = main * (0.35 + 0.65 * dim) + (high - main) * (0.8 * lit)
    out: NDArray[np.float32] = rgb + share[..., None] * (shaded - rgb)
    return out
