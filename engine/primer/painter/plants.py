"""Plants: tree, pine, flower, mushroom. The free colour is that of crown, petals or cap."""

from __future__ import annotations

import math

from engine.primer.painter.palette import CREAM, LAMP, LEAF, WOOD, Tones, mix
from engine.primer.painter.pen import Pen, smooth

_PETALS = tuple((0.36 * math.cos(a), 0.36 * math.sin(a) - 0.42) for a in (math.pi * i / 3 + 0.52 for i in range(6)))
_LEAF_CURVE = smooth(((0.02, 0.78), (0.2, 0.42), (0.62, 0.34), (0.46, 0.68)), 5)
_CAP = smooth(
    ((-0.96, 0.06), (-0.8, -0.44), (-0.36, -0.8), (0.36, -0.8), (0.8, -0.44), (0.96, 0.06), (0.5, 0.2), (-0.5, 0.2))
)
_SPOTS = ((-0.5, -0.22, 0.17, 0.15), (0.04, -0.5, 0.18, 0.15), (0.52, -0.18, 0.15, 0.14), (0.02, -0.04, 0.13, 0.1))
_STEM = ((-0.22, 0.1), (0.22, 0.1), (0.3, 0.86), (0.24, 0.97), (-0.24, 0.97), (-0.3, 0.86))


def tree(pen: Pen, colour: Tones) -> None:
    pen.polygon(((-0.11, 0.2), (0.11, 0.2), (0.19, 0.98), (-0.19, 0.98)), WOOD)
    pen.line(((0, 0.5), (0.28, 0.2)), WOOD, 0.09)
    pen.ellipse(-0.4, 0.02, 0.42, 0.38, colour.dark)
    pen.ellipse(0.4, 0.02, 0.42, 0.38, colour.dark)
    pen.ellipse(0, -0.36, 0.6, 0.6, colour.main)
    pen.ellipse(-0.42, -0.08, 0.36, 0.34, colour.main)
    pen.ellipse(0.42, -0.08, 0.36, 0.34, colour.main)
    pen.ellipse(-0.18, -0.52, 0.27, 0.25, mix(colour.main, colour.light, 0.4))


def pine(pen: Pen, colour: Tones) -> None:
    pen.box(-0.12, 0.6, 0.12, 0.98, WOOD)
    for top, foot, reach in ((-0.14, 0.7, 0.72), (-0.6, 0.28, 0.56), (-1.0, -0.18, 0.4)):
        pen.polygon(((0, top), (reach, foot), (-reach, foot)), colour.main)
        pen.polygon(((0, top), (reach, foot), (reach * 0.2, foot)), colour.dark)


def flower(pen: Pen, colour: Tones) -> None:
    pen.line(((0, -0.3), (0, 0.98)), LEAF, 0.1)
    pen.polygon(_LEAF_CURVE, LEAF)
    pen.polygon([(-u, v + 0.1) for u, v in _LEAF_CURVE], mix(LEAF, (20, 60, 40), 0.2))
    for u, v in _PETALS:
        pen.ellipse(u, v, 0.265, 0.265, colour.dark)
    for u, v in _PETALS:
        pen.ellipse(u, v, 0.225, 0.225, colour.main)
    centre = (150, 92, 40) if colour.name in ("yellow", "orange") else LAMP
    pen.ellipse(0, -0.42, 0.22, 0.22, centre)


def mushroom(pen: Pen, colour: Tones) -> None:
    pen.polygon(_STEM, CREAM)
    pen.polygon(((0.06, 0.1), (0.22, 0.1), (0.3, 0.86), (0.24, 0.97), (0.08, 0.97)), mix(CREAM, (120, 90, 60), 0.2))
    pen.ellipse(0, 0.12, 0.62, 0.14, colour.dark)
    pen.polygon(_CAP, colour.main)
    spot = (255, 252, 244) if colour.name not in ("white", "yellow", "pink") else mix(colour.dark, (150, 60, 40), 0.4)
    for u, v, across, down in _SPOTS:
        pen.ellipse(u, v, across, down, spot)
