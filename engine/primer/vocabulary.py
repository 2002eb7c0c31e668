"""The words that the primer's models read, and how a text becomes token ids.

A token is a family of words or phrases with one meaning: "crimson" is "red", "kitten" is "cat", "owls" is "owl",
"racing car" is "race car". Articles and other stop words take no token. Shipped weights depend on the ids: the table
below and `things.txt` are append-only, id = 3 + position. A new word joins a family or goes to the end of `things.txt`.

`things.txt` holds the 683 nouns whose drawings come from icon sets, one a line: the forms (the first is the name), the
group, and the name of the drawing in each set of `SETS`, empty where the set has none. `related.txt` and
`neighbours.txt` hold a word or a noun a line, with the names of known things near it. Labels, groups and nearly all
relations come from emojibase-data (MIT).

No numpy and no Pillow: the bot imports this module to find unknown words and the known ones near them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import zip_longest
from types import MappingProxyType

SETS = ("noto", "fluent-emoji-flat", "fxemoji")
"""npm packages `@iconify-json/…`."""
GROUPS = ("nature", "food", "travel", "activities", "objects")
_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "wolf": "wolves", "leaf": "leaves", "knife": "knives", "tooth": "teeth",
    "cactus": "cacti", "computer mouse": "computer mice", "kitchen knife": "kitchen knives", "fish": "fish",
    "tropical fish": "tropical fish", "blowfish": "blowfish", "jellyfish": "jellyfish", "starfish": "starfish",
    "cross": "crosses", "bus": "buses", "minibus": "minibuses", "octopus": "octopuses", "dress": "dresses",
    "drinking glass": "drinking glasses", "wine glass": "wine glasses", "magnifying glass": "magnifying glasses",
    "cocktail glass": "cocktail glasses", "compass": "compasses", "abacus": "abacuses", "lotus": "lotuses",
}  # fmt: skip
_UNCOUNTED = frozenset(
    {"sheep", "deer", "moose", "bison", "shrimp", "squid", "rice", "salt", "bread", "milk", "honey", "corn",
     "lightning", "thunder", "rain", "wheat", "sushi", "bacon", "butter", "meat", "fire"}
)  # fmt: skip
_PLAIN_O = frozenset(
    {"piano", "banjo", "dodo", "burrito", "taco", "flamingo", "kiwi", "yo-yo", "hippo", "rhino", "avocado", "kimono",
     "volcano"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noun:
    """One noun. `drawings`: set name → name of the drawing in that set."""

    name: str
    forms: tuple[str, ...]
    group: str
    drawings: Mapping[str, str]


def plural(name: str) -> str:
    """Return the plural of a lower-case noun or noun phrase; a noun that has none comes back unchanged."""
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if name.endswith("s") or name in _UNCOUNTED:
        return name
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    hissing = name.endswith(("ch", "sh", "x")) or (name.endswith("o") and name not in _PLAIN_O)
    return name + ("es" if hissing else "s")


def _read() -> dict[str, Noun]:
    nouns = {}
    for line in (files(__package__) / "things.txt").read_text(encoding="utf-8").splitlines():
        forms, group, *names = line.split("\t")
        spelled = tuple(forms.split(", "))
        drawings = {icon_set: name for icon_set, name in zip(SETS, names, strict=True) if name}
        nouns[spelled[0]] = Noun(spelled[0], spelled, group, MappingProxyType(drawings))
    return nouns


NOUNS: Mapping[str, Noun] = MappingProxyType(_read())
"""Name → noun, in the order of the file, which fixes the token ids."""

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


_ALIKE = 0.75
"""Of `difflib`'s ratio, from which two spellings are alike."""


@lru_cache(maxsize=2)
def _near(file: str) -> dict[str, tuple[str, ...]]:
    lines = (files(__package__) / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines)
    return {word: tuple(names.split(", ")) for word, names in pairs}


@lru_cache(maxsize=4096)
def closest(word: str, most: int = 3) -> tuple[str, ...]:
    """Return up to *most* known words for an unknown one, the nearest first; none if nothing is near."""
    word = word.lower()
    alike = difflib.get_close_matches(word, CANONICAL, n=2 * most, cutoff=_ALIKE)
    found = [*_near("related.txt").get(word, ()), *(CANONICAL[form] for form in alike)]
    beside = _near("neighbours.txt").get(found[0], ()) if found else ()
    return tuple(dict.fromkeys([*found, *beside]))[:most]


def complete(start: str, most: int = 25) -> tuple[str, ...]:
    """Return known things and places whose names, or failing that whose synonyms, begin with *start*."""
    start = start.lower()
    topics = ("things", "shapes", "places", *GROUPS)
    names = [name for topic in topics for name in KNOWN[topic] if name.startswith(start)]
    synonyms = [CANONICAL[form] for form in CANONICAL if form.startswith(start)] if len(names) < most else []
    return tuple(dict.fromkeys([*names, *synonyms]))[:most]


def unknown_sentence(words: Sequence[str], most: int = 3) -> str:
    """Return one line about unknown words: the first *most* of them, and the nearest known ones.

    >>> unknown_sentence(["dragn"])
    'I don’t know “dragn”; closest: dragon, lizard, dinosaur.'
    """
    named = [f"“{word}”" for word in words[:most]] + (["more"] if len(words) > most else [])
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    ranks = zip_longest(*(closest(word) for word in words[:most]))
    near = tuple(dict.fromkeys(name for rank in ranks for name in rank if name))[:most]
    return f"I don’t know {listed}" + (f"; closest: {', '.join(near)}." if near else ".")


WELCOME_PROMPTS = (
    "a rocket in space",
    "a castle on a hill at sunset",
    "a dolphin in the sea at sunset",
    "a sailboat on the sea at sunset",
    "an owl at night",
    "a penguin in the snow",
    "three strawberries on a white background",
    "a red balloon in the sky",
    "a parrot in the forest",
    "a blue guitar on an orange background",
)
"""Chosen of 30 by the grader and by eye: the worst of 100 seeds of each shows all that it names."""
