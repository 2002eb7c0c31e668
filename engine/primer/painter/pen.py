"""A pen that draws in a part's own coordinates: x to the right, y down, the part within [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import ImageDraw

from engine.primer.painter.palette import RGB

Points = Sequence[tuple[float, float]]


class Pen:
    """Draws at `(x, y)` with `reach` pixels to a unit; `facing` -1 mirrors left and right."""

    __slots__ = ("_draw", "_reach", "_turn", "_x", "_y")

    def __init__(self, draw: ImageDraw.ImageDraw, x: float, y: float, reach: float, facing: int = 1) -> None:
        self._draw, self._x, self._y, self._reach = draw, x, y, reach
        self._turn = reach * facing

    def polygon(self, points: Points, fill: RGB) -> None:
        x, y, turn, reach = self._x, self._y, self._turn, self._reach
        self._draw.polygon([(x + turn * u, y + reach * v) for u, v in points], fill=fill)

    def ellipse(self, u: float, v: float, across: float, down: float, fill: RGB) -> None:
        """Fill an ellipse around `(u, v)` with the half axes `across` and `down`."""
        self._draw.ellipse(self._box(u, v, across, down), fill=fill)

    def pie(self, u: float, v: float, across: float, down: float, start: float, end: float, fill: RGB) -> None:
        """Fill what a chord cuts off an ellipse, from angle `start` to `end` (degrees, clockwise from east)."""
        self._draw.chord(self._box(u, v, across, down), *self._mirrored(start, end), fill=fill)

    def arc(self, u: float, v: float, radius: float, start: float, end: float, fill: RGB, width: float) -> None:
        """Stroke a circle's arc from angle `start` to `end`; `width` lies inside the radius."""
        self._draw.arc(
            self._box(u, v, radius, radius), *self._mirrored(start, end), fill=fill, width=self._thick(width)
        )

    def box(self, left: float, top: float, right: float, bottom: float, fill: RGB, corner: float = 0.0) -> None:
        """Fill a rectangle, its corners rounded by `corner`."""
        bounds = self._box((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)
        if corner:
            self._draw.rounded_rectangle(bounds, radius=corner * self._reach, fill=fill)
        else:
            self._draw.rectangle(bounds, fill=fill)

    def line(self, points: Points, fill: RGB, width: float) -> None:
        x, y, turn, reach = self._x, self._y, self._turn, self._reach
        path = [(x + turn * u, y + reach * v) for u, v in points]
        self._draw.line(path, fill=fill, width=self._thick(width), joint="curve")

    def _thick(self, width: float) -> int:
        return max(1, round(width * self._reach))

    def _box(self, u: float, v: float, across: float, down: float) -> tuple[float, float, float, float]:
        x, y = self._x + self._turn * u, self._y + self._reach * v
        return (x - self._reach * across, y - self._reach * down, x + self._reach * across, y + self._reach * down)

    def _mirrored(self, start: float, end: float) -> tuple[float, float]:
        return (start, end) if self._turn > 0 else (180.0 - end, 180.0 - start)


def smooth(points: Points, steps: int = 6) -> tuple[tuple[float, float], ...]:
    """Return a closed curve through `points` (Catmull and Rom 1974), `steps` chords between two of them."""
    curve = []
    count = len(points)
    for i in range(count):
        before, here, then, after = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            u, v = (_spline(t, *corners) for corners in zip(before, here, then, after, strict=True))
            curve.append((u, v))
    return tuple(curve)


def _spline(t: float, a: float, b: float, c: float, d: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)


def spikes(count: int, inner: float) -> tuple[tuple[float, float], ...]:
    """Return a star of radius 1, one spike upwards, its notches at radius `inner`."""
    points = []
    for i in range(2 * count):
        reach = 1.0 if i % 2 == 0 else inner
        angle = math.pi * i / count - math.pi / 2
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return tuple(points)
