"""Random lives: people ask and cancel, the engine paints, fails and dies, the bot crashes."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.errors import Refused
from bot.jobs import JobState
from tests.bot.core import ANN, BOB, CID, Core, config, dream, running_core
from tests.bot.fakes import FakeClock

SETTINGS = config(queue={"per_user": 4}, quota={"units": 30.0, "window": "rolling", "hours": 1.0})
BOOKED = {
    JobState.QUEUED: "reserved",
    JobState.RUNNING: "reserved",
    JobState.DONE: "charged",
    JobState.FAILED: "refunded",
    JobState.CANCELLED: "refunded",
}


class Life:
    """One folder, and one core on it at a time."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.stack = AsyncExitStack()
        self.core: Core

    async def begin(self) -> None:
        self.core = await self.stack.enter_async_context(
            running_core(self.folder, SETTINGS, clock=self.clock, slots=self.random.randint(1, 4))
        )

    async def act(self) -> None:
        """Something happens."""
        await self.random.choice([self.ask, self.ask, self.ask, self.cancel, self.paint, self.paint, self.fail])()
        self.clock.advance(self.random.uniform(0, 60))
        if self.random.random() < 0.1:
            await self.random.choice([self.die, self.crash, self.close])()

    async def ask(self) -> None:
        try:
            await self.core.ask(self.random.choice([ANN, BOB, CID]), dream(count=self.random.randint(1, 3)))
        except Refused:
            return

    async def cancel(self) -> None:
        alive = await self.core.store.jobs.alive()
        if alive:
            job = self.random.choice(alive)
            await self.core.dispatcher.cancel(job.id, job.origin.user_id)

    async def paint(self) -> None:
        if under_way := list(self.core.engine.under_way):
            job_id = self.random.choice(under_way)
            self.core.engine.paint(job_id)
            await self.core.until(lambda: job_id not in {job.id for job in self.core.dispatcher.running()})

    async def fail(self) -> None:
        if under_way := list(self.core.engine.under_way):
            self.core.engine.fail(self.random.choice(under_way), "NotFinite", "It broke.")

    async def die(self) -> None:
        self.core.engine.die()
        self.core.engine.revive()

    async def crash(self) -> None:
        await self.stack.aclose()
        await self.begin()

    async def close(self) -> None:
        await self.core.dispatcher.close(0.0)
        await self.crash()

    async def check(self) -> None:
        """Every job is booked once, as its state says, and every end is to be delivered once."""
        async with self.core.store.transaction() as session:
            rows = await session.all(
                "SELECT jobs.state, charges.state, cost, charges.reserved, charged,"
                " (SELECT count(*) FROM deliveries WHERE job_id = jobs.id AND purpose = 'result'),"
                " (SELECT count(*) FROM pictures WHERE job_id = jobs.id),"
                " request ->> '$.count' FROM jobs LEFT JOIN charges ON job_id = jobs.id"
            )
        for state, booked, cost, reserved, charged, deliveries, pictures, wanted in rows:
            assert BOOKED[JobState(state)] == booked
            assert cost == reserved
            assert (cost if state == "done" else 0) == charged
            assert int(JobState(state).over) == deliveries
            assert pictures == wanted or state != "done"

    async def finish(self) -> None:
        """Nothing dies any more; everything comes to its end."""
        while alive := await self.core.store.jobs.alive():
            await self.core.until(lambda: bool(self.core.engine.under_way))
            await self.paint()
            assert len(await self.core.store.jobs.alive()) < len(alive)


async def live(folder: Path, seed: int, acts: int) -> None:
    life = Life(folder, seed)
    await life.begin()
    async with life.stack:
        for _ in range(acts):
            await life.act()
            await life.check()
        await life.finish()
        await life.check()
        assert {"ok"} == {row[0] for row in await _integrity(life.core)}


async def _integrity(core: Core) -> list[tuple[str]]:
    async with core.store.database.reading() as session:
        return [tuple(row) for row in await session.all("PRAGMA integrity_check")]


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    await live(tmp_path, seed, 40)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_nothing_is_lost_or_doubled_in_many_lives(tmp_path: Path) -> None:
    for seed in range(100, 160):
        await live(tmp_path / str(seed), seed, 100)
