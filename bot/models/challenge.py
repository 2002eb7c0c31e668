"""Challenges: a theme, entries until a deadline, a blind vote, winners. All values are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_EACH = 5
"""Largest number of entries per person."""
MOST_ENTRIES = 25
"""Entries of a challenge: a vote holds so many."""


class ChallengeState(StrEnum):
    """The last two are final."""

    OPEN = "open"
    VOTING = "voting"
    ENDED = "ended"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (ChallengeState.ENDED, ChallengeState.CANCELLED)


@dataclass(frozen=True, slots=True)
class ChallengeEntry:
    """One picture of a challenge. *painted*: for the challenge, outside of the person's quota."""

    job_id: str
    index: int
    user_id: int
    painted: bool


@dataclass(frozen=True, slots=True)
class Winner:
    """A winning picture, and the units of the prize that its author received."""

    user_id: int
    job_id: str
    index: int
    votes: int
    units: float


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge as stored. Times are unix seconds."""

    id: str
    server_id: int
    channel_id: int
    host_id: int
    """0: forgotten."""
    theme: str
    entries_each: int
    vote_seconds: float
    prize: float
    """Units, shared by all winners."""
    created_at: float
    deadline: float
    message_id: int | None = None
    """The announcement in the channel; None until Discord has it."""
    thread_id: int | None = None
    state: ChallengeState = ChallengeState.OPEN
    vote_id: str = ""
    """The vote; empty before it starts."""
    ended_at: float | None = None
    reason: str = ""
    """Why it ended without a winner."""
    result_id: int | None = None
    """The message that names the winners; None until Discord has it."""
    pinned: bool = False
    revision: int = 1
    """Number of the newest change that the announcement has to show."""
    shown: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Rank:
    """One line of a leaderboard."""

    user_id: int
    wins: int
    stars: int
    entries: int
