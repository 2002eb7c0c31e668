"""Scenes that contradict a caption in exactly one respect: what hard negatives are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from engine.primer.captions.wording import Plan, when_told
from engine.primer.painter.scenes import COLOURS, OBJECTS, PLACES, SHAPES, STYLES, TIMES, Scene, Thing
from engine.primer.vocabulary import NOUNS

_OPPOSITE = {
    "left": "right", "right": "left", "top": "bottom", "bottom": "top", "small": "big", "big": "small",
    "left of": "right of", "right of": "left of", "above": "below", "below": "above", "beside": "above",
    "on": "below", "inside": "above",
}  # fmt: skip
_ALIKE = (
    {"sea", "beach"}, {"tree", "pine"}, {"meadow", "mountain"}, {"forest", "mountain"}, {"sky", "space"},
    {"house", "castle"}, {"snow", "mountain"}, {"circle", "ring"},
)  # fmt: skip
"""Pairs too close to say that one is wrong for the other."""


def contradict(scene: Scene, plan: Plan, rng: np.random.Generator) -> Scene:
    """Return the scene changed in exactly one respect that the plan tells."""
    respects = [respect for respect in _CONTRADICTIONS if _told(scene, plan, respect)]
    respect = respects[int(rng.integers(len(respects)))]
    return _CONTRADICTIONS[respect](scene, rng)


def _told(scene: Scene, plan: Plan, respect: str) -> bool:
    """Whether the caption says anything about that respect."""
    tells, things = plan.tells, scene.things
    one = things[0] if len(things) == 1 else None
    return {
        "swap": "colour" in tells and _two_colours(scene, plan) is not None,
        "kind": bool(things),
        "colour": any(thing.colour for thing in things) and "colour" in tells,
        "background": len(scene.background) == 1 and "background" in tells,
        "place": bool(scene.place) and "place" in tells,
        "time": bool(when_told(scene, plan)),
        "count": any(thing.count > 1 for thing in things) and "count" in tells,
        "size": any(thing.size != "medium" for thing in things) and "size" in tells,
        "position": one is not None and one.position != "middle" and "position" in tells,
        "relation": bool(scene.relation) and "relation" in tells,
        "style": scene.style != "plain" and "style" in tells,
        "gradient": len(scene.background) == 2 and "background" in tells,
    }[respect]


def _two_colours(scene: Scene, plan: Plan) -> tuple[str, str] | None:
    colours = [thing.colour for thing in scene.things[:2]]
    if "" in colours:
        return None
    if len(scene.background) == 1 and "background" in plan.tells:
        colours.append(scene.background[0])
    return (colours[0], colours[1]) if len(colours) > 1 and colours[0] != colours[1] else None


def _swap(scene: Scene, rng: np.random.Generator) -> Scene:
    first, *others = scene.things
    if others:
        one, other = others[0].colour, first.colour
        return replace(scene, things=(replace(first, colour=one), replace(others[0], colour=other), *others[1:]))
    return replace(scene, things=(replace(first, colour=scene.background[0]),), background=(first.colour,))


def _other(options: Sequence[str], not_this: Sequence[str], rng: np.random.Generator) -> str:
    near = {word for pair in _ALIKE for word in pair if not pair.isdisjoint(not_this)}
    left = [option for option in options if option not in not_this and option not in near]
    return left[int(rng.integers(len(left)))]


def _change_thing(scene: Scene, rng: np.random.Generator, change: Callable[[Thing], Thing]) -> Scene:
    able = [i for i, thing in enumerate(scene.things) if change(thing) != thing]
    chosen = able[int(rng.integers(len(able)))]
    return replace(scene, things=tuple(change(t) if i == chosen else t for i, t in enumerate(scene.things)))


def _kind(scene: Scene, rng: np.random.Generator) -> Scene:
    kinds = [thing.kind for thing in scene.things]
    shape, thing, noun = (_other(known, kinds, rng) for known in (SHAPES, OBJECTS, tuple(NOUNS)))

    def changed(old: Thing) -> Thing:
        new = noun if old.kind in NOUNS else shape if old.kind in SHAPES else thing
        return replace(old, kind=new, look="")

    return _change_thing(scene, rng, changed)


def _colour(scene: Scene, rng: np.random.Generator) -> Scene:
    new = _other(COLOURS, [*(thing.colour for thing in scene.things), *scene.background], rng)
    return _change_thing(scene, rng, lambda t: replace(t, colour=new) if t.colour else t)


def _background(scene: Scene, rng: np.random.Generator) -> Scene:
    taken = [*scene.background, *(thing.colour for thing in scene.things)]
    return replace(scene, background=(_other(COLOURS, taken, rng),))


def _gradient(scene: Scene, rng: np.random.Generator) -> Scene:
    return replace(scene, background=(scene.background[0], _other(COLOURS, scene.background, rng)))


def _place(scene: Scene, rng: np.random.Generator) -> Scene:
    options = [place for place in PLACES if place != "space"]
    time = "" if scene.place == "space" else scene.time  # in space no time is told: it must not appear elsewhere
    return replace(scene, place=_other(options, (scene.place, *_seen(scene)), rng), time=time)


def _seen(scene: Scene) -> tuple[str, ...]:
    """Words for what can be seen beside the place itself: a sky nearly everywhere."""
    return ("sky", *(("mountain",) if "mountain" in scene.extras else ()))


def _time(scene: Scene, rng: np.random.Generator) -> Scene:
    extras = tuple(extra for extra in scene.extras if extra != "starry")
    return replace(scene, time=_other(TIMES, (scene.time,), rng), extras=extras)


def _count(scene: Scene, rng: np.random.Generator) -> Scene:
    def change(thing: Thing) -> Thing:
        return replace(thing, count=2 + (thing.count - 2 + step) % 4) if thing.count > 1 else thing

    step = int(rng.integers(1, 4))
    return _change_thing(scene, rng, change)


def _size(scene: Scene, rng: np.random.Generator) -> Scene:
    return _change_thing(scene, rng, lambda t: replace(t, size=_OPPOSITE.get(t.size, t.size)))


def _position(scene: Scene, rng: np.random.Generator) -> Scene:
    return _change_thing(scene, rng, lambda t: replace(t, position=_OPPOSITE[t.position]))


def _relation(scene: Scene, rng: np.random.Generator) -> Scene:
    return replace(scene, relation=_OPPOSITE[scene.relation])


def _style(scene: Scene, rng: np.random.Generator) -> Scene:
    return replace(scene, style=_other(STYLES[1:], (scene.style,), rng))


_CONTRADICTIONS: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "swap": _swap, "kind": _kind, "colour": _colour, "background": _background, "gradient": _gradient, "place": _place,
    "time": _time, "count": _count, "size": _size, "position": _position, "relation": _relation, "style": _style,
}  # fmt: skip
