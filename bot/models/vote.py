"""Blind votes over pictures, and what they say about options and prompt parts. All values are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from string import ascii_uppercase
from typing import TypeAlias

Trait: TypeAlias = tuple[str, str]
"""(axis, value), for example ("style", "ink") or ("prompt", "a fox"): what a candidate has and another may lack."""
PROMPT = "prompt"
"""The axis of prompt parts."""
MOST_CANDIDATES = 25
"""Buttons that Discord allows in one message."""


class Blindness(Enum):
    """What the message of a job hides, because of a vote over its pictures or as entries of a challenge."""

    NONE = auto()
    VOTE = auto()
    """What tells the pictures apart."""
    ENTRY = auto()
    """Author and prompt."""
    OPEN_ENTRY = auto()
    """Author and prompt, while the entry can be withdrawn."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One picture of a vote. *place* 0 is the letter A. *label* is hidden until the vote ends."""

    job_id: str
    index: int
    author_id: int
    label: str
    traits: tuple[Trait, ...] = ()
    place: int = 0

    @property
    def letter(self) -> str:
        return ascii_uppercase[self.place]


@dataclass(frozen=True, slots=True)
class VotePlace:
    """A channel of a server. *thread_of*: the parent channel of a thread or post."""

    server_id: int
    channel_id: int
    thread_of: int | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote as stored. Times are unix seconds."""

    id: str
    where: VotePlace
    starter_id: int
    title: str
    others_only: bool
    """People cannot vote for their own picture."""
    spoiler: bool
    mature: bool
    """A candidate has mature words, so the results are shown in age-restricted channels only."""
    created_at: float
    ends_at: float
    candidates: tuple[Candidate, ...]
    message_id: int | None = None
    is_open: bool = True
    revision: int = 1
    """Number of the newest change that the message has to show."""
    shown: int = 0
    """Number of the change that the message shows."""
    tries: int = 0
    counts: Mapping[int, int] = field(default_factory=dict)
    """Place → ballots; empty while the vote is open, so that counts stay hidden."""

    @property
    def authors(self) -> frozenset[int]:
        return frozenset(one.author_id for one in self.candidates)

    @property
    def winners(self) -> tuple[Candidate, ...]:
        """Candidates with the most ballots: several for a tie, none without a ballot or before the end."""
        most = max(self.counts.values(), default=0)
        return tuple(one for one in self.candidates if most and self.counts.get(one.place, 0) == most)


@dataclass(frozen=True, slots=True)
class Duel:
    """Ballots for *winner* and for *loser*, two values of one *axis*, in votes where they stood against each other."""

    axis: str
    winner: str
    loser: str
    wins: int
    losses: int
