"""The words the primer's models know, and how a text becomes token ids.

A token is a word, or a family of words that mean the same to the painter: "crimson" is "red", "kitten" is "cat",
"owls" is "owl". Articles and the like carry nothing and take no token. Shipped weights depend on the ids, so the table
below is **append-only**: id = 3 + position; a new word goes to the end (or joins a family), nothing moves or leaves.

Imports neither numpy nor Pillow: the bot reads this file to warn about words that no model has seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

PAD, START, END = 0, 1, 2
CONTEXT = 24
"""Tokens in a text, start and end included; what is longer loses its tail."""
VOCABULARY_SIZE = 256
"""Rows of an embedding table: ids in use plus room for words to come."""

_FAMILIES: tuple[tuple[str, str], ...] = (
    ("colours", "red crimson scarlet ruby"),
    ("colours", "orange amber tangerine"),
    ("colours", "yellow gold golden lemon"),
    ("colours", "green emerald lime olive"),
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
    ("things", "flower flowers rose roses blossom daisy"),
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
# Words that say nothing about a picture. Known, but without a token.
_SAYING_NOTHING = """
    a an the is are it its this that there at by to from for some very nice beautiful pretty lovely cute
    plain simple flat full hot air shape colour color coloured colored scene landscape picture pictures image
    photo drawing painting paint painted art artwork illustration style styled sits sitting stands standing
    side against as outer
"""
_STOP_WORDS = frozenset(_SAYING_NOTHING.split())
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

CANONICAL: Mapping[str, str] = MappingProxyType(
    {word: family.split()[0] for _, family in _FAMILIES for word in family.split()}
)
"""Every known form to the head of its family, British spelling: "gray" → "grey"."""
TOPIC: Mapping[str, str] = MappingProxyType({family.split()[0]: topic for topic, family in _FAMILIES})
"""Head word to its topic."""
TOKEN: Mapping[str, int] = MappingProxyType({family.split()[0]: 3 + i for i, (_, family) in enumerate(_FAMILIES)})
"""Head word to its id."""
KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        topic: tuple(family.split()[0] for t, family in _FAMILIES if t == topic)
        for topic in dict.fromkeys(topic for topic, _ in _FAMILIES)
        if topic != "grammar"
    }
)
"""Head words by topic, for the sentence "It knows: …"."""
_ID_OF_FORM: Mapping[str, int] = MappingProxyType({word: TOKEN[head] for word, head in CANONICAL.items()})


def split_words(text: str) -> list[str]:
    """Return the words and numbers of `text` in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def tokenise(text: str) -> list[int]:
    """Return `CONTEXT` ids: start, one per known word, end, padding. Unknown words and stop words are dropped."""
    ids = [_ID_OF_FORM[word] for word in split_words(text) if word in _ID_OF_FORM][: CONTEXT - 2]
    return [START, *ids, END, *[PAD] * (CONTEXT - 2 - len(ids))]


def says_something(text: str) -> bool:
    """Whether any token is left of `text`."""
    return any(token > max(START, END) for token in tokenise(text))


def unknown_words(text: str) -> tuple[str, ...]:
    """Return the words of `text` that no primer model has seen, each once, in order."""
    words = dict.fromkeys(split_words(text))
    return tuple(word for word in words if word not in CANONICAL and word not in _STOP_WORDS)
