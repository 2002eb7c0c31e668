"""The words that the primer's models read, and how a text becomes token ids.

A token is a family of words or phrases with one meaning: "crimson" is "red", "kitten" is "cat", "owls" is "owl",
"racing car" is "race car". Articles and other stop words take no token. Shipped weights depend on the ids: the table
below and `things.txt` are append-only, id = 3 + position. A new word joins a family or goes to the end of `things.txt`.

No numpy and no Pillow: the bot imports this module to find unknown words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from engine.primer.things import GROUPS, NOUNS, plural

PAD, START, END = 0, 1, 2
CONTEXT = 24
"""Tokens in a text, start and end included; a longer text is cut at its end."""
VOCABULARY_SIZE = 1024
"""Rows of an embedding table: the ids in use and spare ones."""

_FAMILIES: tuple[tuple[str, str], ...] = (
    ("colours", "red crimson scarlet ruby"),
    ("colours", "orange amber"),
    ("colours", "yellow gold golden"),
    ("colours", "green emerald"),
    ("colours", "cyan turquoise teal aqua"),
    ("colours", "blue navy azure sapphire cobalt"),
    ("colours", "purple violet lilac lavender indigo"),
    ("colours", "pink magenta fuchsia"),
    ("colours", "brown chocolate tan"),
    ("colours", "black ebony"),
    ("colours", "white ivory"),
    ("colours", "grey gray silver"),
    ("shapes", "circle circles disc disk dot ball"),
    ("shapes", "square squares"),
    ("shapes", "triangle triangles"),
    ("shapes", "star stars"),
    ("shapes", "heart hearts"),
    ("shapes", "diamond diamonds rhombus lozenge"),
    ("shapes", "ring rings hoop"),
    ("shapes", "cross crosses plus"),
    ("things", "owl owls"),
    ("things", "house houses home cottage hut cabin"),
    ("things", "boat boats ship ships sailboat sailboats sailing"),
    ("things", "tree trees oak"),
    ("things", "pine pines fir firs spruce conifer"),
    ("things", "fish fishes goldfish"),
    ("things", "cat cats kitten kittens kitty"),
    ("things", "mushroom mushrooms toadstool toadstools"),
    ("things", "rocket rockets spaceship spaceships"),
    ("things", "flower flowers"),
    ("things", "balloon balloons"),
    ("things", "car cars automobile"),
    ("things", "bird birds songbird"),
    ("things", "butterfly butterflies moth"),
    ("things", "cup cups mug mugs teacup"),
    ("things", "umbrella umbrellas parasol parasols"),
    ("things", "castle castles fortress"),
    ("things", "robot robots android"),
    ("sky", "sun suns sunny"),
    ("sky", "moon moons moonlit moonlight crescent"),
    ("sky", "cloud clouds cloudy"),
    ("sky", "mountain mountains peak peaks"),
    ("sky", "starry starlit starlight"),
    ("places", "meadow meadows grass field fields hill hills"),
    ("places", "sea ocean water lake waves"),
    ("places", "beach beaches shore coast sand"),
    ("places", "snow snowy winter"),
    ("places", "desert dunes dune"),
    ("places", "forest forests wood woods"),
    ("places", "city town skyline street"),
    ("places", "sky"),
    ("places", "space cosmos galaxy"),
    ("times", "day daytime daylight noon"),
    ("times", "morning dawn sunrise"),
    ("times", "sunset dusk evening"),
    ("times", "night midnight nighttime"),
    ("times", "fog foggy mist misty"),
    ("numbers", "one 1 single"),
    ("numbers", "two 2 pair"),
    ("numbers", "three 3"),
    ("numbers", "four 4"),
    ("numbers", "five 5"),
    ("sizes", "big large huge giant"),
    ("sizes", "small little tiny"),
    ("positions", "left"),
    ("positions", "right"),
    ("positions", "top upper"),
    ("positions", "bottom lower"),
    ("positions", "middle centre center central"),
    ("relations", "above over"),
    ("relations", "below under beneath underneath"),
    ("relations", "beside next near"),
    ("relations", "inside within"),
    ("relations", "on upon onto"),
    ("styles", "watercolour watercolor watercolours watercolors aquarelle"),
    ("styles", "ink sketch"),
    ("styles", "pixel pixels pixelated pixelart"),
    ("styles", "neon glowing"),
    ("grammar", "background backdrop backgrounds"),
    ("grammar", "gradient"),
    ("grammar", "in"),
    ("grammar", "with"),
    ("grammar", "and"),
    ("grammar", "of"),
)
_STOP_WORDS = frozenset(
    {"a", "an", "the", "is", "are", "it", "its", "this", "that", "there", "at", "by", "to", "from", "for", "some",
     "very", "nice", "beautiful", "pretty", "lovely", "cute", "plain", "simple", "flat", "full", "hot", "air",
     "shape", "colour", "color", "coloured", "colored", "scene", "landscape", "picture", "pictures", "image",
     "photo", "drawing", "painting", "paint", "painted", "art", "artwork", "illustration", "style", "styled",
     "sits", "sitting", "stands", "standing", "side", "against", "as", "outer"}
)  # fmt: skip
"""Known words without a token: they change no picture."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def split_words(text: str) -> list[str]:
    """Return the words and numbers of `text` in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def _spelled(form: str) -> str:
    return " ".join(split_words(form))


def _table() -> dict[str, tuple[str, str]]:
    """Return every known form, spelled as `split_words` joins it, with its head and its topic."""
    table: dict[str, tuple[str, str]] = {}
    for topic, family in _FAMILIES:
        head = family.split()[0]
        table |= dict.fromkeys(family.split(), (head, topic))
    for noun in NOUNS.values():
        for form in (*noun.forms, *map(plural, noun.forms)):
            table.setdefault(_spelled(form), (noun.name, noun.group))
    return table


_TABLE = _table()
CANONICAL: Mapping[str, str] = MappingProxyType({form: head for form, (head, _) in _TABLE.items()})
"""Known form → head of its family, British spelling: "gray" → "grey"."""
TOPIC: Mapping[str, str] = MappingProxyType(dict(_TABLE.values()))
"""Head → topic."""
TOKEN: Mapping[str, int] = MappingProxyType(
    {head: 3 + i for i, head in enumerate((*(family.split()[0] for _, family in _FAMILIES), *NOUNS))}
)
"""Head → id."""
KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        topic: tuple(head for head, its in TOPIC.items() if its == topic)
        for topic in dict.fromkeys(TOPIC.values())
        if topic != "grammar"
    }
)
"""Topic → heads; the last topics are `GROUPS`."""
PLURALS = frozenset(
    form
    for head in (*KNOWN["shapes"], *KNOWN["things"], *NOUNS)
    for form in map(_spelled, map(plural, NOUNS[head].forms if head in NOUNS else (head,)))
    if form not in map(_spelled, NOUNS[head].forms if head in NOUNS else (head,))
)
"""Forms that name more than one thing."""
_ID_OF_FORM: Mapping[str, int] = MappingProxyType({form: TOKEN[head] for form, head in CANONICAL.items()})
_LONGEST = max(form.count(" ") + 1 for form in CANONICAL)


def split_terms(text: str) -> list[str]:
    """Return the words of `text`, with every known phrase ("polar bear") as one term; the longest phrase wins."""
    words, terms, at = split_words(text), [], 0
    while at < len(words):
        lengths = range(min(_LONGEST, len(words) - at), 1, -1)
        length = next((n for n in lengths if " ".join(words[at : at + n]) in CANONICAL), 1)
        terms.append(" ".join(words[at : at + length]))
        at += length
    return terms


def tokenise(text: str) -> list[int]:
    """Return `CONTEXT` ids: start, one per known term, end, padding. Unknown words and stop words are dropped."""
    ids = [_ID_OF_FORM[term] for term in split_terms(text) if term in _ID_OF_FORM][: CONTEXT - 2]
    return [START, *ids, END, *[PAD] * (CONTEXT - 2 - len(ids))]


def says_something(text: str) -> bool:
    """Whether `text` has at least one known term."""
    return any(token > max(START, END) for token in tokenise(text))


def unknown_words(text: str) -> tuple[str, ...]:
    """Return the words of `text` that no primer model reads, each once, in order."""
    terms = dict.fromkeys(split_terms(text))
    return tuple(term for term in terms if term not in CANONICAL and term not in _STOP_WORDS)


def surroundings(text: str) -> str:
    """Return what `text` says apart from the nouns of the icon sets and the colours, numbers and sizes before them.

    A text of which nothing is left becomes "a", which has no token.
    """
    kept: list[str] = []
    for term in split_terms(text):
        if TOPIC.get(CANONICAL.get(term, ""), "") not in GROUPS:
            kept.append(term)
            continue
        while kept and TOPIC.get(CANONICAL.get(kept[-1], ""), "") in ("colours", "numbers", "sizes"):
            kept.pop()
    return " ".join(kept) or "a"
