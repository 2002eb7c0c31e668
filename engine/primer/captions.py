"""What people would type for a scene: short captions, whole or in part, and captions that are wrong in exactly one respect.

A caption is a scene put into words by a `Plan`: which respects it tells, and in which of many equal forms. The hard
negative is another scene, changed in one told respect, put into words by the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.primer.scenes import COLOURS, NATURAL_COLOUR, OBJECTS, PLACES, SHAPES, STYLES, TIMES, Scene, Thing

MAX_WORDS = 22
_IMPORTANT = ("style", "colour", "size", "position", "count", "background", "place", "time", "relation", "articles")
_NUMBERS = ("", "one", "two", "three", "four", "five")
_PLURALS = {"fish": "fish", "butterfly": "butterflies", "cross": "crosses"}
_PLACE = {
    "meadow": ("in a meadow", "on the grass", "in a field"), "sea": ("in the sea", "on the sea", "in the ocean"),
    "beach": ("on a beach", "on the beach", "on the sand"), "snow": ("in the snow", "in snow", "in winter"),
    "desert": ("in the desert", "in a desert"), "forest": ("in a forest", "in the forest", "in the woods"),
    "city": ("in a city", "in the city", "in town"), "sky": ("in the sky",), "space": ("in space", "in outer space"),
    "mountain": ("in the mountains",),
}  # fmt: skip
_ALONE = {
    "meadow": ("a meadow", "a grass field"), "sea": ("the sea", "the ocean"), "beach": ("a beach",), "snow": ("snow",),
    "desert": ("a desert", "the desert"), "forest": ("a forest", "a wood"), "city": ("a city", "a city skyline"),
    "sky": ("the sky", "a sky"), "space": ("space", "outer space"), "mountain": ("mountains", "the mountains"),
}  # fmt: skip
_TIME = {
    "day": ("by day", "at noon"), "morning": ("in the morning", "at dawn"), "sunset": ("at sunset", "at dusk"),
    "night": ("at night",), "fog": ("in fog", "in the fog", "in mist"),
}  # fmt: skip
_EXTRA = {"sun": "a sun", "moon": "a moon", "cloud": "clouds", "mountain": "mountains"}
_RELATION = {
    "left of": ("left of", "to the left of"), "right of": ("right of", "to the right of"), "above": ("above", "over"),
    "below": ("below", "under"), "beside": ("beside", "next to", "and"), "on": ("on", "on top of"), "inside": ("inside",),
}  # fmt: skip
_POSITION = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom", "middle": "in the middle"}
_STYLE = {
    "watercolour": ("watercolour", "a watercolour of", "in watercolour"), "ink": ("ink", "an ink drawing of", "in ink"),
    "pixel": ("pixel", "pixel art of", "in pixel art"), "neon": ("neon", "a neon picture of", "in neon"),
}  # fmt: skip
_OPPOSITE = {
    "left": "right", "right": "left", "top": "bottom", "bottom": "top", "small": "big", "big": "small",
    "left of": "right of", "right of": "left of", "above": "below", "below": "above", "beside": "above",
    "on": "below", "inside": "above",
}  # fmt: skip
_ALIKE = (
    {"sea", "beach"}, {"tree", "pine"}, {"meadow", "mountain"}, {"forest", "mountain"}, {"sky", "space"}, {"house", "castle"},
    {"snow", "mountain"}, {"circle", "ring"},
)  # fmt: skip
"""Pairs too close to say that one is wrong for the other."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`tells`: the respects to put into words. `form`: any integer, which of the equal wordings to use."""

    tells: frozenset[str]
    form: int

    def pick(self, options: Sequence[str], salt: int) -> str:
        return options[(self.form >> salt) % len(options)]


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Return a caption of at most `MAX_WORDS` words: usually all that matters, sometimes a part."""
    return put(scene, plan(scene, rng))


def hard_negative(scene: Scene, rng: np.random.Generator) -> str:
    """Return what `caption` would say for the same generator state, made wrong in exactly one respect."""
    return caption_pair(scene, rng)[1]


def caption_pair(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Return a caption and its hard negative; the two colours swapped, or one word (or position or relation) replaced."""
    chosen = plan(scene, rng)
    return put(scene, chosen), put(contradict(scene, chosen, rng), chosen)


