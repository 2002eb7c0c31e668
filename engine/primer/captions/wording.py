"""Words a scene by a plan, which says what aspects are told and in which of many equivalent forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.primer.painter.scenes import Scene, Thing
from engine.primer.vocabulary import NOUNS, plural

_NUMBERS = ("", "one", "two", "three", "four", "five")
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
    "below": ("below", "under"), "beside": ("beside", "next to", "and"), "on": ("on", "on top of"),
    "inside": ("inside",),
}  # fmt: skip
_POSITION = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "middle": "in the middle",
}
_STYLE = {
    "watercolour": ("watercolour", "a watercolour of", "in watercolour"), "ink": ("ink", "an ink drawing of", "in ink"),
    "pixel": ("pixel", "pixel art of", "in pixel art"), "neon": ("neon", "a neon picture of", "in neon"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """`tells`: the aspects to put into words. `form`: any integer, which chooses among equivalent wordings."""

    tells: frozenset[str]
    form: int

    def pick(self, options: Sequence[str], salt: int) -> str:
        return options[(self.form >> salt) % len(options)]


def put(scene: Scene, plan: Plan) -> str:
    """Put a scene into words by a plan."""
    subject, where = _things(scene, plan), _where(scene, plan)
    if not scene.things:
        subject, where = _emptiness(scene, plan), when_told(scene, plan)
    parts = [_styled(scene, plan, subject), where, _extras(scene, plan), _style_suffix(scene, plan)]
    return " ".join(part for part in parts if part)


def _things(scene: Scene, plan: Plan) -> str:
    relation = scene.relation if "relation" in plan.tells else "beside"
    phrases = [_thing(thing, plan, alone=len(scene.things) == 1) for thing in scene.things]
    if len(phrases) < 2:
        return "".join(phrases)
    if len(phrases) > 2:
        return f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    joint = plan.pick(_RELATION[relation], 3) if "relation" in plan.tells else "and"
    return f"{phrases[0]} {joint} {phrases[1]}"


def _thing(thing: Thing, plan: Plan, alone: bool) -> str:
    words = []
    if thing.count > 1 and "count" in plan.tells:
        words.append(_NUMBERS[thing.count])
    if thing.size != "medium" and "size" in plan.tells:
        words.append(thing.size)
    if "colour" in plan.tells and thing.colour:
        words.append(thing.colour)
    name = _name(thing, plan)
    words.append(name if thing.count == 1 else plural(name))
    if thing.count == 1 and "articles" in plan.tells and plural(name) != name:
        words.insert(0, _article(words[0]))
    if alone and "position" in plan.tells and (thing.position != "middle" or _tells_middle(thing, plan)):
        words.append(_POSITION[thing.position])
    return " ".join(words)


def _name(thing: Thing, plan: Plan) -> str:
    """Return the kind's name; for a noun, one plan in four uses a synonym."""
    forms = NOUNS[thing.kind].forms if thing.kind in NOUNS else (thing.kind,)
    return plan.pick(forms, 18) if (plan.form >> 21) % 4 == 0 else forms[0]


def _tells_middle(thing: Thing, plan: Plan) -> bool:
    return thing.count == 1 and thing.size == "small" and plan.form % 5 == 0


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _where(scene: Scene, plan: Plan) -> str:
    if scene.background and "background" in plan.tells:
        return _on_background(scene, plan)
    words = [plan.pick(_PLACE[scene.place], 6)] if scene.place and "place" in plan.tells else []
    return " ".join([*words, when_told(scene, plan)]).strip()


def _on_background(scene: Scene, plan: Plan) -> str:
    if len(scene.background) == 2:
        return f"on {_article(scene.background[0])} {_two(scene, plan)} gradient"
    colour = scene.background[0]
    if "articles" not in plan.tells:
        return f"on {colour}"
    bare = ("on", f"against {_article(colour)}", f"on {_article(colour)}", f"on {_article(colour)}")
    opening = plan.pick(bare, 9)
    return f"{opening} {colour}" if opening == "on" else f"{opening} {colour} background"


def _two(scene: Scene, plan: Plan) -> str:
    return plan.pick(("{} and {}", "{} to {}"), 9).format(*scene.background)


def when_told(scene: Scene, plan: Plan) -> str:
    if "time" not in plan.tells or not scene.time or scene.place == "space":
        return ""
    if scene.time == "night" and "starry" in scene.extras and "starry" in plan.tells:
        return "on a starry night"
    return plan.pick(_TIME[scene.time], 12)


def _emptiness(scene: Scene, plan: Plan) -> str:
    if scene.place:
        return plan.pick(_ALONE[scene.place], 6)
    if len(scene.background) == 2:
        return f"{_article(scene.background[0])} {_two(scene, plan)} gradient"
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
