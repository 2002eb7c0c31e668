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


class _Lot:
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
    lot = _Lot(rng)
    if domain in ("world", "judged", "held"):
        return _world(lot, domain)
    if domain == "tidy":
        return _tidied(lot, _single(lot))
    if domain == "narrow":
        return _single(lot)
    kind = lot.weighted(("narrow", 0.60), ("count", 0.11), ("relation", 0.13), ("style", 0.16))
    if kind == "narrow":
        return _single(lot)
    if kind == "count":
        return _several(lot)
    if kind == "relation":
        return _related(lot)
    return _styled(lot)


def _single(lot: _Lot) -> Scene:
    what = lot.weighted(("empty", 0.09), ("shape", 0.35), ("object", 0.56))
    if what == "empty":
        return _empty(lot)
    kind = lot.one(SHAPES if what == "shape" else OBJECTS)
    in_place = lot.chance(0.10 if what == "shape" else 0.48)
    scene = _place_for(lot, kind) if in_place else _backdrop(lot)
    size = lot.weighted(("medium", 0.74), ("big", 0.13), ("small", 0.13))
    position = _position(lot, in_place) if size != "big" and lot.chance(0.25) else "middle"
    return replace(scene, things=(Thing(kind, _colour_for(lot, kind, scene), 1, size, position),))


def _tidied(lot: _Lot, scene: Scene) -> Scene:
    """What a beginner learns first: one thing, medium and in the middle eight times out of ten."""
    if not scene.things or lot.chance(0.2):
        return scene
    return replace(scene, things=(replace(scene.things[0], size="medium", position="middle"),))


def _position(lot: _Lot, in_place: bool) -> str:
    return lot.one(POSITIONS[:2] if in_place else POSITIONS[:4])


def _several(lot: _Lot) -> Scene:
    kind = lot.one(SHAPES if lot.chance(0.4) else OBJECTS)
    scene = _place_for(lot, kind) if kind in OBJECTS and lot.chance(0.45) else _backdrop(lot)
    count = lot.weighted((2, 4), (3, 3), (4, 2), (5, 2))
    return replace(scene, things=(Thing(kind, _colour_for(lot, kind, scene), count),))


def _related(lot: _Lot) -> Scene:
    if lot.chance(0.35):
        return _related_in_place(lot)
    kinds = VECTOR_KINDS if lot.chance(0.5) else SHAPES
    first = lot.one(kinds)
    second = lot.other(kinds, first)
    relation = lot.one(RELATIONS[:5]) if lot.chance(0.75) else lot.weighted(("on", 0.5), ("inside", 0.5))
    if relation == "inside":
        second = lot.one(("circle", "square", "heart", "diamond"))
        first = lot.other(SHAPES, second)
    if relation == "on":
        second = lot.one(_FLAT_TOPS)
        first = lot.other(VECTOR_KINDS, second)
    scene = _backdrop(lot)
    one = _colour_for(lot, first, scene)
    other = _colour_for(lot, second, replace(scene, background=(*scene.background, one)))
    sizes = ("medium", "medium") if relation in ("on", "inside") else (_size(lot), _size(lot))
    things = (Thing(first, one, 1, sizes[0]), Thing(second, other, 1, sizes[1]))
    return replace(scene, things=things, relation=relation)


def _size(lot: _Lot) -> str:
    return lot.weighted(("medium", 0.8), ("small", 0.12), ("big", 0.08))


_FLAT_TOPS = ("square", "house", "car", "robot", "castle", "mushroom", "cup")


def _related_in_place(lot: _Lot) -> Scene:
    first = lot.one(OBJECTS)
    second = lot.other(OBJECTS, first)
    if lot.chance(0.3):
        first, relation = lot.one(("balloon", "rocket", "bird", "butterfly")), "above"
        second = lot.one([kind for kind in OBJECTS if kind not in FLYING])
    else:
        relation = lot.one(("left of", "right of", "beside"))
    scene = _place_for(lot, second)
    one = _colour_for(lot, first, scene)
    other = _colour_for(lot, second, replace(scene, background=(one,)))
    return replace(scene, things=(Thing(first, one), Thing(second, other)), relation=relation)


