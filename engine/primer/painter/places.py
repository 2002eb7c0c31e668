"""Backgrounds: the ground of a place.

The pen draws in picture coordinates here: x and y from 0 to 1, y down.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from engine.primer.painter.palette import GROUND, INK, LAMP, RGB, SKY, SNOW, WOOD, mix, under_light, vary
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import Scene
from engine.primer.painter.skies import mountains


def horizon(scene: Scene, rng: random.Random) -> float:
    """Return the y at which the ground begins; 1 without ground."""
    if scene.place in ("", "sky", "space"):
        return 1.0
    kinds = [thing.kind for thing in scene.things]
    if scene.place == "sea" and ("fish" in kinds or "boat" in kinds):
        return rng.uniform(0.28, 0.36) if "fish" in kinds else rng.uniform(0.44, 0.54)
    return rng.uniform(0.52, 0.6) if scene.place == "beach" else rng.uniform(0.6, 0.68)


def lay_ground(pen: Pen, scene: Scene, rng: random.Random, ground: float) -> None:
    """Draw the ground of the scene's place from y = `ground` down."""
    if scene.place in _GROUNDS:
        _GROUNDS[scene.place](pen, rng, scene.time, ground)


def lap(pen: Pen, rng: random.Random, x: float, y: float, half: float, time: str) -> None:
    """Draw the water that hides the foot of what swims at `(x, y)`."""
    water = under_light(mix(GROUND["sea"], (255, 255, 255), 0.12), time or "day")
    foam = under_light((214, 234, 248), time or "day")
    pen.ellipse(x, y + 0.03, half * 1.1, 0.035, water)
    pen.line(((x - half, y + 0.005), (x - half * 0.3, y + 0.005)), foam, 0.012)
    pen.line(((x + half * 0.2, y + 0.012), (x + half * 0.95, y + 0.012)), foam, 0.012)


def _floor(pen: Pen, ground: float, colour: RGB) -> None:
    pen.box(-0.01, ground, 1.01, 1.01, colour)


