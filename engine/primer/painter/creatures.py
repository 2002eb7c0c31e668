"""Creatures: owl, cat, fish, bird, butterfly, robot. The free colour is that of coat, feathers or tin."""

from __future__ import annotations

from engine.primer.painter.palette import CREAM, INK, LAMP, RGB, Tones, mix
from engine.primer.painter.pen import Pen, smooth

_WHITE: RGB = (255, 255, 255)
_BEAK: RGB = (246, 164, 44)
_ROSE: RGB = (244, 160, 170)
_WARM = frozenset({"orange", "yellow"})

_OWL = smooth(
    ((-0.62, -0.6), (0, -0.78), (0.62, -0.6), (0.74, 0.1), (0.62, 0.7), (0, 0.95), (-0.62, 0.7), (-0.74, 0.1))
)
_CAT_TAIL = smooth(
    ((0.3, 0.78), (0.72, 0.72), (0.78, 0.3), (0.66, 0.0), (0.86, -0.12), (0.98, 0.3), (0.86, 0.86), (0.4, 0.98))
)
_FISH = smooth(((-0.98, 0.05), (-0.55, -0.42), (0.0, -0.52), (0.6, -0.12), (0.6, 0.14), (0.0, 0.5), (-0.6, 0.42)))
_FISH_TAIL = smooth(((0.44, 0.0), (0.98, -0.5), (0.86, 0.0), (0.98, 0.5)), 4)
_BIRD = smooth(
    ((-0.78, -0.42), (-0.5, -0.72), (-0.12, -0.5), (0.3, -0.1), (0.62, 0.2), (0.2, 0.62), (-0.3, 0.62), (-0.7, 0.2))
)
_BIRD_WING = smooth(((-0.2, -0.1), (0.3, -0.1), (0.78, 0.34), (0.24, 0.4), (-0.12, 0.26)))
_UPPER_WING = smooth(((0.06, -0.06), (0.3, -0.72), (0.78, -0.86), (1.0, -0.52), (0.86, -0.1), (0.4, 0.06)))
_LOWER_WING = smooth(((0.06, 0.02), (0.5, 0.04), (0.8, 0.3), (0.68, 0.72), (0.36, 0.8), (0.12, 0.4)))


def _beak(colour: Tones) -> RGB:
    return (120, 74, 30) if colour.name in _WARM else _BEAK


def owl(pen: Pen, colour: Tones) -> None:
    pen.polygon(((-0.66, -0.98), (-0.2, -0.66), (-0.64, -0.3)), colour.main)
    pen.polygon(((0.66, -0.98), (0.2, -0.66), (0.64, -0.3)), colour.main)
    pen.polygon(_OWL, colour.main)
    pen.ellipse(-0.66, 0.3, 0.2, 0.46, colour.dark)
    pen.ellipse(0.66, 0.3, 0.2, 0.46, colour.dark)
    pen.ellipse(0, 0.44, 0.42, 0.46, mix(colour.light, CREAM, 0.6))
    for u, v in ((-0.16, 0.34), (0.16, 0.34), (0.0, 0.54), (-0.2, 0.7), (0.2, 0.7)):
        pen.polygon(((u - 0.09, v), (u + 0.09, v), (u, v + 0.12)), colour.dark)
    for u in (-0.3, 0.3):
        pen.ellipse(u, -0.28, 0.33, 0.33, colour.dark)
        pen.ellipse(u, -0.28, 0.28, 0.28, _WHITE)
        pen.ellipse(u * 0.9, -0.27, 0.15, 0.15, INK)
        pen.ellipse(u * 0.9 - 0.05, -0.33, 0.055, 0.055, _WHITE)
    pen.polygon(((-0.12, -0.1), (0.12, -0.1), (0, 0.16)), _beak(colour))
    pen.ellipse(-0.24, 0.93, 0.16, 0.07, _beak(colour))
    pen.ellipse(0.24, 0.93, 0.16, 0.07, _beak(colour))


def cat(pen: Pen, colour: Tones) -> None:
    pen.polygon(_CAT_TAIL, colour.dark)
    pen.ellipse(0, 0.58, 0.5, 0.42, colour.main)
    pen.ellipse(0, 0.66, 0.26, 0.32, mix(colour.light, CREAM, 0.4))
    for side in (-1, 1):
        pen.polygon(((0.66 * side, -1.0), (0.1 * side, -0.66), (0.62 * side, -0.2)), colour.main)
        pen.polygon(((0.56 * side, -0.8), (0.26 * side, -0.6), (0.52 * side, -0.4)), _ROSE)
    pen.ellipse(0, -0.26, 0.66, 0.5, colour.main)
    for side in (-1, 1):
        pen.ellipse(0.28 * side, -0.3, 0.17, 0.19, (196, 226, 98) if colour.name != "green" else LAMP)
        pen.ellipse(0.28 * side, -0.3, 0.07, 0.17, INK)
        pen.ellipse(0.28 * side, 0.95, 0.17, 0.07, colour.light)
        for v in (-0.1, 0.02):
            pen.line(((0.3 * side, -0.02), (0.84 * side, v * 1.6)), colour.dark, 0.03)
    pen.ellipse(0, -0.03, 0.2, 0.13, colour.light)
    pen.polygon(((-0.09, -0.12), (0.09, -0.12), (0, 0.0)), (214, 96, 110))


