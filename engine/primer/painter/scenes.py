"""Scenes: what a picture of the primer's world shows, as a value, and how such values are sampled.

Words are the business of captions.py, pixels that of painter.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from engine.primer.painter.icons import LOOKS, TRAINING_LOOKS
from engine.primer.vocabulary import KNOWN, NOUNS

Domain = Literal["tidy", "narrow", "full", "world", "judged", "held"]
_T = TypeVar("_T")

COLOURS = KNOWN["colours"]
SHAPES = KNOWN["shapes"]
OBJECTS = KNOWN["things"]
VECTOR_KINDS = SHAPES + OBJECTS
"""Kinds that the painter draws itself."""
KINDS = (*VECTOR_KINDS, *NOUNS)
"""Class order of the labels: the shapes, the objects, the nouns of the icon sets."""
PLACES = (*KNOWN["places"], "mountain")
TIMES = KNOWN["times"]
STYLES = ("plain", *KNOWN["styles"])
RELATIONS = ("left of", "right of", "above", "below", "beside", "on", "inside")
POSITIONS = KNOWN["positions"]
FLYING = frozenset(
    {"balloon", "rocket", "bird", "butterfly", "owl", "bat", "dove", "eagle", "parrot", "bee", "fly", "mosquito",
     "airplane", "light aircraft", "helicopter", "ufo", "satellite", "planet", "kite", "comet", "rainbow", "snowflake",
     "lightning", "parachute", "shooting star", "shiny star", "thunder", "rain", "snow cloud", "thunderstorm", "wind",
     "sparkles", "fireworks", "smiling sun", "full moon", "new moon", "crescent moon", "partly cloudy", "tornado",
     "globe", "bubbles", "flying money", "phoenix", "cyclone"}
)  # fmt: skip
"""Kinds that need no ground."""
AQUATIC = frozenset(
    {"whale", "dolphin", "orca", "shark", "octopus", "jellyfish", "squid", "tropical fish", "blowfish", "seal", "canoe",
     "speedboat", "cruise ship", "ferry", "motorboat", "lifebuoy", "turtle", "duck", "swan"}
)  # fmt: skip
"""Kinds mostly met in the sea."""
SUBMERGED = frozenset({"fish", "tropical fish", "blowfish", "octopus", "jellyfish", "squid", "shark"})
"""Kinds without a waterline."""
NATURAL_COLOUR = {
    "owl": "brown", "house": "red", "boat": "red", "tree": "green", "pine": "green", "fish": "orange",
    "cat": "orange", "mushroom": "red", "rocket": "red", "flower": "pink", "balloon": "red", "car": "red",
    "bird": "blue", "butterfly": "orange", "cup": "white", "umbrella": "purple", "castle": "grey",
    "robot": "cyan", "star": "yellow", "heart": "red", "circle": "red", "square": "blue", "triangle": "green",
    "diamond": "cyan", "ring": "yellow", "cross": "red",
}  # fmt: skip
"""The colour of a kind when nothing is said."""


@dataclass(frozen=True, slots=True)
class Thing:
    """`count` equal things of one kind; `size` is small, medium or big, `position` one of `POSITIONS`.

    `colour`: empty for the drawing's own colours (nouns only). `look`: the icon set of a noun's drawing, or empty.
    """

    kind: str
    colour: str
    count: int = 1
    size: str = "medium"
    position: str = "middle"
    look: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture.

    `things`: none, one, two with a `relation` of the first to the second, or three different ones. `background`: one
    colour, two for a gradient from top to bottom, none where there is a `place` (with its `time`). `extras`: of sun,
    moon, cloud, mountain, starry.
    """

    things: tuple[Thing, ...] = ()
    relation: str = ""
    background: tuple[str, ...] = ()
    place: str = ""
    time: str = ""
    extras: tuple[str, ...] = ()
    style: str = "plain"


