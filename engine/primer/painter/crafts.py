"""Objects: house, castle, boat, car, rocket, balloon, cup, umbrella. The free colour is that of hull or walls."""

from __future__ import annotations

from engine.primer.painter.palette import GLASS, INK, LAMP, RGB, WOOD, Tones, mix
from engine.primer.painter.pen import Pen, smooth

_SLATE: RGB = (82, 84, 108)
_TILE: RGB = (160, 66, 54)
_REDDISH = frozenset({"red", "brown", "orange", "pink"})
_ROCKET = smooth(((0, -1.06), (0.26, -0.62), (0.36, -0.1), (0.3, 0.5), (-0.3, 0.5), (-0.36, -0.1), (-0.26, -0.62)))
_FLAME = smooth(((0, 1.0), (-0.22, 0.66), (-0.16, 0.46), (0.16, 0.46), (0.22, 0.66)), 4)
_CAR_CABIN = ((-0.56, -0.08), (-0.36, -0.5), (0.3, -0.5), (0.6, -0.08))
_ENVELOPE_RIGHT = ((0.5, -0.86), (0.74, -0.4), (0.6, 0.06), (0.22, 0.46))
_ENVELOPE = smooth(((0, -1.0), *_ENVELOPE_RIGHT, *((-u, v) for u, v in reversed(_ENVELOPE_RIGHT))))
_GORE_RIGHT = ((0.24, -0.8), (0.32, -0.36), (0.24, 0.1), (0.1, 0.46))
_GORE = smooth(((0, -1.0), *_GORE_RIGHT, *((-u, v) for u, v in reversed(_GORE_RIGHT))))


def _roof(colour: Tones) -> RGB:
    return _SLATE if colour.name in _REDDISH else _TILE


def house(pen: Pen, colour: Tones) -> None:
    pen.box(0.4, -0.84, 0.6, -0.3, mix(_roof(colour), INK, 0.25))
    pen.box(-0.74, -0.2, 0.74, 0.96, colour.main)
    pen.polygon(((-1.0, -0.14), (0, -0.94), (1.0, -0.14)), _roof(colour))
    pen.box(-0.17, 0.38, 0.17, 0.96, mix(WOOD, INK, 0.2))
    pen.ellipse(0.09, 0.68, 0.035, 0.035, LAMP)
    for u in (-0.46, 0.46):
        pen.box(u - 0.18, 0.1, u + 0.18, 0.46, colour.dark)
        pen.box(u - 0.14, 0.14, u + 0.14, 0.42, LAMP)
        pen.box(u - 0.02, 0.14, u + 0.02, 0.42, colour.dark)
    pen.ellipse(0, -0.42, 0.13, 0.13, LAMP)


def castle(pen: Pen, colour: Tones) -> None:
    roof = _roof(colour)
    pen.box(-0.5, 0.0, 0.5, 0.96, colour.main)
    for left in (-0.46, -0.18, 0.1, 0.34):
        pen.box(left, -0.14, left + 0.14, 0.02, colour.main)
    for side in (-1, 1):
        pen.box(0.66 * side - 0.26, -0.28, 0.66 * side + 0.26, 0.96, colour.dark)
        pen.box(0.66 * side - 0.26, -0.28, 0.66 * side + 0.1, 0.96, colour.main)
        pen.polygon(((0.66 * side - 0.34, -0.26), (0.66 * side, -0.98), (0.66 * side + 0.34, -0.26)), roof)
        pen.box(0.66 * side - 0.08, 0.06, 0.66 * side + 0.08, 0.32, LAMP)
    pen.line(((0, -0.1), (0, -0.72)), WOOD, 0.05)
    pen.polygon(((0, -0.74), (0.34, -0.6), (0, -0.46)), roof)
    pen.ellipse(0, 0.58, 0.2, 0.22, mix(WOOD, INK, 0.35))
    pen.box(-0.2, 0.58, 0.2, 0.96, mix(WOOD, INK, 0.35))


def boat(pen: Pen, colour: Tones) -> None:
    pen.line(((0, -0.98), (0, 0.5)), WOOD, 0.08)
    pen.polygon(((0.08, -0.92), (0.08, 0.3), (0.82, 0.3)), (252, 250, 242))
    pen.polygon(((-0.08, -0.66), (-0.08, 0.3), (-0.62, 0.3)), mix((252, 250, 242), (150, 160, 190), 0.22))
    pen.polygon(((0, -1.0), (-0.3, -0.9), (0, -0.8)), colour.main)
    pen.polygon(((-0.98, 0.42), (0.98, 0.42), (0.62, 0.94), (-0.62, 0.94)), colour.main)
    pen.polygon(((-0.98, 0.42), (0.98, 0.42), (0.9, 0.55), (-0.9, 0.55)), colour.light)


