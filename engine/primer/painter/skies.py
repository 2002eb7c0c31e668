"""Backgrounds: a sky by the time of day, and the things in it.

The pen draws in picture coordinates here: x and y from 0 to 1, y down.
"""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image

from engine.primer.painter.palette import INK, LAMP, RGB, SKY, SNOW, mix, under_light, vary
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import Scene

_MOON: RGB = (250, 244, 214)
_SPACE: tuple[RGB, ...] = ((16, 10, 36), (52, 26, 84))


def _crescent() -> tuple[tuple[float, float], ...]:
    outer = [(math.cos(a), math.sin(a)) for a in (math.radians(50 + 260 * i / 24) for i in range(25))]
    inner = [
        (0.42 + 0.79 * math.cos(a), 0.79 * math.sin(a)) for a in (math.radians(286 - 212 * i / 18) for i in range(19))
    ]
    return tuple(outer + inner)


_CRESCENT = _crescent()


def gradient(size: int, stops: tuple[RGB, ...], end: float = 1.0) -> Image.Image:
    """Return a square picture that runs through `stops` from the top down to y = `end`."""
    where = np.linspace(0, (len(stops) - 1) / end, size)
    column = np.stack([np.interp(where, range(len(stops)), channel) for channel in zip(*stops, strict=True)], axis=1)
    return Image.fromarray((column + 0.5).astype(np.uint8)[:, None, :]).resize((size, size), Image.Resampling.NEAREST)


def sky_stops(scene: Scene, rng: random.Random) -> tuple[RGB, ...]:
    stops = _SPACE if scene.place == "space" else SKY[scene.time]
    return tuple(vary(stop, rng, 7) for stop in stops)


def fill_sky(pen: Pen, scene: Scene, rng: random.Random, ground: float) -> None:
    """Draw what is visible above the ground, which begins at y = `ground`: stars, lights, clouds, mountains."""
    if "starry" in scene.extras or scene.place == "space":
        _stars(pen, rng, ground)
    if scene.place == "space":
        _planet(pen, rng, rng.choice((0.16, 0.84)) if not scene.extras else 0.84)
    side = _free_side(scene, rng)
    for extra in scene.extras:
        if extra in ("sun", "moon"):
            _light(pen, extra, scene, rng, side, ground)
    for _ in range(rng.randint(1, 2) if "cloud" in scene.extras else 0):
        side = -side
        _cloud(pen, 0.5 + side * rng.uniform(0.16, 0.34), rng.uniform(0.12, 0.3), rng.uniform(0.1, 0.16), scene.time)
    if "mountain" in scene.extras:
        mountains(pen, rng, ground, scene.time, 0.26)


def _free_side(scene: Scene, rng: random.Random) -> int:
    """-1 or 1: the side of the sky that the first thing leaves free."""
    first = scene.things[0].position if scene.things else ""
    return {"left": 1, "right": -1}.get(first, rng.choice((-1, 1)))


def _stars(pen: Pen, rng: random.Random, ground: float) -> None:
    for _ in range(rng.randint(14, 22)):
        radius = rng.uniform(0.004, 0.011)
        pen.ellipse(
            rng.random(), rng.random() * ground * 0.95, radius, radius, mix((255, 255, 255), LAMP, rng.random())
        )


def _planet(pen: Pen, rng: random.Random, y: float) -> None:
    x, radius = rng.choice((0.14, 0.86)), rng.uniform(0.07, 0.11)
    colour = rng.choice(((226, 150, 96), (112, 150, 214), (196, 120, 170), (132, 190, 160)))
    pen.ellipse(x, y, radius, radius, colour)
    pen.pie(x, y, radius, radius, 20, 160, mix(colour, INK, 0.25))
    pen.line(
        ((x - radius * 1.7, y + radius * 0.4), (x + radius * 1.7, y - radius * 0.4)),
        mix(colour, (255, 255, 255), 0.6),
        0.016,
    )


def _light(pen: Pen, kind: str, scene: Scene, rng: random.Random, side: int, ground: float) -> None:
    """The sun or the moon: large in an empty scene, else in a free corner; low at sunset and dawn."""
    alone = not scene.things
    radius = rng.uniform(0.13, 0.18) if alone else rng.uniform(0.09, 0.11)
    x = rng.uniform(0.28, 0.72) if alone else 0.5 + side * rng.uniform(0.3, 0.35)
    low = kind == "sun" and scene.time in ("sunset", "morning") and ground < 1
    y = ground - rng.uniform(-0.3, 0.9) * radius if low else rng.uniform(0.15, 0.21) + (0.08 if alone else 0)
    if kind == "moon":
        _moon(pen, rng, x, y, radius)
    else:
        _sun(pen, x, y, radius, scene.time, rays=not low)


def _moon(pen: Pen, rng: random.Random, x: float, y: float, radius: float) -> None:
    if rng.random() < 0.6:
        pen.polygon([(x + radius * u, y + radius * v) for u, v in _CRESCENT], _MOON)
        return
    pen.ellipse(x, y, radius, radius, _MOON)
    for u, v, size in ((-0.35, -0.3, 0.22), (0.3, 0.1, 0.28), (-0.2, 0.45, 0.16)):
        pen.ellipse(x + radius * u, y + radius * v, radius * size, radius * size, (226, 218, 186))


def _sun(pen: Pen, x: float, y: float, radius: float, time: str, rays: bool) -> None:
    colour = (255, 214, 74) if time in ("day", "", "fog", "night") else (255, 190, 84)
    if rays:
        points = []
        for i in range(24):
            reach = radius * (1.28 if i % 2 == 0 else 0.98)
            points.append((x + reach * math.cos(math.pi * i / 12), y + reach * math.sin(math.pi * i / 12)))
        pen.polygon(points, (255, 190, 60))
    pen.ellipse(x, y, radius, radius, colour)
    pen.ellipse(x, y, radius * 0.76, radius * 0.76, mix(colour, (255, 255, 230), 0.3))


def _cloud(pen: Pen, x: float, y: float, reach: float, time: str) -> None:
    white = mix((255, 255, 255), SKY.get(time, SKY["day"])[0], 0.08)
    grey = mix(white, (120, 140, 180), 0.2)
    for tone, drop in ((grey, 0.1), (white, 0.0)):
        for u, v, size in ((-0.7, 0.1, 0.42), (-0.1, -0.22, 0.6), (0.55, 0.02, 0.48)):
            pen.ellipse(x + reach * u, y + reach * (v + drop), reach * size, reach * size * 0.82, tone)
        pen.box(x - reach * 0.8, y + reach * drop, x + reach * 0.75, y + reach * (0.42 + drop), tone)


def mountains(pen: Pen, rng: random.Random, ground: float, time: str, height: float) -> None:
    """Draw three peaks about `height` tall."""
    rock = under_light((120, 126, 150), time)
    snow = under_light(SNOW, time)
    for x in (rng.uniform(0.0, 0.2), rng.uniform(0.8, 1.0), rng.uniform(0.36, 0.64)):
        tall = height * rng.uniform(0.75, 1.2)
        half = tall * rng.uniform(0.85, 1.1)
        top = ground - tall
        pen.polygon(((x, top), (x + half, ground + 0.02), (x - half, ground + 0.02)), rock)
        pen.polygon(((x, top), (x + half, ground + 0.02), (x + half * 0.15, ground + 0.02)), mix(rock, INK, 0.2))
        cut = ((0, 0), (0.36, 0.36), (0.16, 0.28), (0.02, 0.42), (-0.14, 0.28), (-0.36, 0.36))
        pen.polygon([(x + half * u, top + tall * v) for u, v in cut], snow)
