"""Colours as numbers: the twelve of the primer's world, their tones, and the skies and grounds of its places."""

from __future__ import annotations

import random
from typing import NamedTuple

RGB = tuple[int, int, int]

MAIN: dict[str, RGB] = {
    "red": (218, 46, 50),
    "orange": (244, 138, 36),
    "yellow": (250, 209, 56),
    "green": (62, 160, 74),
    "cyan": (66, 204, 208),
    "blue": (44, 96, 216),
    "purple": (148, 74, 196),
    "pink": (246, 142, 184),
    "brown": (122, 78, 46),
    "black": (30, 28, 36),
    "white": (248, 247, 242),
    "grey": (138, 142, 148),
}
INK: RGB = (34, 32, 42)
CREAM: RGB = (244, 228, 198)
WOOD: RGB = (112, 74, 46)
GLASS: RGB = (176, 222, 240)
LAMP: RGB = (255, 226, 132)
LEAF: RGB = (66, 142, 62)
SNOW: RGB = (246, 249, 253)

SKY: dict[str, tuple[RGB, ...]] = {
    "day": ((84, 168, 238), (204, 232, 250)),
    "morning": ((152, 188, 232), (250, 214, 204), (255, 228, 176)),
    "sunset": ((74, 52, 122), (214, 88, 98), (255, 164, 84)),
    "night": ((10, 13, 42), (40, 50, 104)),
    "fog": ((164, 172, 178), (208, 213, 215)),
}
GROUND: dict[str, RGB] = {
    "meadow": (94, 176, 76),
    "sea": (36, 112, 186),
    "beach": (236, 212, 150),
    "snow": (238, 244, 252),
    "desert": (230, 184, 104),
    "forest": (58, 112, 62),
    "city": (112, 116, 128),
    "mountain": (104, 158, 84),
}
_LIGHT: dict[str, tuple[RGB, float]] = {
    "day": ((255, 255, 255), 0.0),
    "morning": ((255, 214, 190), 0.16),
    "sunset": ((120, 50, 60), 0.34),
    "night": ((14, 18, 58), 0.60),
    "fog": ((186, 192, 196), 0.52),
}


class Tones(NamedTuple):
    """A colour as an object wears it: `main`, a `dark` for parts in shadow, a `light` for bellies and shine."""

    main: RGB
    dark: RGB
    light: RGB
    name: str = ""


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return `a` with `share` in [0, 1] of `b`."""
    keep = 1.0 - share
    return (
        int(a[0] * keep + b[0] * share + 0.5),
        int(a[1] * keep + b[1] * share + 0.5),
        int(a[2] * keep + b[2] * share + 0.5),
    )


def vary(colour: RGB, rng: random.Random, spread: int = 9) -> RGB:
    """Return `colour` with each channel moved by up to `spread`, all of them by a shared amount too."""
    shared = rng.uniform(-spread, spread)
    r, g, b = (min(255, max(0, int(c + shared + rng.uniform(-spread, spread) * 0.6))) for c in colour)
    return (r, g, b)


def tones(name: str, rng: random.Random) -> Tones:
    """Return this picture's variant of a named colour."""
    main = vary(MAIN[name], rng)
    if name == "black":  # its shadow side would vanish: a lit edge instead
        return Tones(main, mix(main, (120, 122, 150), 0.35), mix(main, (190, 190, 210), 0.45), name)
    if name == "white":
        return Tones(main, mix(main, (120, 132, 160), 0.32), (255, 255, 255), name)
    return Tones(main, mix(main, (24, 14, 50), 0.34), mix(main, (255, 250, 235), 0.55), name)


def under_light(colour: RGB, time: str) -> RGB:
    """Return a colour of the landscape as it looks at that time of day."""
    light, share = _LIGHT[time]
    return mix(colour, light, share)
