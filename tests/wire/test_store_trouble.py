"""The store fails once, at any step of stars, votes and challenges: each message is sent once, without a restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.errors import StoreError
from bot.storage.community.challenges import ChallengeRows
from bot.storage.community.starboard import StarboardEntry, StarboardRows
from bot.storage.community.stars import Stars
from bot.storage.community.votes import VoteRows
from bot.storage.messages import JobMessages, Presses
from tests.bot.core import count
from tests.wire.looks import deleted, dreamt
from tests.wire.people import Person
from tests.wire.test_challenge_crashes import finish, nothing_is_owed, outcome
from tests.wire.test_compare import parse_comparison
from tests.wire.test_favorites import starred
from tests.wire.test_starboard import board, entries, entry, settled
from tests.wire.test_votes import ended, vote_on
from tests.wire.world import World


@pytest.fixture
def fails(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the next call of a method fail as on a full disk; the returned list tells that it did."""
    world.allow("disk is full")

    def at(rows: type, method: str) -> list[str]:
        right, failed = getattr(rows, method), list[str]()

        async def once(*given: Any, **named: Any) -> Any:
            if not failed:
                failed.append(method)
                raise StoreError("The database cannot be written: disk is full.")
            return await right(*given, **named)

        monkeypatch.setattr(rows, method, once)
        return failed

    return at


@pytest.mark.parametrize("method", ["changes", "claim", "entry", "add", "posted", "editing", "shown", "remove"])
async def test_a_starboard_entry_is_one_message_in_step_with_its_stars(
    world: World, olive: Person, max_: Person, mo: Person, fails: Any, method: str
) -> None:
    await board(olive)
    owl = await dreamt(max_, "an owl")
    failed = fails(StarboardRows, method)

    await starred(mo, owl)
    shown = await entry(max_, 1)
    await starred(olive, owl)
    assert shown.id == (await entry(max_, 2)).id
    await settled(world)
    await deleted(max_, owl)
    await world.until(lambda: not entries(max_), what="the entry to go")
    assert [method] == failed


async def test_an_entry_whose_message_is_not_stored_goes_with_its_stars(
    world: World, olive: Person, max_: Person, mo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.allow("disk is full")
    await board(olive)
    owl = await dreamt(max_, "an owl")
    posted = StarboardRows.posted

    async def fail(self: StarboardRows, new: StarboardEntry) -> None:
        monkeypatch.setattr(StarboardRows, "posted", posted)
        mo.unreact(owl, "⭐")
        await gone(world, "stars")
        raise StoreError("The database cannot be written: disk is full.")

    monkeypatch.setattr(StarboardRows, "posted", fail)
    mo.react(owl, "⭐")

    await world.until(lambda: StarboardRows.posted is posted and not entries(max_), what="the entry to go")
    await gone(world, "starboard")


@pytest.mark.parametrize(("rows", "method"), [(JobMessages, "job_id"), (Stars, "lift")])
async def test_a_star_that_is_taken_back_while_the_store_fails_goes_all_the_same(
    world: World, max_: Person, mo: Person, fails: Any, rows: type, method: str
) -> None:
    owl = await dreamt(max_, "an owl")
    mo.react(owl, "⭐")
    await stars(world, 1)
    failed = fails(rows, method)

    mo.unreact(owl, "⭐")

    await stars(world, 0)
    assert [method] == failed


@pytest.mark.parametrize(("rows", "method"), [(JobMessages, "job_id"), (Presses, "first")])
async def test_a_reaction_while_the_store_fails_counts_all_the_same(
    world: World, max_: Person, mo: Person, fails: Any, rows: type, method: str
) -> None:
    owl = await dreamt(max_, "an owl")
    failed = fails(rows, method)

    mo.react(owl, "⭐")

    await stars(world, 1)
    assert [method] == failed


async def test_reactions_are_caught_up_with_although_the_store_fails(
    world: World, max_: Person, mo: Person, fails: Any
) -> None:
    owl = await dreamt(max_, "an owl")
    await world.stop_bot()
    mo.react(owl, "⭐")
    failed = fails(JobMessages, "recent")

    await world.start_bot()

    await stars(world, 1)
    assert ["recent"] == failed


async def stars(world: World, expected: int) -> None:
    async with asyncio.timeout(20):
        while await count(world.bot.store, "stars") != expected:
            await asyncio.sleep(0.02)


async def gone(world: World, table: str) -> None:
    async with asyncio.timeout(10):
        while await count(world.bot.store, table):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("method", ["find", "posted", "owed", "close_due"])
async def test_a_vote_is_one_message_that_ends(world: World, max_: Person, mo: Person, fails: Any, method: str) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels steps=20", seed=9)
    vote = await vote_on(mo, sheet)
    await max_.click(vote, "A")
    failed = fails(VoteRows, method)

    await ended(world, mo, vote)

    await nothing_is_owed(world)
    assert "Winner: **A · " in vote.text
    assert [vote.id] == [m.id for m in mo.sees() if "Winner" in m.text]
    assert [method] == failed


WRITES = ["posted", "threaded", "start_vote", "end", "add_winners", "result_posted", "result_pinned", "shown"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", WRITES)
async def test_a_challenge_has_one_announcement_thread_vote_and_result(
    world: World, olive: Person, fails: Any, method: str
) -> None:
    world.allow("160004")  # the thread that the store does not know is asked for again
    failed = fails(ChallengeRows, method)
    await olive.slash("challenge start", theme="owls", deadline="24h", vote="1h", prize=50.0)
    async with asyncio.timeout(60):
        while not any(one.thread_id for one in await world.bot.store.challenges.running()):
            await asyncio.sleep(0.02)

    await finish(world, "challenge stored")
    await nothing_is_owed(world)

    assert (1, 1, 1, 1, 2, (0.0, 50.0)) == await outcome(world)
    assert [method] == failed
