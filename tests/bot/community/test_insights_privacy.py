"""Votes in hidden channels, on private pictures or in other servers never reach a person's insights."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.community.insights import Insights
from bot.models.gallery import Viewer
from bot.models.job import Origin
from bot.models.vote import Candidate, Vote, VotePlace
from bot.storage import Store
from tests.bot.core import forgotten
from tests.bot.samples import NOW, job
from tests.prepared_database import open_store

HERE, ELSEWHERE = 400, 401
OPEN_CHANNEL, HIDDEN_CHANNEL, ARCHIVED_THREAD = 500, 501, 502


@dataclass(frozen=True)
class Case:
    """One vote and who stands in it. *guild*: where the pictures were shown; None: to their owner alone."""

    server: int
    channel: int
    guild: int | None
    mature: bool
    closed: bool
    ballots: int

    def may_show(self, restricted: bool) -> bool:
        return (
            (self.server, self.guild, self.closed) == (HERE, HERE, True)
            and self.channel != HIDDEN_CHANNEL
            and (restricted or not self.mature)
            and self.ballots > 0
        )


CASES = st.builds(
    Case,
    st.sampled_from([HERE, ELSEWHERE]),
    st.sampled_from([OPEN_CHANNEL, HIDDEN_CHANNEL, ARCHIVED_THREAD]),
    st.sampled_from([HERE, HERE, ELSEWHERE, None]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)


@dataclass(frozen=True)
class Reader:
    """Somebody in the open channel of the server."""

    restricted: bool
    guild_id: int = HERE

    def sees(self, channel_id: int) -> bool:
        return channel_id == OPEN_CHANNEL


class Archives:
    async def viewer(self, caller: Any) -> Viewer:
        return Viewer(1, HERE, (ARCHIVED_THREAD,), caller.restricted)


async def stored(store: Store, number: int, case: Case) -> None:
    """A vote between “word a” and “word b”, with words of its own."""
    origin = Origin(channel_id=20, user_id=30, user_name="Alice", guild_id=case.guild, server_id=case.guild)
    row = replace(job(), id=f"job{number}", origin=origin)
    stand = tuple(Candidate(row.id, i, 30, "", (("style", f"{number}{'ab'[i]}"),), i) for i in (0, 1))
    where = VotePlace(case.server, case.channel)
    vote = Vote(f"vote{number}", where, 30, "", False, False, case.mature, NOW, NOW, stand)
    async with store.transaction() as session:
        await store.jobs.insert(session, row)
        await store.votes.insert(session, vote)
        for person in range(case.ballots):
            assert await store.votes.cast(session, vote.id, person, 0, NOW - 1)
        if case.closed:
            await session.run("UPDATE votes SET state = 'closed' WHERE id = ?", vote.id)


async def shown(cases: list[Case], restricted: bool) -> tuple[set[str], set[str]]:
    """(winners that are shown, those that are left once the owner of all pictures is forgotten)."""
    with tempfile.TemporaryDirectory() as folder:
        async with await open_store(Path(folder)) as store:
            for number, case in enumerate(cases):
                await stored(store, number, case)
            insights = Insights(store, Archives())  # type: ignore[arg-type]
            before = await insights.duels(Reader(restricted))  # type: ignore[arg-type]
            await forgotten(store, 30, NOW)
            after = await insights.duels(Reader(restricted))  # type: ignore[arg-type]
    return {one.winner for one in before}, {one.winner for one in after}


@settings(max_examples=25)
@given(st.lists(CASES, max_size=5), st.booleans())
def test_insights_show_what_the_reader_may_see_and_nothing_else(cases: list[Case], restricted: bool) -> None:
    found, left = asyncio.run(shown(cases, restricted))

    assert {f"{number}a" for number, case in enumerate(cases) if case.may_show(restricted)} == found
    assert set() == left