def describe(scene: Scene) -> str:
    """Return the caption that tells everything that can be told."""
    return put(scene, Plan(frozenset((*_IMPORTANT, "extras", "starry", "position")), 0))


def plan(scene: Scene, rng: np.random.Generator) -> Plan:
    """Draw which respects to tell. At least one thing, place or background is always told."""
    form, luck = int(rng.integers(1 << 30)), rng.random(12)
    tells = set(_IMPORTANT)
    if luck[0] < 0.08:
        tells = {"relation", "count"} if scene.things else {"place", "background"}
    elif luck[0] < 0.24:
        tells = {respect for respect, roll in zip(_IMPORTANT, luck[2:], strict=True) if roll < 0.6}
    if luck[1] < 0.5:
        tells.add("extras")
    if luck[2] < 0.12:
        tells.discard("articles")
    if luck[3] < 0.35 and all(thing.colour == NATURAL_COLOUR[thing.kind] for thing in scene.things):
        tells.discard("colour")
    if scene.time == "day" and luck[4] < 0.75:
        tells.discard("time")
    if scene.place == "sky" and luck[5] < 0.3 and scene.things:
        tells.discard("place")
    if scene.style == "ink":  # an ink drawing has no colours to speak of
        tells -= {"colour", "background"} if scene.things else {"colour"}
    if luck[6] < 0.5:
        tells.add("starry")
    return Plan(frozenset(_with_a_subject(scene, tells)), form)


def _with_a_subject(scene: Scene, tells: set[str]) -> set[str]:
    if not scene.things:
        tells.add("place" if scene.place else "background")
    return tells


def put(scene: Scene, plan: Plan) -> str:
    """Put a scene into words by a plan."""
    subject, where = _things(scene, plan), _where(scene, plan)
    if not scene.things:
        subject, where = _emptiness(scene, plan), _when(scene, plan)
    parts = [_styled(scene, plan, subject), where, _extras(scene, plan), _style_suffix(scene, plan)]
    return " ".join(part for part in parts if part)


def _things(scene: Scene, plan: Plan) -> str:
    relation = scene.relation if "relation" in plan.tells else "beside"
    phrases = [_thing(thing, plan, alone=len(scene.things) == 1) for thing in scene.things]
    if len(phrases) < 2:
        return "".join(phrases)
    joint = plan.pick(_RELATION[relation], 3) if "relation" in plan.tells else "and"
    return f"{phrases[0]} {joint} {phrases[1]}"


def _thing(thing: Thing, plan: Plan, alone: bool) -> str:
    words = []
    if thing.count > 1 and "count" in plan.tells:
        words.append(_NUMBERS[thing.count])
    if thing.size != "medium" and "size" in plan.tells:
        words.append(thing.size)
    if "colour" in plan.tells:
        words.append(thing.colour)
    words.append(thing.kind if thing.count == 1 else plural(thing.kind))
    if thing.count == 1 and "articles" in plan.tells:
        words.insert(0, _article(words[0]))
    if alone and "position" in plan.tells and (thing.position != "middle" or _tells_middle(thing, plan)):
        words.append(_POSITION[thing.position])
    return " ".join(words)


def _tells_middle(thing: Thing, plan: Plan) -> bool:
    return thing.count == 1 and thing.size == "small" and plan.form % 5 == 0


def plural(kind: str) -> str:
    """Return the plural of a kind."""
    return _PLURALS.get(kind, kind + "s")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _where(scene: Scene, plan: Plan) -> str:
    if scene.background and "background" in plan.tells:
        return _on_background(scene, plan)
    words = [plan.pick(_PLACE[scene.place], 6)] if scene.place and "place" in plan.tells else []
    return " ".join([*words, _when(scene, plan)]).strip()