def _styled(lot: _Lot) -> Scene:
    style = lot.one(STYLES[1:])
    scene = _single(lot)
    if style != "pixel" and lot.chance(0.25):  # sixteen cells hold one thing
        scene = _several(lot) if lot.chance(0.5) else _related(lot)
    if not scene.things and scene.background:
        scene = _furnished(lot, lot.one(PLACES), generous=True)
    if style == "pixel":
        scene = replace(scene, things=tuple(_easily_seen(thing) for thing in scene.things))
    return replace(scene, style=style)


def _easily_seen(thing: Thing) -> Thing:
    return replace(thing, size="medium" if thing.size == "small" else thing.size, position="middle")


def _empty(lot: _Lot) -> Scene:
    if lot.chance(0.1):
        return _backdrop(lot)
    return _furnished(lot, lot.one(PLACES), generous=True)


def _backdrop(lot: _Lot) -> Scene:
    first = lot.one(COLOURS)
    if lot.chance(0.82):
        return Scene(background=(first,))
    return Scene(background=(first, lot.other(COLOURS, first)))


def _place_for(lot: _Lot, kind: str) -> Scene:
    """A place where such a thing may be met: boats and fish mostly at sea, rockets in space, the rest anywhere."""
    likely = {"boat": "sea", "fish": "sea", "rocket": "space", "umbrella": "beach", "balloon": "sky", "bird": "sky"}
    if kind in likely and lot.chance(0.6):
        place = likely[kind]
    elif kind in AQUATIC and lot.chance(0.7):
        place = "sea"
    elif kind in SHAPES or kind in FLYING:
        place = lot.one(PLACES)
    else:
        place = lot.one([place for place in PLACES if place not in ("sky", "space")])
    return _furnished(lot, place)


def _furnished(lot: _Lot, place: str, generous: bool = False) -> Scene:
    if place == "space":
        return Scene(place="space", time="night", extras=("moon",) if lot.chance(0.3) else ())
    time = lot.weighted(("day", 0.36), ("morning", 0.12), ("sunset", 0.2), ("night", 0.22), ("fog", 0.1))
    likely = 0.6 if generous else 0.4
    light = {"night": "moon", "fog": ""}.get(time, "sun")
    extras = [light] if light and lot.chance(likely) else []
    if time in ("day", "morning") and lot.chance(likely):
        extras.append("cloud")
    if place in ("meadow", "sea", "snow", "desert", "beach") and lot.chance(0.14):
        extras.append("mountain")
    if time == "night" and lot.chance(0.75):
        extras.append("starry")
    return Scene(place=place, time=time, extras=tuple(extras))


_HARD_TO_SEE = {
    "night": ("black",), "fog": ("grey", "white"), "snow": ("white",), "space": ("black",), "forest": ("green",),
    "meadow": (), "sea": (), "desert": ("brown",), "sky": (), "city": ("black",), "beach": (), "mountain": (),
}  # fmt: skip


def _colour_for(lot: _Lot, kind: str, scene: Scene) -> str:
    """Its natural colour now and then, else any that stands out from what is behind it."""
    hidden = {*scene.background, *_HARD_TO_SEE.get(scene.time, ()), *_HARD_TO_SEE.get(scene.place, ())}
    natural = NATURAL_COLOUR.get(kind, "")
    if kind in NOUNS and lot.chance(0.5):
        return ""
    if kind in OBJECTS and natural not in hidden and lot.chance(0.2):
        return natural
    return lot.one([colour for colour in COLOURS if colour not in hidden])


