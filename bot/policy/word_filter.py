"""Finds listed words in a text despite disguised letters; lists words of adult content; adds what a server enforces.

Letters are folded to plain ones by the confusables of Unicode UTS #39 (package confusable_homoglyphs) and by the names
of enclosed and small capital letters. A word list only finds what it lists, not paraphrases.
"""

from __future__ import annotations

import importlib.resources
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from pydantic import ValidationError

from bot.errors import Refused
from bot.models.comparison import changed
from bot.models.film import FilmRequest
from bot.models.job import Applied, JobRow
from bot.text import plain, shorten
from engine.errors import DreamError
from engine.requests.prompts import Prompt, in_order, parse_prompts
from engine.requests.request import NEGATIVE_WEIGHT, DreamRequest, UpscaleRequest

SEXUAL = (
    "nude", "nudes", "nudity", "naked", "topless", "nsfw", "porn", "porno", "pornographic", "pornography", "hentai",
    "erotic", "erotica", "sex", "sexual", "sexy", "genitals", "penis", "vagina", "vulva", "boobs", "nipples",
    "orgasm", "masturbating", "masturbation", "intercourse", "fellatio", "fetish", "bdsm", "lingerie", "rule34",
)  # fmt: skip
CRUEL = ("gore", "gory", "disembowelled", "dismembered", "decapitated", "beheaded", "mutilated", "torture")
MINORS = (
    "child", "children", "kid", "kids", "minor", "minors", "underage", "preteen", "preteens", "teen", "teens",
    "teenager", "teenagers", "toddler", "toddlers", "baby", "babies", "infant", "infants", "schoolgirl", "schoolgirls",
    "schoolboy", "schoolboys", "little girl", "little girls", "little boy", "little boys", "young girl", "young boy",
    "loli", "lolita", "lolicon", "shota", "shotacon",
)  # fmt: skip