def _on_background(scene: Scene, plan: Plan) -> str:
    if len(scene.background) == 2:
        return f"on a {_two(scene, plan)} gradient"
    colour = scene.background[0]
    if "articles" not in plan.tells:
        return f"on {colour}"
    bare = ("on", f"against {_article(colour)}", f"on {_article(colour)}", f"on {_article(colour)}")
    opening = plan.pick(bare, 9)
    return f"{opening} {colour}" if opening == "on" else f"{opening} {colour} background"


def _two(scene: Scene, plan: Plan) -> str:
    return plan.pick(("{} and {}", "{} to {}"), 9).format(*scene.background)


def _when(scene: Scene, plan: Plan) -> str:
    if "time" not in plan.tells or not scene.time or scene.place == "space":
        return ""
    if scene.time == "night" and "starry" in scene.extras and "starry" in plan.tells:
        return "on a starry night"
    return plan.pick(_TIME[scene.time], 12)


def _emptiness(scene: Scene, plan: Plan) -> str:
    if scene.place:
        return plan.pick(_ALONE[scene.place], 6)
    if len(scene.background) == 2:
        return f"a {_two(scene, plan)} gradient"
    return f"{_article(scene.background[0])} {scene.background[0]} background"


def _extras(scene: Scene, plan: Plan) -> str:
    told = [_EXTRA[extra] for extra in scene.extras if extra in _EXTRA][:2] if "extras" in plan.tells else []
    return "with " + " and ".join(told) if told else ""


def _styled(scene: Scene, plan: Plan, subject: str) -> str:
    if scene.style == "plain" or "style" not in plan.tells:
        return subject
    adjective, opening, _ = _STYLE[scene.style]
    form = _style_form(scene, plan)
    if form == "adjective":
        head, _, rest = subject.partition(" ")
        return f"{_article(adjective)} {adjective} {rest}" if head in ("a", "an") else f"{adjective} {subject}"
    return f"{opening} {subject}" if form == "opening" else subject


def _style_suffix(scene: Scene, plan: Plan) -> str:
    tells = scene.style != "plain" and "style" in plan.tells
    return _STYLE[scene.style][2] if tells and _style_form(scene, plan) == "suffix" else ""


def _style_form(scene: Scene, plan: Plan) -> str:
    if len(scene.things) == 1:
        return plan.pick(("adjective", "opening", "suffix"), 15)
    return plan.pick(("opening", "suffix"), 15)


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
        "colour": bool(things) and "colour" in tells,
        "background": len(scene.background) == 1 and "background" in tells,
        "place": bool(scene.place) and "place" in tells,
        "time": bool(_when(scene, plan)),
        "count": any(thing.count > 1 for thing in things) and "count" in tells,
        "size": any(thing.size != "medium" for thing in things) and "size" in tells,
        "position": one is not None and one.position != "middle" and "position" in tells,
        "relation": bool(scene.relation) and "relation" in tells,
        "style": scene.style != "plain" and "style" in tells,
        "gradient": len(scene.background) == 2 and "background" in tells,
    }[respect]


def _two_colours(scene: Scene, plan: Plan) -> tuple[str, str] | None:
    colours = [thing.colour for thing in scene.things]
    if len(scene.background) == 1 and "background" in plan.tells:
        colours.append(scene.background[0])
    return (colours[0], colours[1]) if len(colours) > 1 and colours[0] != colours[1] else None


def _swap(scene: Scene, rng: np.random.Generator) -> Scene:
    first, *others = scene.things
    if others:
        one, other = others[0].colour, first.colour
        return replace(scene, things=(replace(first, colour=one), replace(others[0], colour=other)))
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
    shape, thing = _other(SHAPES, kinds, rng), _other(OBJECTS, kinds, rng)
    return _change_thing(scene, rng, lambda t: replace(t, kind=shape if t.kind in SHAPES else thing))


def _colour(scene: Scene, rng: np.random.Generator) -> Scene:
    new = _other(COLOURS, [*(thing.colour for thing in scene.things), *scene.background], rng)
    return _change_thing(scene, rng, lambda t: replace(t, colour=new))


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
