"""Styles as filters over a finished picture of any size: watercolour, ink, pixel, neon.

Deterministic by seed. All random fields are drawn on coarse grids of fixed size, so that a picture at 64 and at 256
pixels bleeds at the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.floating]

_PAPER = np.array((251, 247, 238), np.float32)
_INK = np.array((38, 34, 48), np.float32)
_DARK = np.array((13, 9, 28), np.float32)
_CELLS = 16


def apply_style(image: Image.Image, style: str, seed: int) -> Image.Image:
    """Return `image` (RGB, any size) in a style of `scenes.STYLES`; "plain" returns it as it is."""
    if style == "plain":
        return image
    return _FILTERS[style](image, np.random.default_rng([seed & 0xFFFFFFFF, 0x57]))


def _watercolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Wandering outlines, pigment that gathers at edges and in clouds, bare paper around."""
    width, height = image.size
    unit = min(width, height) / 64
    soft = image.filter(ImageFilter.GaussianBlur(0.42 * unit))
    pixels = _wander(np.asarray(soft, np.float32), rng, 0.8 * unit)
    edges = _slope(pixels)[..., None]
    paint = _PAPER + (pixels - _PAPER) * (0.86 + 0.045 * _field(rng, 7, width, height))[..., None]
    paint = paint * (1 - np.minimum(0.15, edges / 600))
    paint += 2.0 * _field(rng, 64, width, height)[..., None]
    bare = _bare_rim(rng, width, height)[..., None]
    return _picture(paint + (_PAPER - paint) * bare)


def _bare_rim(rng: np.random.Generator, width: int, height: int) -> Floats:
    """1 on the unpainted rim of the sheet, 0 within; the border wavers."""
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5) / width
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5) / height
    distance = np.minimum(x[None, :], y[:, None]) - 0.035 - 0.018 * _field(rng, 9, width, height)
    bare: Floats = np.clip(0.5 - distance * 64, 0, 1).astype(np.float32)
    return bare


def _ink(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dark outlines on paper, with a thin grey wash where the picture is dark."""
    width, height = image.size
    unit = min(width, height) / 64
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.35 * unit)), np.float32)
    line = np.clip((_slope(pixels, _step(unit)) - 10) / 50, 0, 1)[..., None]
    light = pixels @ np.array((0.3, 0.59, 0.11), np.float32)
    wash = np.clip((150 - light) / 150, 0, 1) * (0.34 + 0.05 * _field(rng, 6, width, height))
    paper = _PAPER + (_INK - _PAPER) * wash[..., None]
    return _picture(paper + (_INK - paper) * line)


def _pixel(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Few large cells in few flat colours, taken from the picture's own palette so that cells do not blur."""
    width, height = image.size
    cells = (max(1, _CELLS * width // max(width, height)), max(1, _CELLS * height // max(width, height)))
    sample = image.resize((64, 64), Image.Resampling.BOX)
    palette = sample.quantize(12, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = image.resize(cells, Image.Resampling.BOX).quantize(palette=palette, dither=Image.Dither.NONE)
    return small.convert("RGB").resize((width, height), Image.Resampling.NEAREST)


def _neon(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Outlines glow in the colours they part, in front of the dark."""
    width, height = image.size
    unit = min(width, height) / 64
    pixels = np.asarray(image, np.float32)
    edge = np.clip((_slope(pixels, _step(unit)) - 12) / 50, 0, 1)[..., None]
    hue = _vivid(np.asarray(image.filter(ImageFilter.GaussianBlur(unit)), np.float32))
    tubes = hue * edge
    halo = np.asarray(_picture(tubes).filter(ImageFilter.GaussianBlur(2.2 * unit)), np.float32)
    lit = _DARK + 0.09 * hue + tubes + 0.9 * halo + 70 * edge * edge
    return _picture(lit)


def _vivid(pixels: Floats) -> Floats:
    """Return the colours at full brightness and high saturation; what is grey becomes a cool white."""
    low, high = _fold(np.minimum, pixels)[..., None], _fold(np.maximum, pixels)[..., None]
    chroma = (high - low) / (high + 1)
    pure = (pixels - low) / (high - low + 12) * 255
    share = np.clip(chroma * 2.2, 0, 1)
    pale = np.array((196, 206, 255), np.float32) * np.clip(high / 200, 0.35, 1)
    return pure * share + pale * (1 - share)


def _slope(pixels: Floats, reach: int = 1) -> Floats:
    """Return how much the colour changes across `reach` pixels, [H, W], the largest of the channels."""
    slope = np.zeros(pixels.shape[:2], np.float32)
    across = _fold(np.maximum, np.abs(pixels[:, reach:] - pixels[:, :-reach]))
    down = _fold(np.maximum, np.abs(pixels[reach:] - pixels[:-reach]))
    half = reach // 2
    slope[:, half : half + across.shape[1]] = across
    body = slope[half : half + down.shape[0]]
    np.maximum(body, down, out=body)
    return slope


def _step(unit: float) -> int:
    return max(1, round(unit))


def _fold(pick: np.ufunc, pixels: Floats) -> Floats:
    """Return the largest (or smallest) of the three channels, [H, W]; several times as fast as `max(axis=2)`."""
    folded: Floats = pick(pick(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    return folded


def _wander(pixels: Floats, rng: np.random.Generator, reach: float) -> Floats:
    """Move every pixel by up to about `reach` along a slow random field."""
    height, width = pixels.shape[:2]
    dx, dy = _field(rng, 10, width, height), _field(rng, 10, width, height)
    x = np.clip(np.arange(width)[None, :] + dx * reach + 0.5, 0, width - 1).astype(np.intp)
    y = np.clip(np.arange(height)[:, None] + dy * reach + 0.5, 0, height - 1).astype(np.intp)
    return pixels[y, x]


def _field(rng: np.random.Generator, cells: int, width: int, height: int) -> Floats:
    """Return a random field [height, width] of variance about one that varies over a `cells` x `cells` grid."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _picture(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


_FILTERS: Mapping[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "watercolour": _watercolour,
    "ink": _ink,
    "pixel": _pixel,
    "neon": _neon,
}
