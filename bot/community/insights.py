"""What the votes of a server say: which option or prompt part beats which other one."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import discord

from bot.community.gallery.visibility import Visibility
from bot.embeds.job import COLOURS
from bot.interactions.context import Invocation
from bot.models.job import JobState
from bot.models.vote import PROMPT, Candidate, Duel, Trait, Vote
from bot.storage import Store
from bot.text import count, plain, shorten

LATEST = 200
"""Votes of a server that are counted, newest first."""
_Z = 1.96
"""The 97.5 % quantile of the normal distribution."""


class Insights:
    def __init__(self, store: Store, visibility: Visibility) -> None:
        self._store = store
        self._visibility = visibility

    async def duels(self, caller: Invocation) -> list[Duel]:
        """The pairs of the server's votes in channels that the caller can read, most decided first.

        Votes with mature words count in age-restricted channels only.
        """
        if caller.guild_id is None:
            return []
        votes = await self._store.votes.closed_in(caller.guild_id, LATEST)
        archived = (await self._visibility.viewer(caller)).channels
        shown = [
            vote
            for vote in votes
            if caller.sees(vote.where.channel_id) or vote.where.channel_id in archived
            if caller.restricted or not vote.mature
        ]
        return await asyncio.to_thread(duels_of, shown)


def duels_of(votes: Iterable[Vote]) -> list[Duel]:
    """All pairs of values with at least one ballot, most decided first."""
    ballots: Counter[tuple[Trait, Trait]] = Counter()
    spelling: dict[Trait, str] = {}
    for vote in votes:  # the newest first: its spelling is shown
        for one, other, number in _compared(vote):
            ballots[_key(one), _key(other)] += number
            for trait in (one, other):
                spelling.setdefault(_key(trait), trait[1])
    found = [
        Duel(one[0], spelling[one], spelling[other], wins, ballots[other, one])
        for (one, other), wins in ballots.items()
        if wins > (losses := ballots[other, one]) or (wins == losses and wins and one < other)
    ]
    return sorted(found, key=lambda duel: (-decidedness(duel.wins, duel.losses), duel.winner.casefold()))


def decidedness(wins: int, losses: int) -> float:
    """Lower bound (0…1) of the share of *wins* (Wilson 1927, eq. 2, at 95 %): 14 : 5 is more decided than 1 : 0."""
    total = wins + losses
    share = wins / total
    middle = share + _Z**2 / (2 * total)
    return (middle - _Z * math.sqrt((share * (1 - share) + _Z**2 / (4 * total)) / total)) / (1 + _Z**2 / total)


def _compared(vote: Vote) -> Iterator[tuple[Trait, Trait, int]]:
    """(value, its rival, ballots for the value): candidates that differ in nothing but that value are compared."""
    sides: dict[tuple[Trait, Trait], dict[int, Candidate]] = {}
    for one in vote.candidates:
        for other in vote.candidates:
            mine, theirs = set(one.traits) - set(other.traits), set(other.traits) - set(one.traits)
            if len(mine) == len(theirs) == 1:
                (own,), (rival,) = mine, theirs
                if own[0] == rival[0] and _key(own) != _key(rival):
                    sides.setdefault((own, rival), {})[one.place] = one
    for (own, rival), candidates in sides.items():
        yield own, rival, sum(vote.counts.get(place, 0) for place in candidates)


def _key(trait: Trait) -> Trait:
    return trait[0], " ".join(trait[1].casefold().split())


LINES = 20
VALUE = 40
"""Most characters of a value; all lines fit into an embed even if every character is escaped."""
SILENT = (PROMPT, "style", "way")
"""Axes whose values explain themselves."""
NOTHING = (
    "No votes have been counted yet. Paint several pictures with /compare or count:4, then press **Vote** under them."
)


def insight_embed(duels: Sequence[Duel], about: str) -> discord.Embed:
    """The most decided pairs; with *about* those in which one value contains it."""
    word = about.casefold().strip()
    found = [one for one in duels if word in one.winner.casefold() or word in one.loser.casefold()]
    embed = discord.Embed(title="What wins votes in this server", colour=COLOURS[JobState.DONE])
    if found:
        embed.description = "\n".join(map(_line, found[:LINES]))
        hidden = len(found) - LINES
        more = f" · {count(hidden, 'more pair')}; narrow it down with about:" if hidden > 0 else ""
        embed.set_footer(text=f"Only votes on pictures that differ in nothing else{more}")
    else:
        embed.description = f"No vote has compared “{plain(shorten(about, VALUE))}” yet." if duels else NOTHING
    return embed


def _line(duel: Duel) -> str:
    axis = "" if duel.axis in SILENT else f"{plain(shorten(duel.axis, VALUE))} "
    winner, loser = (f"{axis}**{plain(shorten(value, VALUE))}**" for value in (duel.winner, duel.loser))
    verb = "beats" if duel.wins > duel.losses else "and"
    return f"{winner} {verb} {loser} {duel.wins} : {duel.losses}"