class _Sampler:
    """Cheap draws: `Generator.choice` costs more than a polygon."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def one(self, items: Sequence[_T]) -> _T:
        return items[int(self._rng.integers(len(items)))]

    def other(self, items: Sequence[_T], but: _T) -> _T:
        return self.one([item for item in items if item != but])

    def weighted(self, *pairs: tuple[_T, float]) -> _T:
        left = self._rng.random() * sum(weight for _, weight in pairs)
        for item, weight in pairs:
            left -= weight
            if left < 0:
                return item
        return pairs[-1][0]


def sample_scene(rng: np.random.Generator, domain: Domain) -> Scene:
    """Draw a scene.

    tidy: one thing, mostly in the middle. narrow: at most one thing, plain. full: 60 % narrow, else
    counts, relations, styles; these three without nouns. world: nouns among them, as the guide learns it. judged: with
    held-out drawings and combinations too. held: held-out combinations only."""
    sampler = _Sampler(rng)
    if domain in ("world", "judged", "held"):
        return _world(sampler, domain)
    if domain == "tidy":
        return _tidied(sampler, _single(sampler))
    if domain == "narrow":
        return _single(sampler)
    kind = sampler.weighted(("narrow", 0.60), ("count", 0.11), ("relation", 0.13), ("style", 0.16))
    if kind == "narrow":
        return _single(sampler)
    if kind == "count":
        return _several(sampler)
    if kind == "relation":
        return _related(sampler)
    return _styled(sampler)


def _single(sampler: _Sampler) -> Scene:
    what = sampler.weighted(("empty", 0.09), ("shape", 0.35), ("object", 0.56))
    if what == "empty":
        return _empty(sampler)
    kind = sampler.one(SHAPES if what == "shape" else OBJECTS)
    in_place = sampler.chance(0.10 if what == "shape" else 0.48)
    scene = _place_for(sampler, kind) if in_place else _backdrop(sampler)
    size = sampler.weighted(("medium", 0.74), ("big", 0.13), ("small", 0.13))
    position = _position(sampler, in_place) if size != "big" and sampler.chance(0.25) else "middle"
    return replace(scene, things=(Thing(kind, _colour_for(sampler, kind, scene), 1, size, position),))


def _tidied(sampler: _Sampler, scene: Scene) -> Scene:
    """What a beginner learns first: one thing, medium and in the middle eight times out of ten."""
    if not scene.things or sampler.chance(0.2):
        return scene
    return replace(scene, things=(replace(scene.things[0], size="medium", position="middle"),))


def _position(sampler: _Sampler, in_place: bool) -> str:
    return sampler.one(POSITIONS[:2] if in_place else POSITIONS[:4])


def _several(sampler: _Sampler) -> Scene:
    kind = sampler.one(SHAPES if sampler.chance(0.4) else OBJECTS)
    scene = _place_for(sampler, kind) if kind in OBJECTS and sampler.chance(0.45) else _backdrop(sampler)
    count = sampler.weighted((2, 4), (3, 3), (4, 2), (5, 2))
    return replace(scene, things=(Thing(kind, _colour_for(sampler, kind, scene), count),))


def _related(sampler: _Sampler) -> Scene:
    if sampler.chance(0.35):
        return _related_in_place(sampler)
    kinds = VECTOR_KINDS if sampler.chance(0.5) else SHAPES
    first = sampler.one(kinds)
    second = sampler.other(kinds, first)
    relation = sampler.one(RELATIONS[:5]) if sampler.chance(0.75) else sampler.weighted(("on", 0.5), ("inside", 0.5))
    if relation == "inside":
        second = sampler.one(("circle", "square", "heart", "diamond"))
        first = sampler.other(SHAPES, second)
    if relation == "on":
        second = sampler.one(_FLAT_TOPS)
        first = sampler.other(VECTOR_KINDS, second)
    scene = _backdrop(sampler)
    one = _colour_for(sampler, first, scene)
    other = _colour_for(sampler, second, replace(scene, background=(*scene.background, one)))
    sizes = ("medium", "medium") if relation in ("on", "inside") else (_size(sampler), _size(sampler))
    things = (Thing(first, one, 1, sizes[0]), Thing(second, other, 1, sizes[1]))
    return replace(scene, things=things, relation=relation)


def _size(sampler: _Sampler) -> str:
    return sampler.weighted(("medium", 0.8), ("small", 0.12), ("big", 0.08))


_FLAT_TOPS = ("square", "house", "car", "robot", "castle", "mushroom", "cup")


def _related_in_place(sampler: _Sampler) -> Scene:
    first = sampler.one(OBJECTS)
    second = sampler.other(OBJECTS, first)
    if sampler.chance(0.3):
        first, relation = sampler.one(("balloon", "rocket", "bird", "butterfly")), "above"
        second = sampler.one([kind for kind in OBJECTS if kind not in FLYING])
    else:
        relation = sampler.one(("left of", "right of", "beside"))
    scene = _place_for(sampler, second)
    one = _colour_for(sampler, first, scene)
    other = _colour_for(sampler, second, replace(scene, background=(one,)))
    return replace(scene, things=(Thing(first, one), Thing(second, other)), relation=relation)


def _styled(sampler: _Sampler) -> Scene:
    style = sampler.one(STYLES[1:])
    scene = _single(sampler)
    if style != "pixel" and sampler.chance(0.25):  # sixteen cells hold one thing
        scene = _several(sampler) if sampler.chance(0.5) else _related(sampler)
    if not scene.things and scene.background:
        scene = _furnished(sampler, sampler.one(PLACES), generous=True)
    if style == "pixel":
        scene = replace(scene, things=tuple(_easily_seen(thing) for thing in scene.things))
    return replace(scene, style=style)


def _easily_seen(thing: Thing) -> Thing:
    return replace(thing, size="medium" if thing.size == "small" else thing.size, position="middle")


def _empty(sampler: _Sampler) -> Scene:
    if sampler.chance(0.1):
        return _backdrop(sampler)
    return _furnished(sampler, sampler.one(PLACES), generous=True)


def _backdrop(sampler: _Sampler) -> Scene:
    first = sampler.one(COLOURS)
    if sampler.chance(0.82):
        return Scene(background=(first,))
    return Scene(background=(first, sampler.other(COLOURS, first)))


def _place_for(sampler: _Sampler, kind: str) -> Scene:
    """A place where such a thing may be met: boats and fish mostly at sea, rockets in space, the rest anywhere."""
    likely = {"boat": "sea", "fish": "sea", "rocket": "space", "umbrella": "beach", "balloon": "sky", "bird": "sky"}
    if kind in likely and sampler.chance(0.6):
        place = likely[kind]
    elif kind in AQUATIC and sampler.chance(0.7):
        place = "sea"
    elif kind in SHAPES or kind in FLYING:
        place = sampler.one(PLACES)
    else:
        place = sampler.one([place for place in PLACES if place not in ("sky", "space")])
    return _furnished(sampler, place)


def _furnished(sampler: _Sampler, place: str, generous: bool = False) -> Scene:
    if place == "space":
        return Scene(place="space", time="night", extras=("moon",) if sampler.chance(0.3) else ())
    time = sampler.weighted(("day", 0.36), ("morning", 0.12), ("sunset", 0.2), ("night", 0.22), ("fog", 0.1))
    likely = 0.6 if generous else 0.4
    light = {"night": "moon", "fog": ""}.get(time, "sun")
    extras = [light] if light and sampler.chance(likely) else []
    if time in ("day", "morning") and sampler.chance(likely):
        extras.append("cloud")
    if place in ("meadow", "sea", "snow", "desert", "beach") and sampler.chance(0.14):
        extras.append("mountain")
    if time == "night" and sampler.chance(0.75):
        extras.append("starry")
    return Scene(place=place, time=time, extras=tuple(extras))


_HARD_TO_SEE = {
    "night": ("black",), "fog": ("grey", "white"), "snow": ("white",), "space": ("black",), "forest": ("green",),
    "meadow": (), "sea": (), "desert": ("brown",), "sky": (), "city": ("black",), "beach": (), "mountain": (),
}  # fmt: skip


def _colour_for(sampler: _Sampler, kind: str, scene: Scene) -> str:
    """Its natural colour now and then, else any that stands out from what is behind it."""
    hidden = {*scene.background, *_HARD_TO_SEE.get(scene.time, ()), *_HARD_TO_SEE.get(scene.place, ())}
    natural = NATURAL_COLOUR.get(kind, "")
    if kind in NOUNS and sampler.chance(0.5):
        return ""
    if kind in OBJECTS and natural not in hidden and sampler.chance(0.2):
        return natural
    return sampler.one([colour for colour in COLOURS if colour not in hidden])


def _world(sampler: _Sampler, domain: Domain) -> Scene:
    """Draw until the scene belongs to the domain: none of its combinations held out, or the first of them."""
    while True:
        kind = sampler.weighted(("single", 0.40), ("pair", 0.32), ("trio", 0.07), ("count", 0.13), ("style", 0.08))
        scene = _with_looks(sampler, _WORLD_SCENES[kind](sampler), LOOKS if domain == "judged" else TRAINING_LOOKS)
        held = [is_held_out(scene, thing) for thing in scene.things]
        if domain == "judged" or (held[0] if domain == "held" else not any(held)):
            return scene


def is_held_out(scene: Scene, thing: Thing) -> bool:
    """Whether this combination of noun, colour and surroundings is kept from training: one in ten."""
    if thing.kind not in NOUNS:
        return False
    where = scene.place or "-".join(scene.background)
    return zlib.crc32(f"{thing.kind}/{thing.colour}/{where}".encode()) % 10 == 0


def _with_looks(sampler: _Sampler, scene: Scene, looks: Mapping[str, tuple[str, ...]]) -> Scene:
    things = [replace(t, look=sampler.one(looks[t.kind])) if t.kind in NOUNS else t for t in scene.things]
    return replace(scene, things=tuple(things))


_NOUNS = tuple(NOUNS)


def _noun_scene(sampler: _Sampler, noun: str, in_place: float) -> Scene:
    return _place_for(sampler, noun) if sampler.chance(in_place) else _backdrop(sampler)


def _world_single(sampler: _Sampler) -> Scene:
    noun = sampler.one(_NOUNS)
    scene = _noun_scene(sampler, noun, 0.35)
    size = sampler.weighted(("medium", 0.76), ("big", 0.12), ("small", 0.12))
    position = _position(sampler, bool(scene.place)) if size != "big" and sampler.chance(0.2) else "middle"
    return replace(scene, things=(Thing(noun, _colour_for(sampler, noun, scene), 1, size, position),))


def _world_pair(sampler: _Sampler) -> Scene:
    first = sampler.one(_NOUNS)
    second = sampler.other(_NOUNS, first) if sampler.chance(0.75) else sampler.one(VECTOR_KINDS)
    if sampler.chance(0.4):
        first, second = second, first
    relation = sampler.weighted(
        ("beside", 0.4), ("left of", 0.17), ("right of", 0.17), ("above", 0.12), ("below", 0.08), ("on", 0.06)
    )
    sideways = relation in ("beside", "left of", "right of")
    scene = _noun_scene(sampler, second, 0.35) if sideways and second in NOUNS else _backdrop(sampler)
    one = _colour_for(sampler, first, scene)
    other = _colour_for(sampler, second, replace(scene, background=(*scene.background, one)))
    sizes = ("medium", "medium") if relation == "on" else (_size(sampler), _size(sampler))
    things = (Thing(first, one, 1, sizes[0]), Thing(second, other, 1, sizes[1]))
    return replace(scene, things=things, relation=relation)


def _world_trio(sampler: _Sampler) -> Scene:
    kinds: list[str] = []
    while len(kinds) < 3:
        kind = sampler.one(_NOUNS) if sampler.chance(0.8) else sampler.one(VECTOR_KINDS)
        if kind not in kinds:
            kinds.append(kind)
    scene = _backdrop(sampler)
    return replace(scene, things=tuple(Thing(kind, _colour_for(sampler, kind, scene)) for kind in kinds))


def _world_count(sampler: _Sampler) -> Scene:
    noun = sampler.one(_NOUNS)
    scene = _noun_scene(sampler, noun, 0.25)
    count = sampler.weighted((2, 5), (3, 4), (4, 2), (5, 1))
    return replace(scene, things=(Thing(noun, _colour_for(sampler, noun, scene), count),))


def _world_styled(sampler: _Sampler) -> Scene:
    style = sampler.one(STYLES[1:])
    scene = _world_single(sampler) if style == "pixel" or sampler.chance(0.75) else _world_pair(sampler)
    if style == "pixel":
        scene = replace(scene, things=tuple(_easily_seen(thing) for thing in scene.things))
    return replace(scene, style=style)


_WORLD_SCENES: Mapping[str, Callable[[_Sampler], Scene]] = {
    "single": _world_single,
    "pair": _world_pair,
    "trio": _world_trio,
    "count": _world_count,
    "style": _world_styled,
}
