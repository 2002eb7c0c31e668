"""The bot dies at each point of a challenge: one announcement, thread, vote, result and prize, then peace."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.playground.server.tls import Authority
from bot.storage import DATABASE
from tests.wire.people import Shown
from tests.wire.test_challenges import DAY, balance, entered, letter, result_of, start, thread_of, vote_of
from tests.wire.test_crash_matrix import lasting_world, one_life, written
from tests.wire.world import World

STARTING = ["challenge stored", "challenge announced", "thread made"]
ENTERING = ["submitted", "answering", "answered", "posted", "ended", "sending end", "end sent"]
VOTING = ["vote stored", "vote posted"]
ENDING = ["challenge decided", "result posted", "result pinned", "sheet edited"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", [*STARTING, *ENTERING, *VOTING, *ENDING])
async def test_a_bot_that_dies_anywhere_in_a_challenge_leaves_one_that_ends_once(
    authority: Authority, tmp_path: Path, point: str
) -> None:
    async with lasting_world(authority, tmp_path) as world:
        await prepare(world, point)
        if point in VOTING:
            change(tmp_path, "UPDATE challenges SET deadline = 0")
        if point in ENDING:
            change(tmp_path, "UPDATE votes SET ends_at = 1")

        def press() -> None:
            studio = world.channel("studio").id
            if point in STARTING:
                typed = {"theme": "owls", "deadline": "24h", "vote": "1h", "prize": 50.0}
                world.site.people.slash(world.olive.id, studio, "challenge start", typed)
            if point in ENTERING:
                world.site.people.slash(world.max.id, studio, "challenge enter", {"prompt": "an owl"})

        await one_life(world, tmp_path, point, "bot", press)
        try:
            await world.start_bot()
            await finish(world, point)
            await nothing_is_owed(world)
            first = await outcome(world)
            await world.stop_bot()
            before = written(world)
            await world.start_bot()
            await nothing_is_owed(world)
            second = await outcome(world)
        finally:
            await world.stop_bot()

        assert (1, 1, 1, 1, 2, (0.0, 50.0)) == first
        assert first == second
        assert before == written(world)


async def prepare(world: World, point: str) -> None:
    """Go as far as the life that ends at *point* begins."""
    await world.start_bot()
    if point not in STARTING:
        announcement = await start(world.olive, prize=50)
        await entered(world.mo, "a fox", announcement)
        if point not in ENTERING:
            await entered(world.max, "an owl", announcement)
        if point in ENDING:
            world.forward(DAY + 1)
            vote = await vote_of(world.max, announcement)
            await world.mo.click(vote, await letter(world, vote, world.max))
    await world.stop_bot()


async def finish(world: World, point: str) -> None:
    """Go on from *point* to the end of the challenge."""
    announcement = await world.max.wait_for_message(lambda m: "**Challenge: owls**" in m.text, seconds=60)
    await world.until(lambda: announcement.id in world.site.world.channels, 60, what="the thread")
    if point in STARTING:
        await world.max.wait_for(announcement, lambda m: "Enter …" in m.buttons)
        await entered(world.mo, "a fox", announcement)
    if point in STARTING:
        await entered(world.max, "an owl", announcement)
    if point in ENTERING:
        async with asyncio.timeout(60):
            while [job.state.value for job in await world.jobs_of(world.max)] != ["done"]:
                await asyncio.sleep(0.02)
    if point not in (*VOTING, *ENDING):
        world.forward(DAY + 1)
    if point not in ENDING:
        vote = await vote_of(world.max, announcement)
        assert_blind(world, announcement)
        await world.mo.click(vote, await letter(world, vote, world.max))
        world.forward(3601)
    await result_of(world.max, announcement)


def assert_blind(world: World, announcement: Shown) -> None:
    """No message has told an author or a prompt."""
    shown = [*world.mo.sees(), *world.mo.sees(thread_of(announcement))]
    said = json.dumps([state for message in shown for state in message.history])
    assert not [word for word in ("an owl", "a fox", world.max.mention, world.mo.mention) if word in said]


async def outcome(world: World) -> tuple[object, ...]:
    """Numbers of announcements, votes, results, winners and entries; what the winner used and was given.

    Every entry has one message, which shows its author again.
    """
    [announcement, *others] = [m for m in world.max.sees() if "**Challenge: owls**" in m.text]
    inside = world.max.sees(thread_of(announcement))
    async with world.bot.store.database.reading() as session:
        winners = await session.all("SELECT user_id FROM challenge_winners")
        entries = await session.all("SELECT * FROM challenge_entries")
    assert [world.max.id] == [row[0] for row in winners]
    results = [m for m in inside if "Leaderboard" in m.buttons]
    assert all(m.raw["pinned"] for m in results)
    shown = [m.text.partition("entry by ")[2].partition(" ")[0] for m in inside if "entry by " in m.text]
    assert sorted(shown) == sorted([world.max.mention, world.mo.mention])
    votes = [m for m in inside if "· ended <t:" in m.text]
    return (
        1 + len(others),
        len(votes),
        len(results),
        len(winners),
        len(entries),
        await balance(world, world.max),
    )


async def nothing_is_owed(world: World) -> None:
    """Wait until all messages of votes and challenges are up to date."""
    store = world.bot.store
    async with asyncio.timeout(60):
        while (
            await store.votes.owed(float("inf"))
            or await store.challenges.owed(float("inf"))
            or await store.challenges.running()
            or await store.deliveries.pending()
            or await store.covered_sheets.due(float("inf"))
        ):
            await asyncio.sleep(0.02)


def change(folder: Path, sql: str) -> None:
    """Change the database between two lives."""
    with closing(sqlite3.connect(folder / "data" / DATABASE)) as connection:
        connection.execute(sql)
        connection.commit()