def fish(pen: Pen, colour: Tones) -> None:
    pen.polygon(_FISH_TAIL, colour.dark)
    pen.polygon(((-0.3, -0.4), (0.12, -0.76), (0.3, -0.3)), colour.dark)
    pen.polygon(_FISH, colour.main)
    pen.pie(-0.18, 0.06, 0.66, 0.44, 20, 160, mix(colour.main, colour.light, 0.75))
    pen.polygon(((-0.05, 0.08), (0.26, 0.34), (0.3, -0.02)), colour.dark)
    pen.arc(-0.62, -0.02, 0.34, -50, 50, colour.dark, 0.06)
    pen.ellipse(-0.6, -0.12, 0.15, 0.15, _WHITE)
    pen.ellipse(-0.62, -0.12, 0.085, 0.085, INK)


def bird(pen: Pen, colour: Tones) -> None:
    pen.line(((-0.12, 0.5), (-0.12, 0.94)), _beak(colour), 0.07)
    pen.line(((0.16, 0.5), (0.16, 0.94)), _beak(colour), 0.07)
    pen.polygon(((0.4, 0.0), (1.0, -0.22), (0.96, 0.08), (0.48, 0.36)), colour.dark)
    pen.polygon(((-0.7, -0.5), (-1.0, -0.32), (-0.66, -0.26)), _beak(colour))
    pen.polygon(_BIRD, colour.main)
    pen.ellipse(-0.28, 0.24, 0.32, 0.32, mix(colour.light, CREAM, 0.3))
    pen.polygon(_BIRD_WING, colour.dark)
    pen.ellipse(-0.5, -0.42, 0.13, 0.13, _WHITE)
    pen.ellipse(-0.52, -0.42, 0.08, 0.08, INK)


def butterfly(pen: Pen, colour: Tones) -> None:
    for side in (-1, 1):
        pen.polygon([(side * u, v) for u, v in _LOWER_WING], colour.dark)
        pen.polygon([(side * u, v) for u, v in _UPPER_WING], colour.main)
        pen.ellipse(0.7 * side, -0.5, 0.15, 0.17, colour.light)
        pen.ellipse(0.46 * side, -0.24, 0.1, 0.11, colour.light)
        pen.ellipse(0.48 * side, 0.42, 0.15, 0.16, mix(colour.main, colour.light, 0.4))
        pen.line(((0.03 * side, -0.5), (0.14 * side, -0.78), (0.28 * side, -0.92)), (70, 54, 56), 0.05)
    pen.ellipse(0, 0.02, 0.1, 0.56, (70, 54, 56))


def robot(pen: Pen, colour: Tones) -> None:
    pen.line(((0, -0.7), (0, -0.92)), colour.dark, 0.07)
    pen.ellipse(0, -0.92, 0.1, 0.1, (236, 70, 60) if colour.name != "red" else LAMP)
    for side in (-1, 1):
        pen.line(((0.42 * side, 0.16), (0.74 * side, 0.26), (0.78 * side, 0.52)), colour.dark, 0.15)
        pen.ellipse(0.78 * side, 0.56, 0.13, 0.13, colour.main)
        pen.box(0.22 * side - 0.13, 0.62, 0.22 * side + 0.13, 0.98, colour.dark)
        pen.box(0.6 * side - 0.08, -0.46, 0.6 * side + 0.08, -0.22, colour.dark)
    pen.box(-0.46, -0.02, 0.46, 0.74, colour.main, 0.1)
    pen.box(-0.58, -0.72, 0.58, 0.04, colour.main, 0.14)
    pen.box(-0.46, -0.56, 0.46, -0.1, mix(INK, colour.dark, 0.2), 0.1)
    for side in (-1, 1):
        pen.ellipse(0.21 * side, -0.34, 0.13, 0.13, (160, 246, 240))
    pen.box(-0.26, 0.22, 0.26, 0.5, colour.light, 0.06)
    pen.ellipse(-0.12, 0.36, 0.07, 0.07, (236, 70, 60))
    pen.ellipse(0.12, 0.36, 0.07, 0.07, (70, 170, 80))
