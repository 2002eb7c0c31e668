"""Where the things of a scene go: sizes, positions, rows and relations become spots in the unit square."""

from __future__ import annotations

import random
from typing import NamedTuple

from engine.primer.painter.parts import TURNED, highest, lowest
from engine.primer.painter.scenes import FLYING, SHAPES, Scene, Thing

_FLOATING = frozenset(SHAPES) | (FLYING - {"owl"})
_EXTENT = {"small": (0.28, 0.36), "medium": (0.56, 0.76), "big": (0.84, 0.94)}
_BESIDE_CENTRE = {"small": (0.26, 0.34), "medium": (0.44, 0.54), "big": (0.56, 0.64)}
_SCALE = {"small": 0.62, "medium": 1.0, "big": 1.14}
_SIDE = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "middle": (0, 0)}
_GROUPS = {
    1: (((0.0, 0.0),), 1.0),
    2: (((-0.5, 0.0), (0.5, 0.0)), 0.88),
    3: (((0.0, -0.5), (-0.5, 0.5), (0.5, 0.5)), 0.84),
    4: (((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)), 0.84),
    5: (((0.0, 0.0), (-0.64, -0.64), (0.64, -0.64), (-0.64, 0.64), (0.64, 0.64)), 0.62),
}
"""Offsets in half extents of the whole group, and the extent of one as a share of half of the group's."""
_ROWS = {
    2: ((0.27, 0.73), ()),
    3: ((0.19, 0.5, 0.81), ()),
    4: ((0.28, 0.72), (0.28, 0.72)),
    5: ((0.19, 0.5, 0.81), (0.32, 0.68)),
}
"""On the ground: x of the front row, then of the back row."""


class Spot(NamedTuple):
    """One thing at its place: centre and half extent in the unit square; `foot` is where it touches the ground."""

    kind: str
    colour: str
    x: float
    y: float
    reach: float
    facing: int
    grounded: bool
    look: str = ""

    @property
    def foot(self) -> float:
        return self.y + lowest(self.kind, self.look) * self.reach


def arrange(scene: Scene, rng: random.Random, ground: float) -> list[Spot]:
    """Return the scene's spots, back to front. `ground`: y of the horizon, 1 where there is no ground."""
    if len(scene.things) == 2:
        spots = _pair(scene, rng, ground)
    elif len(scene.things) == 3:
        spots = _trio(scene, rng, ground)
    elif scene.things:
        thing = scene.things[0]
        spots = [_alone(thing, rng, ground)] if thing.count == 1 else _many(thing, rng, ground)
    else:
        spots = []
    return sorted(spots, key=lambda spot: spot.foot if spot.grounded else 0.0)


def _spot(thing: Thing, rng: random.Random, x: float, y: float, extent: float) -> Spot:
    """A spot whose visible middle, not its origin, is at `(x, y)`."""
    reach = extent / 2
    middle = (highest(thing.kind, thing.look) + lowest(thing.kind, thing.look)) / 2 * reach
    return Spot(thing.kind, thing.colour, x, y - middle, reach, _facing(thing, rng), False, thing.look)


def _standing(thing: Thing, rng: random.Random, x: float, foot: float, extent: float) -> Spot:
    reach = extent / 2
    y = foot - lowest(thing.kind, thing.look) * reach
    return Spot(thing.kind, thing.colour, x, y, reach, _facing(thing, rng), True, thing.look)


def _facing(thing: Thing, rng: random.Random) -> int:
    turned = rng.random() < 0.5
    return -1 if turned and thing.kind in TURNED else 1


def _stands(thing: Thing, ground: float) -> bool:
    return ground < 1 and thing.kind not in _FLOATING


def _alone(thing: Thing, rng: random.Random, ground: float) -> Spot:
    sizes = _EXTENT if thing.position == "middle" else _BESIDE_CENTRE
    extent = rng.uniform(*sizes[thing.size])
    side, rise = _SIDE[thing.position]
    away = 0.5 - extent / 2 - rng.uniform(0.02, 0.06)
    x = 0.5 + side * away + (rng.uniform(-0.03, 0.03) if side == 0 else 0)
    if _stands(thing, ground):
        low = max(ground + 0.12, 0.5 + extent / 2)
        foot = {-1: ground + 0.06, 0: min(0.96, rng.uniform(low, low + 0.1)), 1: 0.97}[rise]
        return _standing(thing, rng, x, foot, extent)
    lift = 0.04 if ground < 1 and thing.size != "big" else 0.0
    return _spot(thing, rng, x, 0.5 + rise * away - lift + (rng.uniform(-0.03, 0.03) if rise == 0 else 0), extent)


