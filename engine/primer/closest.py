"""Known words near an unknown one: related nouns, words spelled alike, and the neighbours of the best of them.

`related.txt` and `neighbours.txt` hold a word or a noun a line, with the names of known things; nearly all come from
the tags and groups of emojibase-data (MIT). No numpy, no Pillow: the bot imports this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import zip_longest

from engine.primer.things import GROUPS
from engine.primer.vocabulary import CANONICAL, KNOWN

_ALIKE = 0.75
"""Of `difflib`'s ratio, from which two spellings are alike."""


@lru_cache(maxsize=2)
def _table(file: str) -> dict[str, tuple[str, ...]]:
    lines = (files(__package__) / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines)
    return {word: tuple(names.split(", ")) for word, names in pairs}


@lru_cache(maxsize=4096)
def closest(word: str, most: int = 3) -> tuple[str, ...]:
    """Return up to *most* known words for an unknown one, the nearest first; none if nothing is near."""
    word = word.lower()
    alike = difflib.get_close_matches(word, CANONICAL, n=2 * most, cutoff=_ALIKE)
    found = [*_table("related.txt").get(word, ()), *(CANONICAL[form] for form in alike)]
    beside = _table("neighbours.txt").get(found[0], ()) if found else ()
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