def car(pen: Pen, colour: Tones) -> None:
    pen.polygon(_CAR_CABIN, colour.main)
    pen.polygon(((-0.44, -0.08), (-0.3, -0.4), (-0.04, -0.4), (-0.04, -0.08)), GLASS)
    pen.polygon(((0.06, -0.08), (0.06, -0.4), (0.26, -0.4), (0.46, -0.08)), GLASS)
    pen.box(-0.98, -0.1, 0.98, 0.4, colour.main, 0.16)
    pen.box(-0.96, 0.2, 0.96, 0.32, colour.dark)
    pen.ellipse(-0.9, 0.06, 0.08, 0.1, LAMP)
    pen.line(((0.1, 0.06), (0.24, 0.06)), colour.dark, 0.05)
    for u in (-0.54, 0.54):
        pen.ellipse(u, 0.38, 0.27, 0.27, INK)
        pen.ellipse(u, 0.38, 0.12, 0.12, (196, 198, 204))


def rocket(pen: Pen, colour: Tones) -> None:
    pen.polygon(_FLAME, (246, 138, 36))
    pen.polygon([(u * 0.5, v * 0.62 + 0.2) for u, v in _FLAME], (255, 226, 110))
    for side in (-1, 1):
        pen.polygon(((0.24 * side, 0.02), (0.68 * side, 0.4), (0.62 * side, 0.74), (0.22 * side, 0.5)), colour.dark)
    pen.polygon(_ROCKET, colour.main)
    pen.polygon(((0, -1.02), (0.23, -0.62), (-0.23, -0.62)), colour.dark)
    pen.box(-0.3, 0.3, 0.3, 0.42, colour.light)
    pen.ellipse(0, -0.24, 0.21, 0.21, colour.dark)
    pen.ellipse(0, -0.24, 0.15, 0.15, GLASS)


def balloon(pen: Pen, colour: Tones) -> None:
    for side in (-1, 1):
        pen.line(((0.24 * side, 0.4), (0.15 * side, 0.72)), WOOD, 0.04)
    pen.polygon(_ENVELOPE, colour.main)
    pen.polygon(_GORE, mix(colour.main, colour.light, 0.7))
    pen.polygon([(u * 0.36, v) for u, v in _GORE], colour.main)
    pen.box(-0.2, 0.68, 0.2, 0.98, WOOD, 0.05)
    pen.box(-0.22, 0.66, 0.22, 0.76, mix(WOOD, (255, 220, 160), 0.35))


def cup(pen: Pen, colour: Tones) -> None:
    pen.arc(0.62, 0.12, 0.36, -110, 110, colour.dark, 0.13)
    pen.ellipse(-0.08, 0.84, 0.82, 0.14, colour.dark)
    pen.ellipse(-0.08, 0.79, 0.82, 0.13, colour.light)
    pen.polygon(((-0.7, -0.24), (0.58, -0.24), (0.46, 0.6), (0.28, 0.78), (-0.4, 0.78), (-0.58, 0.6)), colour.main)
    pen.ellipse(-0.06, -0.24, 0.64, 0.15, colour.light)
    pen.ellipse(-0.06, -0.22, 0.53, 0.1, (92, 54, 34))
    for u in (-0.28, 0.14):
        pen.line(((u, -0.46), (u + 0.09, -0.58), (u - 0.02, -0.74), (u + 0.08, -0.9)), (214, 216, 222), 0.07)


def umbrella(pen: Pen, colour: Tones) -> None:
    pen.line(((0, -0.96), (0, 0.72)), WOOD, 0.08)
    pen.arc(0.16, 0.72, 0.2, 0, 180, WOOD, 0.09)
    pen.pie(0, 0.06, 0.98, 0.92, 180, 360, colour.main)
    pen.pie(0, 0.06, 0.42, 0.92, 180, 360, mix(colour.main, colour.light, 0.65))
    for u, reach, tone in ((-0.7, 0.28, colour.dark), (0.7, 0.28, colour.dark), (0.0, 0.42, colour.light)):
        pen.pie(u, 0.06, reach, 0.14, 180, 360, tone)