def _many(thing: Thing, rng: random.Random, ground: float) -> list[Spot]:
    if _stands(thing, ground):
        return _rows(thing, rng, ground)
    row = thing.count == 3 and rng.random() < 0.4
    span = (0.88 if thing.count < 4 else 0.9) * (0.8 if thing.size == "small" else 1.0)
    if row:
        return [_spot(thing, rng, x, 0.5 + rng.uniform(-0.02, 0.02), 0.29 * _SCALE[thing.size]) for x in _ROWS[3][0]]
    return _cluster(thing, rng, 0.5, 0.5, span)


def _cluster(thing: Thing, rng: random.Random, x: float, y: float, span: float) -> list[Spot]:
    """`count` things within a square of side `span` around `(x, y)`."""
    offsets, share = _GROUPS[thing.count]
    if thing.count == 1:
        return [_spot(thing, rng, x, y, span)]
    extent = span / 2 * share * (0.75 if thing.size == "small" else 1.0) * rng.uniform(0.94, 1.0)
    half = span / 2

    def near(centre: float) -> float:
        return centre + rng.uniform(-0.04, 0.04) * half

    return [_spot(thing, rng, near(x + u * half), near(y + v * half), extent) for u, v in offsets]


def _rows(thing: Thing, rng: random.Random, ground: float) -> list[Spot]:
    front, back = _ROWS[thing.count]
    extent = (0.42 if thing.count == 2 else 0.3) * _SCALE[thing.size]
    feet = ((front, 0.96 if back else min(0.95, max(0.74, ground + 0.24))), (back, ground + 0.04))
    return [_standing(thing, rng, x, foot + rng.uniform(-0.02, 0.02), extent) for xs, foot in feet for x in xs]


def _pair(scene: Scene, rng: random.Random, ground: float) -> list[Spot]:
    first, second = scene.things
    one, other = 0.43 * _SCALE[first.size], 0.43 * _SCALE[second.size]
    if scene.relation in ("above", "below"):
        upper, lower = (first, second) if scene.relation == "above" else (second, first)
        return _stacked(upper, lower, rng, ground)
    if scene.relation == "on":
        return _mounted(first, second, rng, ground)
    if scene.relation == "inside":
        outer = rng.uniform(0.84, 0.9)
        inner = _cluster(first, rng, 0.5, 0.5 - _RAISED.get(second.kind, 0), outer * 0.46)
        return [_spot(second, rng, 0.5, 0.5, outer), *inner]
    swap = scene.relation == "right of" or (scene.relation == "beside" and rng.random() < 0.5)
    xs = (0.73, 0.27) if swap else (0.27, 0.73)
    return [*_side(first, rng, xs[0], one, ground), *_side(second, rng, xs[1], other, ground)]


def _trio(scene: Scene, rng: random.Random, ground: float) -> list[Spot]:
    if ground == 1 and rng.random() < 0.5:
        places = ((0.5, 0.27), (0.27, 0.73), (0.73, 0.73))
        return [_spot(thing, rng, x, y, 0.4) for thing, (x, y) in zip(scene.things, places, strict=True)]
    spots = []
    for thing, x in zip(scene.things, (0.19, 0.5, 0.81), strict=True):
        if _stands(thing, ground):
            spots.append(_standing(thing, rng, x, min(0.95, max(0.74, ground + 0.25)), 0.32))
        else:
            spots.append(_spot(thing, rng, x, 0.5, 0.32))
    return spots


_RAISED = {"heart": 0.05, "triangle": -0.12}
"""How far above the centre of a shape there is most room within it."""


def _side(thing: Thing, rng: random.Random, x: float, extent: float, ground: float) -> list[Spot]:
    x += rng.uniform(-0.015, 0.015)
    if thing.count == 1 and _stands(thing, ground):
        return [_standing(thing, rng, x, min(0.95, max(0.74, ground + 0.25)), extent)]
    return _cluster(thing, rng, x, 0.5 if ground == 1 else 0.46, extent)


def _stacked(upper: Thing, lower: Thing, rng: random.Random, ground: float) -> list[Spot]:
    x = 0.5 + rng.uniform(-0.05, 0.05)
    top = _cluster(upper, rng, x, 0.26, 0.43 * _SCALE[upper.size])
    x = 0.5 + rng.uniform(-0.05, 0.05)
    if lower.count == 1 and _stands(lower, ground):
        return [*top, _standing(lower, rng, x, 0.95, 0.44 * _SCALE[lower.size])]
    return [*top, *_cluster(lower, rng, x, 0.74, 0.43 * _SCALE[lower.size])]


def _mounted(upper: Thing, lower: Thing, rng: random.Random, ground: float) -> list[Spot]:
    base = _standing(lower, rng, 0.5, 0.96 if ground < 1 else 0.94, 0.48)
    top = base.y + highest(lower.kind, lower.look) * base.reach
    height = (lowest(upper.kind, upper.look) - highest(upper.kind, upper.look)) / 2
    extent = min(0.44 * _SCALE[upper.size], (top - 0.03) / height)
    return [base, *[_standing(upper, rng, 0.5 + rng.uniform(-0.02, 0.02), top + 0.025, extent)]]
