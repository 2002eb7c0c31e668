"""Several pictures of one job that differ in what was typed: ways to paint, values of a list, two lists crossed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.models.vote import MOST_CANDIDATES, PROMPT, Trait
from engine.requests.prompts import Prompt
from engine.requests.request import MAX_SEED, DreamRequest

PLACES = ("first", "second", "third", "fourth")
"""The options of `/compare` that name ways."""
MOST = MOST_CANDIDATES
"""Pictures of a comparison; Discord's menus and votes take as many."""
MOST_SEPARATE = 10
"""Files that Discord takes in one message."""
WAY, STYLE, SEED = "way", "style", "seed"
"""Axes beside the names of settings and `PROMPT`."""
_SEEDS = re.compile(r"\bseed=\[[^\]]*\]")


class Way(BaseModel):
    """One picture: its request, its label, and its value on each axis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    request: DreamRequest
    traits: tuple[Trait, ...] = ()
    """Empty if the only axis are the ways themselves."""

    def with_seed(self, seed: int) -> Way:
        traits = tuple((axis, str(seed) if axis == SEED else value) for axis, value in self.traits)
        label = label_of(traits) if SEED in dict(traits) else self.label
        return Way(label=label, request=self.request.model_copy(update={"seed": seed}), traits=traits)


class Comparison(BaseModel):
    """The ways in the order of the sheet. Picture *i* is painted in way *i*; two crossed lists go row by row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: Literal["compare"] = "compare"
    ways: tuple[Way, ...] = Field(min_length=2, max_length=MOST)
    source: str = ""
    """The prompt as typed, with its lists; empty if the ways differ in settings only and have no traits."""
    lists: str = ""
    """Lists and settings as typed beside the prompt."""
    negative: str = ""
    command: Literal["compare", "dream"] = "compare"
    """Where *source* was typed: `/dream` reads lists in braces."""
    usual: str = ""
    """Settings that defaults added, so that the typed line means the same for another person."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return self.ways[0].request.prompts

    @property
    def seed(self) -> int:
        return self.ways[0].request.seed

    @property
    def count(self) -> int:
        return len(self.ways)

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of every picture that one of the ways needs beside it."""
        return tuple(dict.fromkeys(sha for way in self.ways for sha in way.request.images))

    @property
    def cost(self) -> float:
        return sum(way.request.cost for way in self.ways)

    @property
    def grid(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Labels of the rows and of the columns if two lists are crossed, else None."""
        if any(len(way.traits) != 2 for way in self.ways):
            return None
        rows, columns = (tuple(dict.fromkeys(label_of(way.traits[i : i + 1]) for way in self.ways)) for i in (0, 1))
        return (rows, columns) if len(rows) * len(columns) == self.count else None

    @property
    def separate(self) -> bool:
        """Whether its pictures are shown one by one, as those of `/dream`; a message has room for `MOST_SEPARATE`."""
        return self.command == "dream" and self.count <= MOST_SEPARATE

    @property
    def has_seeds(self) -> bool:
        return any(SEED in dict(way.traits) for way in self.ways)

    def with_seed(self, seed: int) -> Comparison:
        """The same from another seed; seeds that were listed keep their distances."""
        moved = (seed - self.seed) if self.has_seeds else 0
        ways = tuple(
            way.with_seed((way.request.seed + moved) % (MAX_SEED + 1) if self.has_seeds else seed) for way in self.ways
        )
        listed = f"seed=[{','.join(dict.fromkeys(str(way.request.seed) for way in ways))}]"
        source, lists = (_SEEDS.sub(listed, text) for text in (self.source, self.lists))
        return self.model_copy(update={"ways": ways, "source": source, "lists": lists})


def changed(
    request: DreamRequest | Comparison, change: Callable[[DreamRequest], DreamRequest]
) -> DreamRequest | Comparison:
    """*request*, or every picture of a comparison, with *change* applied."""
    if isinstance(request, DreamRequest):
        return change(request)
    ways = tuple(way.model_copy(update={"request": change(way.request)}) for way in request.ways)
    return request.model_copy(update={"ways": ways})


def label_of(traits: Iterable[Trait]) -> str:
    """``red · steps=10``: prompt parts, styles and ways explain themselves."""
    return " · ".join(value if axis in (PROMPT, STYLE, WAY) else f"{axis}={value}" for axis, value in traits)
