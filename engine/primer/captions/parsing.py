"""Reads a caption as a scene, so that a person can have the painter draw it.

A left-to-right reader for the painter's small world, not a grammar of English: colours, sizes and numbers wait for the
next noun, prepositions for the second thing. What it cannot place is an error that names the word.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.errors import InvalidRequest
from engine.primer.painter.scenes import FLYING, NATURAL_COLOUR, SHAPES, Scene, Thing
from engine.primer.vocabulary import CANONICAL, GROUPS, KNOWN, NOUNS, PLURALS, TOPIC, split_terms, unknown_words

_NUMBERS = {word: i + 1 for i, word in enumerate(KNOWN["numbers"])}
_OF = {"left": "left of", "right": "right of", "top": "on", "bottom": "below"}
_OWN_COLOURS = {
    "sun": ("yellow", "orange", "red"), "moon": ("white", "yellow"), "cloud": ("white", "grey"), "mountain": ("grey",),
    "starry": ("black", "blue"), "sky": ("blue",), "sea": ("blue",), "meadow": ("green",), "snow": ("white",),
    "beach": ("yellow",), "desert": ("yellow",), "forest": ("green",), "city": ("grey",), "space": ("black", "purple"),
    "fog": ("white", "grey"), "sunset": ("red", "orange", "pink"), "night": ("black", "blue"),
    "morning": ("pink", "yellow"),
}  # fmt: skip


class UnpaintableCaption(InvalidRequest):
    """The painter cannot draw this caption; the text says which words, and what it knows."""


@dataclass
class _Reader:
    """What was read so far."""

    things: list[Thing] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    background: tuple[str, ...] = ()
    places: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    time: str = ""
    style: str = "plain"
    size: str = "medium"
    position: str = "middle"
    count: int = 0
    joint: str = ""
    relation: str = ""

    def take(self, word: str, before: str, after: str) -> None:
        """Read one known word; `before` and `after` are its neighbours' head words."""
        head = CANONICAL[word]
        topic = TOPIC[head]
        if word == "stars" and before in ("with", "and") and not (self.colours or self.count):
            head, topic = "starry", "sky"
        elif topic == "colours":
            self.colours.append(head)
        elif topic == "numbers":
            self.count = _NUMBERS[head]
        elif topic == "sizes":
            self.size = head
        elif topic == "styles":
            self.style = head
        elif topic == "positions":
            self._position(head, after)
        elif topic == "relations":
            self.joint = head
        elif head == "in":
            self.joint = "inside"
        elif head in ("background", "gradient"):
            self._background(word)
        if (topic in ("shapes", "things") or head in NOUNS) and not (head == "tree" and before == "pine"):
            self._thing(head, plural=word in PLURALS)
        elif topic in ("sky", "places", "times"):
            self._surrounding(head, topic)

    def _position(self, head: str, after: str) -> None:
        if after == "of" and head in _OF:
            self.joint = _OF[head]
        elif self.things:
            self.things[-1] = replace(self.things[-1], position=head)
        else:
            self.position = head

    def _background(self, word: str) -> None:
        if not 1 <= len(self.colours) <= 2:
            raise UnpaintableCaption(f'"{word}" needs one colour, or two for a gradient; it has {len(self.colours)}.')
        self.background, self.colours, self.joint = tuple(self.colours), [], ""

    def _thing(self, kind: str, plural: bool) -> None:
        if len(self.things) == 3:
            raise UnpaintableCaption(f'A picture holds at most three kinds of things: "{kind}" is one too many.')
        if len(self.colours) > 1:
            raise UnpaintableCaption(f"A {kind} has one colour here, not {' and '.join(self.colours)}.")
        if self.things:
            self.relation = self.joint or "beside" if len(self.things) == 1 else ""
        colour = self.colours[0] if self.colours else NATURAL_COLOUR.get(kind, "")
        count = self.count or (3 if plural else 1)
        self.things.append(Thing(kind, colour, count, self.size, self.position))
        self.colours, self.count, self.size, self.position, self.joint = [], 0, "medium", "middle", ""

    def _surrounding(self, head: str, topic: str) -> None:
        odd = [colour for colour in self.colours if colour not in _OWN_COLOURS.get(head, ())]
        if odd:
            raise UnpaintableCaption(f'"{odd[0]}" cannot be placed: the {head} keeps its own colour here.')
        self.colours, self.joint = [], ""
        if head == "starry":
            self.time = self.time or "night"
        if topic == "places" or head == "mountain":
            self.places.append(head)
        elif topic == "times":
            self.time = head
        elif head not in self.extras:
            self.extras.append(head)


