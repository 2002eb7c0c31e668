"""Whole words and phrases in a text, whatever letters they are disguised with. Pure.

A list of words is no judge: it finds what somebody has thought of, and nothing that is meant but not said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

_LOOKALIKES = str.maketrans(
    # Cyrillic and Greek letters that look like Latin ones, then digits that stand for letters.
    "авгезикмнорстухіјѕԁһӏьαβγεηικνορτυχωσ0134578ł",
    "abreenkmhopctyxijsdhibabyenikvoptuxwsoieastbl",
)
_SIGNS = str.maketrans("@$€!|¡", "aseiii")
_SIGN = re.compile(r"[@$€](?=\w)|(?<=\w)[!|¡](?=\w)")
"""Signs that stand for letters where one could stand; at the end of a word they are what they are."""
_SAME = str.maketrans({"l": "i"})
"""One stroke is one letter, however it is written."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that nobody sees though Unicode calls them letters, marks or symbols."""
_NO_WORD = re.compile(r"[\W_]+")
_INSIDE = re.compile(r"(?<=\w)[^\w\s]+(?=\w)|_")
_REPEATED = re.compile(r"(.)\1{2,}")
_SPELT = 3
"""So many single letters in a row are one word, s p e l t out."""


def fold(text: str) -> str:
    """*text* in plain small letters: look-alikes replaced, accents and what cannot be seen left out.

    >>> fold("Nàkеd\u200b 0wl")
    'naked owi'
    """
    shown = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    bare = unicodedata.normalize("NFKD", _UNSEEN.sub("", shown).casefold())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    spelt = _SIGN.sub(lambda found: found[0].translate(_SIGNS), letters.translate(_LOOKALIKES))
    return _REPEATED.sub(r"\1", spelt.translate(_SAME))


def contains(text: str, phrase: str) -> bool:
    """Whether *phrase* stands in *text* as whole words, one after the other."""
    return bool(first_found((text,), (phrase,)))


def first_found(texts: Iterable[str], phrases: Iterable[str]) -> str:
    """The first of *phrases* that stands in one of *texts*; empty if none does."""
    readings = [words for text in texts for words in _readings(text)]
    return next((phrase for phrase in phrases if any(_follows(words, _wanted(phrase)) for words in readings)), "")


def _follows(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted or wanted[0] not in words:
        return False
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))


@lru_cache(maxsize=4096)
def _wanted(phrase: str) -> tuple[str, ...]:
    """The words of a phrase from a list; lists are long, and the same for everybody."""
    return tuple(_NO_WORD.sub(" ", fold(phrase)).split())


def _readings(text: str) -> Iterator[tuple[str, ...]]:
    """The words of *text*: signs part them, or are left out of them, or letters are spelt one by one."""
    folded = fold(text)
    parted = tuple(_NO_WORD.sub(" ", folded).split())
    yield parted
    yield tuple(_NO_WORD.sub(" ", _INSIDE.sub("", folded)).split())
    yield tuple(_joined(parted))


def _joined(words: tuple[str, ...]) -> Iterator[str]:
    run: list[str] = []
    for word in (*words, ""):
        if len(word) == 1:
            run.append(word)
            continue
        yield from ["".join(run)] if len(run) >= _SPELT else run
        run.clear()
        if word:
            yield word
