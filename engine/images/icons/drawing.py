"""Draws an icon on its ground, and puts icons into requests.

The noise of every picture is the same, so a request that names an icon can be replayed without a file.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from engine.images.icons.sets import look
from engine.images.icons.spec import OWN, Icon
from engine.images.pictures import to_png

NOISE_SEED = 42


def draw_icon(icon: Icon, width: int, height: int) -> Image.Image:
    """*icon* at *width* × *height*, RGBA. Raises InvalidRequest for an unknown name."""
    ground = _mixed(_filled(icon.background, width, height), icon.background_noise, 0)
    figure = look(icon.name, max(round(icon.size * min(width, height)), 1))
    x, y = _corner(icon.align, (width, height), figure.size)
    layer = Image.new("RGBA", (width, height))
    layer.paste(figure, (x, y))
    pixels: NDArray[np.float32] = np.asarray(layer, dtype=np.float32) / np.float32(255)
    colours = pixels[..., :3] if icon.colour == OWN else _filled(icon.colour, width, height)
    figure_part = pixels[..., 3:] * icon.opacity
    ground_part = (1 - figure_part) * icon.background_opacity
    alpha = figure_part + ground_part
    mixed = figure_part * _mixed(colours, icon.noise, 1) + ground_part * ground
    rgb = mixed / np.maximum(alpha, 1e-6)
    levels = np.concatenate([rgb, alpha], axis=2).clip(0, 1) * 255
    return Image.fromarray(levels.round().astype(np.uint8), "RGBA")


@lru_cache(maxsize=4)
def icon_png(icon: Icon, width: int, height: int) -> tuple[str, bytes]:
    """SHA-256 and bytes of *icon* as a PNG in RGB; what is transparent is white."""
    image = draw_icon(icon, width, height)
    white = Image.new("RGBA", image.size, "white")
    png = to_png(Image.alpha_composite(white, image).convert("RGB"))
    return hashlib.sha256(png).hexdigest(), png


def _filled(colour: str, width: int, height: int) -> NDArray[np.float32]:
    rgb = np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32) / 255
    return np.broadcast_to(rgb, (height, width, 3))


def _mixed(pixels: NDArray[np.float32], share: float, stream: int) -> NDArray[np.float32]:
    """*pixels* with *share* of uniform coloured noise; each *stream* has its own."""
    if not share:
        return pixels
    rng = np.random.Generator(np.random.PCG64([NOISE_SEED, stream]))
    noise: NDArray[np.float32] = rng.random(pixels.shape, dtype=np.float32)
    return pixels + np.float32(share) * (noise - pixels)


def _corner(align: str, outer: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the figure; at an edge it keeps a margin of a twentieth of the shorter side, if there is room."""
    parts = align.split("-")
    margin = min(outer) // 20
    found = []
    for near, far, room in zip(("left", "top"), ("right", "bottom"), np.subtract(outer, inner).tolist(), strict=True):
        kept = min(margin, room // 2)
        found.append(kept if near in parts else room - kept if far in parts else room // 2)
    return found[0], found[1]
