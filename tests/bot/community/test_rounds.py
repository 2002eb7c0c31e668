"""The rounds: each kind of work begins when it is due, never twice at once, and again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.community import rounds
from bot.community.gallery.embedder import PictureIndexer
from bot.community.rounds import Kind, Rounds, kinds_due
from bot.errors import StoreError
from bot.models.job import JobState
from bot.storage import Store
from bot.storage.database import Database
from engine.errors import DreamError
from tests.bot.core import ANN, dream, running_core
from tests.prepared_database import open_store

NOW = 1000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(tmp_path) as store:
        yield store


@pytest.fixture(autouse=True)
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `wake` looks again."""
    monkeypatch.setattr(rounds, "POLL_SECONDS", 3600.0)


class Chore:
    """Work that a test lets go on step by step. *fails*: raised by the first attempts, in this order."""

    def __init__(self, *fails: Exception) -> None:
        self.fails = list(fails)
        self.begun = asyncio.Semaphore(0)
        self.goes_on = asyncio.Semaphore(0)
        self.at_once = 0
        self.most = 0

    async def work(self) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.release()
        try:
            await self.goes_on.acquire()
            if self.fails:
                raise self.fails.pop(0)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def running(store: Store, **chores: Chore) -> AsyncIterator[Rounds]:
    """The rounds with `starboard` and `votes`; both have begun once, as at every start."""
    made = Rounds(store, lambda: NOW)
    kinds: dict[str, Kind] = {"starboard": "starboard", "votes": "votes"}
    for name, chore in chores.items():
        made.add(kinds[name], chore.work)
    task = asyncio.create_task(made.run())
    try:
        for chore in chores.values():
            await chore.begun.acquire()
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def star(store: Store) -> None:
    await store.starboard.queue("job", 0)


async def until_idle(chore: Chore, done: Callable[[], bool] = lambda: True) -> None:
    async with asyncio.timeout(10):
        while chore.at_once or not done():
            await asyncio.sleep(0)


async def test_work_begins_at_the_start_and_then_only_when_it_is_due(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    chore, looked = Chore(), asyncio.Semaphore(0)

    async def look(database: Database, now: float) -> set[Kind]:
        found = await kinds_due(database, now)
        looked.release()
        return found

    monkeypatch.setattr(rounds, "kinds_due", look)
    async with running(store, starboard=chore) as made:
        await looked.acquire()
        chore.goes_on.release()
        await until_idle(chore)
        made.wake()
        await looked.acquire()
        await asyncio.sleep(0)
        assert chore.begun.locked()

        await star(store)
        made.wake()

        await asyncio.wait_for(chore.begun.acquire(), 10)


async def test_work_that_became_due_while_it_ran_begins_again_but_never_twice_at_once(store: Store) -> None:
    chore, other = Chore(), Chore()
    async with running(store, starboard=chore, votes=other) as made:
        await star(store)
        made.wake()
        while "starboard" not in made._missed:
            await asyncio.sleep(0)
        assert chore.begun.locked()

        chore.goes_on.release()

        await asyncio.wait_for(chore.begun.acquire(), 10)
        assert 1 == chore.most


@pytest.mark.parametrize("error", [StoreError("locked"), DreamError("no engine"), RuntimeError("a mistake")])
async def test_a_failure_is_repeated_and_ends_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(rounds, "pause_after", lambda tries: 0.0)
    chore, other = Chore(error), Chore()
    async with running(store, starboard=chore, votes=other):
        chore.goes_on.release()
        await until_idle(chore, lambda: not chore.fails)

        await asyncio.wait_for(chore.begun.acquire(), 10)
        assert 1 == other.at_once


async def test_the_end_of_the_rounds_ends_their_tasks(store: Store) -> None:
    chore = Chore()
    async with running(store, starboard=chore):
        assert 1 == chore.at_once

    await until_idle(chore)


async def test_the_query_names_what_is_due(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        store = core.store
        assert set() == await kinds_due(store.database, NOW)

        job = await core.ask(ANN, dream())
        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)
        assert {"search index"} == await kinds_due(store.database, NOW)

        await PictureIndexer(store, lambda _: False).catch_up()
        await star(store)
        assert {"vectors", "starboard"} == await kinds_due(store.database, NOW)