def _world(lot: _Lot, domain: Domain) -> Scene:
    """Draw until the scene belongs to the domain: none of its combinations held out, or the first of them."""
    while True:
        kind = lot.weighted(("single", 0.40), ("pair", 0.32), ("trio", 0.07), ("count", 0.13), ("style", 0.08))
        scene = _with_looks(lot, _WORLD_SCENES[kind](lot), LOOKS if domain == "judged" else TRAINING_LOOKS)
        held = [is_held_out(scene, thing) for thing in scene.things]
        if domain == "judged" or (held[0] if domain == "held" else not any(held)):
            return scene


def is_held_out(scene: Scene, thing: Thing) -> bool:
    """Whether this combination of noun, colour and surroundings is kept from training: one in ten."""
    if thing.kind not in NOUNS:
        return False
    where = scene.place or "-".join(scene.background)
    return zlib.crc32(f"{thing.kind}/{thing.colour}/{where}".encode()) % 10 == 0


def _with_looks(lot: _Lot, scene: Scene, looks: Mapping[str, tuple[str, ...]]) -> Scene:
    things = [replace(t, look=lot.one(looks[t.kind])) if t.kind in NOUNS else t for t in scene.things]
    return replace(scene, things=tuple(things))


_NOUNS = tuple(NOUNS)


def _noun_scene(lot: _Lot, noun: str, in_place: float) -> Scene:
    return _place_for(lot, noun) if lot.chance(in_place) else _backdrop(lot)


def _world_single(lot: _Lot) -> Scene:
    noun = lot.one(_NOUNS)
    scene = _noun_scene(lot, noun, 0.35)
    size = lot.weighted(("medium", 0.76), ("big", 0.12), ("small", 0.12))
    position = _position(lot, bool(scene.place)) if size != "big" and lot.chance(0.2) else "middle"
    return replace(scene, things=(Thing(noun, _colour_for(lot, noun, scene), 1, size, position),))


def _world_pair(lot: _Lot) -> Scene:
    first = lot.one(_NOUNS)
    second = lot.other(_NOUNS, first) if lot.chance(0.75) else lot.one(VECTOR_KINDS)
    if lot.chance(0.4):
        first, second = second, first
    relation = lot.weighted(
        ("beside", 0.4), ("left of", 0.17), ("right of", 0.17), ("above", 0.12), ("below", 0.08), ("on", 0.06)
    )
    sideways = relation in ("beside", "left of", "right of")
    scene = _noun_scene(lot, second, 0.35) if sideways and second in NOUNS else _backdrop(lot)
    one = _colour_for(lot, first, scene)
    other = _colour_for(lot, second, replace(scene, background=(*scene.background, one)))
    sizes = ("medium", "medium") if relation == "on" else (_size(lot), _size(lot))
    things = (Thing(first, one, 1, sizes[0]), Thing(second, other, 1, sizes[1]))
    return replace(scene, things=things, relation=relation)


def _world_trio(lot: _Lot) -> Scene:
    kinds: list[str] = []
    while len(kinds) < 3:
        kind = lot.one(_NOUNS) if lot.chance(0.8) else lot.one(VECTOR_KINDS)
        if kind not in kinds:
            kinds.append(kind)
    scene = _backdrop(lot)
    return replace(scene, things=tuple(Thing(kind, _colour_for(lot, kind, scene)) for kind in kinds))


def _world_count(lot: _Lot) -> Scene:
    noun = lot.one(_NOUNS)
    scene = _noun_scene(lot, noun, 0.25)
    count = lot.weighted((2, 5), (3, 4), (4, 2), (5, 1))
    return replace(scene, things=(Thing(noun, _colour_for(lot, noun, scene), count),))


def _world_styled(lot: _Lot) -> Scene:
    style = lot.one(STYLES[1:])
    scene = _world_single(lot) if style == "pixel" or lot.chance(0.75) else _world_pair(lot)
    if style == "pixel":
        scene = replace(scene, things=tuple(_easily_seen(thing) for thing in scene.things))
    return replace(scene, style=style)


_WORLD_SCENES: Mapping[str, Callable[[_Lot], Scene]] = {
    "single": _world_single,
    "pair": _world_pair,
    "trio": _world_trio,
    "count": _world_count,
    "style": _world_styled,
}