def parse_scene(text: str) -> Scene:
    """Return the scene that `text` describes; what it leaves open is filled in plainly.

    Raises:
        UnpaintableCaption: a word is not known, or has no place in a picture of at most three kinds of things.
    """
    strange = unknown_words(text)
    if strange:
        known = "; ".join(f"{topic}: {', '.join(words)}" for topic, words in KNOWN.items() if topic not in GROUPS)
        raise UnpaintableCaption(f"The painter does not know {', '.join(map(repr, strange))}. It knows {known}.")
    words = [word for word in split_terms(text) if word in CANONICAL]
    heads = ["", *(CANONICAL[word] for word in words), ""]
    reader = _Reader()
    for i, word in enumerate(words):
        reader.take(word, heads[i], heads[i + 2])
    return _complete(reader)


def _complete(read: _Reader) -> Scene:
    """Check what was read and fill in what was not."""
    if read.colours and not read.background and len(read.colours) <= 2:  # "a red circle on blue"
        read.background, read.colours = tuple(read.colours), []
    if read.colours:
        raise UnpaintableCaption(f'"{read.colours[-1]}" cannot be placed: no noun follows it.')
    places, extras = _places(read)
    if read.background and places:
        raise UnpaintableCaption(f'A picture has a coloured background or a place: "{places[0]}" is one too many.')
    if not (read.things or read.background or places or extras or read.time):
        raise UnpaintableCaption("There is nothing to paint in this caption: name a thing, a place or a background.")
    scene = Scene(tuple(read.things), read.relation, read.background, "", "", extras, read.style)
    if read.background:
        return scene
    if not (places or extras or read.time):
        return replace(scene, background=_quiet(read.things))
    place = places[0] if places else _usual_place(read.things)
    return replace(scene, place=place, time=read.time or _usual_time(place, extras))


def _places(read: _Reader) -> tuple[list[str], tuple[str, ...]]:
    """Sort out mountains (a place, or behind another one) and the sky (a place only where there is no other)."""
    places = list(dict.fromkeys(read.places))
    extras = list(read.extras)
    if "sky" in places and len(places) > 1:
        places.remove("sky")
    if "mountain" in places and len(places) > 1:
        places.remove("mountain")
        extras.append("mountain")
    if len(places) > 1:
        raise UnpaintableCaption(f'A picture has one place: not both "{places[0]}" and "{places[1]}".')
    order = ("sun", "moon", "cloud", "mountain", "starry")
    return places, tuple(extra for extra in order if extra in extras)


def _quiet(things: list[Thing]) -> tuple[str, ...]:
    colours = {thing.colour for thing in things}
    return ("white",) if not colours & {"white", "grey"} else ("blue",) if "blue" not in colours else ("yellow",)


def _usual_place(things: list[Thing]) -> str:
    if not things or all(thing.kind in SHAPES or thing.kind in FLYING - {"owl"} for thing in things):
        return "sky"
    return "sea" if any(thing.kind in ("fish", "boat") for thing in things) else "meadow"


def _usual_time(place: str, extras: tuple[str, ...]) -> str:
    return "night" if place == "space" or "moon" in extras or "starry" in extras else "day"
