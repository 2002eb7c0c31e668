"""The parts that draw each kind of the painter's own, and the vertical extent of every kind in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.primer.painter import crafts, creatures, plants, shapes
from engine.primer.painter.icons import drawing
from engine.primer.painter.palette import Tones
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import VECTOR_KINDS
from engine.primer.vocabulary import NOUNS

Part = Callable[[Pen, Tones], None]


def _find(kind: str) -> Part:
    for module in (shapes, creatures, plants, crafts):
        if hasattr(module, kind):
            part: Part = getattr(module, kind)
            return part
    raise LookupError(f"no part draws {kind!r}")


PARTS: Mapping[str, Part] = {kind: _find(kind) for kind in VECTOR_KINDS}
_LOWEST = {"fish": 0.6, "car": 0.65, "triangle": 0.86, "square": 0.92}
_HIGHEST = {"fish": -0.76, "car": -0.5, "cup": -0.9}
TURNED = frozenset({"cat", "fish", "bird", "boat", "car", "cup", "tree", "castle"})
"""Kinds that are mirrored at random; the others look alike in the mirror, or are drawings that may hold writing."""


def lowest(kind: str, look: str = "") -> float:
    """Return the y of the kind's lowest point, 0 to 1."""
    return drawing(kind, look).height if kind in NOUNS else _LOWEST.get(kind, 0.97)


def highest(kind: str, look: str = "") -> float:
    """Return the y of the kind's highest point, -1 to 0."""
    return -drawing(kind, look).height if kind in NOUNS else _HIGHEST.get(kind, -0.97)
