"""Every kind by name, and the y of its lowest point (`FOOT`) and of its highest (`HEAD`) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.primer.painter import crafts, creatures, plants, shapes
from engine.primer.painter.palette import Tones
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import KINDS

Part = Callable[[Pen, Tones], None]


def _find(kind: str) -> Part:
    for module in (shapes, creatures, plants, crafts):
        if hasattr(module, kind):
            part: Part = getattr(module, kind)
            return part
    raise LookupError(f"no part draws {kind!r}")


PARTS: Mapping[str, Part] = {kind: _find(kind) for kind in KINDS}
FOOT: Mapping[str, float] = {**dict.fromkeys(KINDS, 0.97), "fish": 0.6, "car": 0.65, "triangle": 0.86, "square": 0.92}
HEAD: Mapping[str, float] = {**dict.fromkeys(KINDS, -0.97), "fish": -0.76, "car": -0.5, "cup": -0.9}
SYMMETRIC = frozenset(KINDS) - {"cat", "fish", "bird", "boat", "car", "cup", "tree", "castle"}
"""Kinds that look the same in the mirror, or nearly: they are never turned."""