def _meadow(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    green = vary(under_light(GROUND["meadow"], time), rng)
    pen.ellipse(rng.uniform(0.1, 0.9), ground + 0.2, 0.6, 0.24, mix(green, (30, 90, 70), 0.25))
    pen.ellipse(rng.uniform(0.2, 0.8), ground + 0.5, 1.1, 0.5, green)
    _floor(pen, ground + 0.12, green)
    for _ in range(6):
        x, y = rng.random(), rng.uniform(ground + 0.08, 0.97)
        pen.ellipse(
            x, y, 0.012, 0.012, under_light(rng.choice(((255, 240, 150), (255, 255, 255), (250, 170, 190))), time)
        )


def _sea(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    near = vary(under_light(GROUND["sea"], time), rng)
    far = mix(near, SKY[time][-1], 0.35)
    bands = 5
    for i in range(bands):
        pen.box(-0.01, ground + (1 - ground) * i / bands, 1.01, 1.01, mix(far, near, i / (bands - 1)))
    for _ in range(8):
        y = rng.uniform(ground + 0.03, 0.97)
        x, half = rng.random(), rng.uniform(0.03, 0.07) * (0.5 + y)
        pen.line(((x - half, y), (x + half, y)), mix(near, under_light((255, 255, 255), time), 0.42), 0.012)


def _beach(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    _sea(pen, rng, time, ground)
    sand = vary(under_light(GROUND["beach"], time), rng)
    pen.ellipse(rng.uniform(0.2, 0.8), ground + 0.67, 1.2, 0.56, under_light((240, 248, 252), time))
    pen.ellipse(rng.uniform(0.3, 0.7), ground + 0.7, 1.2, 0.56, sand)
    _floor(pen, ground + 0.3, sand)
    for _ in range(5):
        x, y = rng.random(), rng.uniform(ground + 0.27, 0.97)
        pen.ellipse(x, y, 0.016, 0.008, mix(sand, (150, 110, 70), 0.3))


def _snow(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    white = under_light(GROUND["snow"], time)
    far = mix(white, (120, 150, 200), 0.22)
    pen.ellipse(rng.uniform(0.0, 0.3), ground + 0.25, 0.7, 0.3, far)
    for _ in range(3):
        x = rng.choice((rng.uniform(0.02, 0.22), rng.uniform(0.78, 0.98)))
        _fir(pen, x, ground + 0.06, rng.uniform(0.12, 0.2), under_light((62, 104, 92), time), under_light(SNOW, time))
    pen.ellipse(rng.uniform(0.3, 0.8), ground + 0.5, 1.15, 0.48, white)
    _floor(pen, ground + 0.14, white)
    for _ in range(10):
        pen.ellipse(rng.random(), rng.random() * ground, 0.009, 0.009, (255, 255, 255))


def _fir(pen: Pen, x: float, foot: float, tall: float, green: RGB, cap: RGB | None) -> None:
    for low, high, half in ((0.0, 0.6, 0.34), (0.34, 0.85, 0.26), (0.62, 1.0, 0.17)):
        pen.polygon(
            ((x, foot - tall * high), (x + tall * half, foot - tall * low), (x - tall * half, foot - tall * low)), green
        )
    if cap:
        pen.polygon(((x, foot - tall), (x + tall * 0.1, foot - tall * 0.78), (x - tall * 0.1, foot - tall * 0.78)), cap)


def _desert(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    sand = vary(under_light(GROUND["desert"], time), rng)
    shade = mix(sand, (150, 80, 50), 0.3)
    x = rng.uniform(0.2, 0.8)
    pen.polygon(((x - 0.7, ground + 0.14), (x, ground - 0.05), (x + 0.7, ground + 0.14)), sand)
    pen.polygon(((x, ground - 0.05), (x + 0.7, ground + 0.14), (x - 0.08, ground + 0.14)), shade)
    _floor(pen, ground + 0.07, mix(sand, (255, 240, 200), 0.15))
    pen.ellipse(1 - x, ground + 0.44, 0.75, 0.27, mix(sand, shade, 0.35))
    if rng.random() < 0.6:
        _cactus(pen, rng.choice((0.1, 0.9)), ground + 0.12, rng.uniform(0.16, 0.22), under_light((70, 140, 84), time))


def _cactus(pen: Pen, x: float, foot: float, tall: float, green: RGB) -> None:
    pen.box(x - tall * 0.11, foot - tall, x + tall * 0.11, foot, green, tall * 0.1)
    pen.line(
        ((x, foot - tall * 0.36), (x - tall * 0.3, foot - tall * 0.36), (x - tall * 0.3, foot - tall * 0.7)),
        green,
        tall * 0.14,
    )
    pen.line(
        ((x, foot - tall * 0.5), (x + tall * 0.28, foot - tall * 0.5), (x + tall * 0.28, foot - tall * 0.8)),
        green,
        tall * 0.14,
    )


def _forest(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    green = vary(under_light(GROUND["forest"], time), rng)
    far = mix(green, SKY[time][-1], 0.35)
    for i in range(6):
        _fir(pen, i / 5 + rng.uniform(-0.06, 0.06), ground + 0.06, rng.uniform(0.38, 0.5), far, None)
    for i in range(5):
        x = (i + 0.5) / 5 + rng.uniform(-0.05, 0.05)
        pen.box(x - 0.012, ground, x + 0.012, ground + 0.08, under_light(WOOD, time))
        _fir(pen, x, ground + 0.05, rng.uniform(0.24, 0.36), mix(green, (8, 40, 36), 0.28), None)
    _floor(pen, ground + 0.06, mix(green, (130, 170, 80), 0.3))


def _mountain(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    mountains(pen, rng, ground, time, 0.4)
    green = vary(under_light(GROUND["mountain"], time), rng)
    pen.ellipse(rng.uniform(0.2, 0.8), ground + 0.46, 1.1, 0.48, green)
    _floor(pen, ground + 0.12, green)


def _city(pen: Pen, rng: random.Random, time: str, ground: float) -> None:
    wall = under_light((132, 138, 168), time)
    lit = LAMP if time in ("night", "sunset") else under_light((206, 226, 240), time)
    for row, tone in enumerate((mix(wall, SKY[time][-1], 0.4), mix(wall, INK, 0.18))):
        for i in range(6):
            x, half = (i + 0.5 * row) / 5.5 + rng.uniform(-0.03, 0.03), rng.uniform(0.065, 0.085)
            top = ground - rng.uniform(0.22, 0.46) * (1 - 0.4 * row)
            pen.box(x - half, top, x + half, ground + 0.02, tone)
            for floor in range(int((ground - top) / 0.08) * row):
                for u in (-0.5, 0.5):
                    if rng.random() < 0.8:
                        v = top + 0.03 + floor * 0.08
                        pen.box(x + half * u - 0.014, v, x + half * u + 0.014, v + 0.032, lit)
    street = under_light(GROUND["city"], time)
    _floor(pen, ground, mix(street, (255, 255, 255), 0.25))
    _floor(pen, ground + 0.06, street)
    for i in range(4):
        pen.box(i * 0.28 + 0.02, 0.9, i * 0.28 + 0.16, 0.915, mix(street, (255, 250, 220), 0.6))


_GROUNDS: dict[str, Callable[[Pen, random.Random, str, float], None]] = {
    "meadow": _meadow, "sea": _sea, "beach": _beach, "snow": _snow, "desert": _desert, "forest": _forest,
    "mountain": _mountain, "city": _city,
}  # fmt: skip
