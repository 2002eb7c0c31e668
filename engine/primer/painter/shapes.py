"""The eight shapes, each in one flat colour."""

from __future__ import annotations

import math

from engine.primer.painter.palette import Tones
from engine.primer.painter.pen import Pen, spikes

_STAR = tuple((x * 1.05, y * 1.05 + 0.1) for x, y in spikes(5, 0.44))
_HEART = tuple(
    (
        math.sin(t) ** 3,
        -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16 - 0.11,
    )
    for t in (2 * math.pi * i / 72 for i in range(72))
)
_ARM = 0.33
_CROSS = (
    (-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM),
    (_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM),
)  # fmt: skip


def circle(pen: Pen, colour: Tones) -> None:
    pen.ellipse(0, 0, 1, 1, colour.main)


def square(pen: Pen, colour: Tones) -> None:
    pen.box(-0.92, -0.92, 0.92, 0.92, colour.main)


def triangle(pen: Pen, colour: Tones) -> None:
    pen.polygon(((0, -0.92), (1, 0.86), (-1, 0.86)), colour.main)


def star(pen: Pen, colour: Tones) -> None:
    pen.polygon(_STAR, colour.main)


def heart(pen: Pen, colour: Tones) -> None:
    pen.polygon(_HEART, colour.main)


def diamond(pen: Pen, colour: Tones) -> None:
    pen.polygon(((0, -1), (0.72, 0), (0, 1), (-0.72, 0)), colour.main)


def ring(pen: Pen, colour: Tones) -> None:
    pen.arc(0, 0, 1, 0, 360, colour.main, 0.3)


def cross(pen: Pen, colour: Tones) -> None:
    pen.polygon(_CROSS, colour.main)
