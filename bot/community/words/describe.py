"""Describes a picture in prompts: CLIP compares it with texts of known words, and the closest texts are kept.

The search goes through things, colours, places, times and styles. A word is only added if the text then comes closer to
the picture by at least `GAIN`, so that nothing is claimed that CLIP does not see. Texts are chosen by the mean of their
own cosine and that of the thing alone, because colour and place together can outweigh a wrong thing. Equal pictures
give equal prompts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from bot.community.words.clip_reader import ClipReader, Vectors
from bot.community.words.word_lists import COLOURS, PLACES, THINGS, TIMES, styles_for, with_article

PROMPTS = 4
SUBJECTS = 32
"""Things that are compared again with every colour."""
BEAM = 8
"""Texts that are carried on."""
GAIN = 0.005
"""Least gain of a cosine that a word must bring."""
STYLE_GAIN = 0.02
"""The same for a style, which changes the whole text."""
LISTED = 5
"""Things, colours and styles that are listed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A word or a text, and its cosine with the picture."""

    text: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Description:
    """What *perceptor* sees. Every list begins with the closest."""

    perceptor: str
    prompts: tuple[Seen, ...]
    things: tuple[Seen, ...]
    colours: tuple[Seen, ...]
    styles: tuple[Seen, ...]
    note: str = ""
    """Why it may be wrong, or empty."""


Compare: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Seen]]]


@dataclass(frozen=True, slots=True)
class _Draft:
    thing: str
    alone: float
    """Cosine of the thing without any other word."""
    seen: Seen

    @property
    def rank(self) -> tuple[float, str]:
        return -(self.alone + self.seen.cosine), self.seen.text


async def describe(reader: ClipReader, perceptor: str, png: bytes, note: str = "") -> Description:
    """Compare the picture with texts. Raises as `ClipReader` does."""
    picture = await reader.picture(perceptor, png)

    async def compare(texts: Sequence[str]) -> list[Seen]:
        return _by_cosine(texts, await reader.texts(perceptor, texts), picture)

    things = await compare([with_article(thing) for thing in THINGS])
    names = {with_article(thing): thing for thing in THINGS}
    drafts = await _coloured(compare, [(names[one.text], one) for one in sorted(things, key=_order)[:SUBJECTS]])
    for slot in (PLACES, TIMES):
        drafts = await _extended(compare, drafts[:BEAM], [f"{{}} {words}" for words in slot], GAIN)
    styles = styles_for(perceptor)
    drafts = await _extended(compare, drafts, styles, STYLE_GAIN)
    subject = drafts[0].thing
    colours = await compare([with_article(f"{colour} {subject}") for colour in COLOURS])
    styled = await compare([pattern.format(with_article(subject)) for pattern in styles])
    return Description(
        perceptor,
        tuple(sorted((draft.seen for draft in drafts[:PROMPTS]), key=_order)),
        tuple(Seen(names[one.text], one.cosine) for one in sorted(things, key=_order)[:LISTED]),
        tuple(_named(COLOURS, colours)[:LISTED]),
        tuple(_named([pattern.format("…") for pattern in styles], styled)[:LISTED]),
        note,
    )


async def _coloured(compare: Compare, subjects: Sequence[tuple[str, Seen]]) -> list[_Draft]:
    patterns = [f"{colour} {{}}" for colour in COLOURS]
    texts = [with_article(pattern.format(thing)) for thing, _ in subjects for pattern in patterns]
    found = await compare(texts)
    return _chosen([_Draft(thing, seen.cosine, seen) for thing, seen in subjects], found, len(patterns), GAIN)


async def _extended(compare: Compare, drafts: Sequence[_Draft], patterns: Sequence[str], gain: float) -> list[_Draft]:
    """Each draft, with the best of *patterns* if it brings enough; the best draft first."""
    found = await compare([pattern.format(draft.seen.text) for draft in drafts for pattern in patterns])
    return _chosen(drafts, found, len(patterns), gain)


def _chosen(drafts: Sequence[_Draft], found: Sequence[Seen], each: int, gain: float) -> list[_Draft]:
    chosen = []
    for number, draft in enumerate(drafts):
        best = min(found[number * each : (number + 1) * each], key=_order)
        chosen.append(replace(draft, seen=best) if best.cosine >= draft.seen.cosine + gain else draft)
    return sorted(chosen, key=lambda draft: draft.rank)


def _by_cosine(texts: Sequence[str], vectors: Vectors, picture: Vectors) -> list[Seen]:
    cosines = np.round((vectors @ picture).astype(float), 4)  # threads may add up in another order
    return [Seen(text, float(cosine)) for text, cosine in zip(texts, cosines, strict=True)]


def _named(names: Sequence[str], seen: Sequence[Seen]) -> list[Seen]:
    return sorted((Seen(name, one.cosine) for name, one in zip(names, seen, strict=True)), key=_order)


def _order(seen: Seen) -> tuple[float, str]:
    return -seen.cosine, seen.text