_SHAPES = str.maketrans(
    # Cyrillic and Greek letters that stand for Latin ones by shape or sound, then digits that stand for letters.
    "авгезикмнорстухіјѕԁһӏьαβγεηικνορτυχωσ0134578ł",
    "abreenkmhopctyxijsdhibabyenikvoptuxwsoieastbl",
)
_SIGNS = str.maketrans("@$€!|¡", "aseiii")
_SIGN = re.compile(r"[@$€](?=\w)|(?<=\w)[!|¡](?=\w)")
"""Signs that stand for letters, except where they end a word."""
_STROKES = str.maketrans({"l": "i"})
"""l, I, 1 and | are one letter."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that Unicode counts as letters, marks or symbols."""
_NAMED = re.compile(
    r"LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL)(?: DOTLESS| LONG| OPEN| SCRIPT| TURNED| REVERSED)?"
    r" ([A-Z])(?: WITH .*)?|(?:CROSSED )?NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER ([A-Z])"
    r"|REGIONAL INDICATOR SYMBOL LETTER ([A-Z])"
)
"""Unicode names of styled variants of a Latin letter."""
_NO_WORD = re.compile(r"[\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_INSIDE = re.compile(r"(?<=\w)[^\w\s]+(?=\w)|_")
_SPELT = 3
"""This many single letters in a row are one word, s p e l t out."""
_FRAGMENTS = 6
"""A word may be split into at most this many fragments."""
_SPLIT_LETTERS = 4
"""Shorter words are not searched in fragments, nor with doubled letters: “Bob's ex” holds none."""
_SHORT_WORDS = frozenset(
    "a i o x ll re ve am an as at ax be by do go he hi if in is it me my no of oh on or ox so to up us we"
    " al de el en et la le st un mr ms dr vs tv ii iv vi".translate(_STROKES).split()
)
"""Words of one or two letters that are no fragments of a longer word."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A folded word: its letters without repetitions, and how often each is repeated."""

    text: str
    letters: str
    runs: tuple[int, ...]

    def says(self, wanted: _Word) -> bool:
        """Whether this is *wanted*, or *wanted* with letters repeated: “nuuude”, “naakked”."""
        if self.letters != wanted.letters:
            return False
        loose = len(wanted.text) >= _SPLIT_LETTERS
        return all(
            mine == theirs or mine > 2 or (loose and mine > theirs)
            for mine, theirs in zip(self.runs, wanted.runs, strict=True)
        )


def is_mature(texts: Iterable[str]) -> str:
    """The first word of adult content in *texts*, or an empty string."""
    return first_found(texts, (*SEXUAL, *CRUEL))


def first_found(texts: Iterable[str], phrases: Iterable[str]) -> str:
    """The first of *phrases* in *texts*, or an empty string. Parts of a prompt are read singly and joined."""
    readings, fragments, letters = _read(tuple(texts))
    for phrase in phrases:
        wanted = _wanted(phrase)
        if wanted and wanted[0].letters in letters and _stands(wanted, readings, fragments):
            return phrase
    return ""


@lru_cache(maxsize=16)
def _read(texts: tuple[str, ...]) -> tuple[list[tuple[_Word, ...]], list[_Word], frozenset[str]]:
    """The readings of *texts*, joined fragments, and the letters of each word among these.

    Cached, because several lists are looked up in one prompt.
    """
    whole = _words(fold(" ".join(texts)))
    readings = [reading for text in texts for reading in _readings(text)]
    readings += [whole] if len(texts) > 1 else []
    fragments = _joined_fragments(whole)
    return readings, fragments, frozenset(word.letters for words in (*readings, fragments) for word in words)


def fold(text: str) -> str:
    """*text* in plain small letters: look-alikes replaced, accents and invisible characters left out.

    >>> fold("Nàkеd\u200b 0wl")
    'naked owi'
    """
    shown = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    plain = "".join(map(_plain, _UNSEEN.sub("", "".join(shown))))
    bare = unicodedata.normalize("NFKD", plain.casefold())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    signs = _SIGN.sub(lambda found: found[0].translate(_SIGNS), letters.translate(_SHAPES))
    return _POSSESSIVE.sub("", signs.translate(_STROKES))


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """The Latin letter that *char* looks like, or *char*."""
    if char.isascii():
        return char
    named = _NAMED.fullmatch(unicodedata.name(char, ""))
    if named:
        return str(named[named.lastindex or 0])
    return _CONFUSABLE.get(char, char)


def _confusables() -> dict[str, str]:
    """Characters outside ASCII → the Latin letter that UTS #39 says they are confused with."""
    source = importlib.resources.files("confusable_homoglyphs") / "confusables.json"
    table: dict[str, list[dict[str, str]]] = json.loads(source.read_text(encoding="utf-8"))
    found = {
        char: next((other["c"] for other in others if len(other["c"]) == 1 and other["c"] in _LATIN), "")
        for char, others in table.items()
        if len(char) == 1 and not char.isascii()
    }
    return {char: letter for char, letter in found.items() if letter}


_LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CONFUSABLE = _confusables()


def _stands(wanted: tuple[_Word, ...], readings: list[tuple[_Word, ...]], fragments: list[_Word]) -> bool:
    if len(wanted) == 1 and len(wanted[0].text) >= _SPLIT_LETTERS and any(one.says(wanted[0]) for one in fragments):
        return True
    return any(_follows(words, wanted) for words in readings)


def _follows(words: tuple[_Word, ...], wanted: tuple[_Word, ...]) -> bool:
    starts = range(len(words) - len(wanted) + 1)
    return any(
        words[start].says(wanted[0])
        and all(word.says(other) for word, other in zip(words[start + 1 :], wanted[1:], strict=False))
        for start in starts
    )


@lru_cache(maxsize=4096)
def _wanted(phrase: str) -> tuple[_Word, ...]:
    """The words of a listed phrase; cached, because lists are long and change rarely."""
    return _words(fold(phrase))


def _readings(text: str) -> Iterator[tuple[_Word, ...]]:
    """The words of *text* three times: parted by signs, with the signs left out, with spelt words joined."""
    folded = fold(text)
    parted = _words(folded)
    yield parted
    yield _words(_INSIDE.sub("", folded))
    yield tuple(map(_word, _spelt(word.text for word in parted)))


def _words(folded: str) -> tuple[_Word, ...]:
    return tuple(map(_word, _NO_WORD.sub(" ", folded).split()))


@lru_cache(maxsize=4096)
def _word(text: str) -> _Word:
    runs = [(letter, len(list(run))) for letter, run in itertools.groupby(text)]
    return _Word(text, "".join(letter for letter, _ in runs), tuple(length for _, length in runs))


def _spelt(words: Iterable[str]) -> Iterator[str]:
    run: list[str] = []
    for word in (*words, ""):
        if len(word) == 1:
            run.append(word)
            continue
        yield from ["".join(run)] if len(run) >= _SPELT else run
        run.clear()
        if word:
            yield word


def _joined_fragments(words: tuple[_Word, ...]) -> list[_Word]:
    """Neighbouring words joined, as in “na ked”, where one of them is too short to be a word."""
    odd = [len(word.text) <= 2 and word.text not in _SHORT_WORDS for word in words]
    return [
        _word("".join(word.text for word in words[start:end]))
        for start in range(len(words))
        for end in range(start + 2, min(start + _FRAGMENTS, len(words)) + 1)
        if any(odd[start:end])
    ]


ENFORCED = "enforced"
"""`Applied.what` of such a negative prompt."""
MAX_ENFORCED = 200
"""Characters."""
_MOST_PARTS = 4


def check_enforced(negative: str) -> None:
    """Raise PromptError or Refused unless *negative* can be added to requests."""
    parts = parse_prompts(negative)
    if len(parts) > _MOST_PARTS or any(part.weight <= 0 for part in parts):
        raise Refused(f"An enforced negative prompt has up to {_MOST_PARTS} parts with positive weights.")


def enforced(job: JobRow, negative: str) -> JobRow:
    """*job* with the parts of *negative* that its request lacks. Raises Refused if they leave nothing to paint."""
    if not negative or isinstance(job.request, UpscaleRequest):
        return job
    applied = (*job.origin.applied, Applied(ENFORCED, negative, "this server"))
    add, request = partial(_with_negative, negative=negative), job.request
    done = request.with_first(add(request.first)) if isinstance(request, FilmRequest) else changed(request, add)
    return replace(job, request=done, origin=replace(job.origin, applied=applied))


def added_texts(applied: Sequence[Applied]) -> frozenset[str]:
    """The texts, in lower case, of negative prompts that a place has added to a request."""
    added = [one.value for one in applied if one.what in (ENFORCED, "negative")]
    return frozenset(part.text.casefold() for value in added for part in parse_prompts(value))


def _with_negative(request: DreamRequest, negative: str) -> DreamRequest:
    """*request* itself if it contains all parts with at least that weight."""
    wanted = [part.model_copy(update={"weight": part.weight * NEGATIVE_WEIGHT}) for part in parse_prompts(negative)]
    lacking = tuple(part for part in wanted if not _contains(request, part))
    if not lacking:
        return request
    try:
        return DreamRequest(**{**dict(request), "prompts": in_order((*request.prompts, *lacking))})
    except (ValidationError, DreamError) as error:
        added = plain(shorten(negative, MAX_ENFORCED))
        raise Refused(
            f"This server always adds the negative prompt “{added}”, which does not fit this prompt: "
            "use fewer parts, or a larger weight."
        ) from error


def _contains(request: DreamRequest, part: Prompt) -> bool:
    """Whether *request* avoids that text in all steps, at least as much."""
    return any(
        one.text.casefold() == part.text.casefold() and one.weight <= part.weight and one.since is None
        for one in request.prompts
    )
