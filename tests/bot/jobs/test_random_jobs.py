"""Random histories: people ask, confirm, cancel; a moderator grants; the engine paints, fails, dies; the bot crashes.

Whatever happens, every unit is where it belongs: held for a job that lives, spent on pictures that are there, or back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.errors import Lapsed, Refused, Unconfirmed
from bot.jobs.admission import Submission
from bot.models.job import JobRow, JobState, owner_of
from bot.storage.confirmations import Confirmation
from tests.bot.core import ANN, BOB, CID, MOD, Core, config, dream, history, origin, running_core
from tests.bot.fakes import FakeClock

SETTINGS = config(
    queue={"per_user": 4},
    quota={"units": 30.0, "window": "rolling", "hours": 1.0, "confirm_share": 0.3, "confirm_least": 3.0},
)
ALLOWANCE = 30_000_000
"""Pixel steps per window."""
BOOKED = {
    JobState.QUEUED: "reserved",
    JobState.RUNNING: "reserved",
    JobState.DONE: "charged",
    JobState.FAILED: "refunded",
    JobState.CANCELLED: "refunded",
}


class Life:
    """One folder, and one core on it at a time."""

    def __init__(self, folder: Path, seed: int, workers: int = 0) -> None:
        self.folder = folder
        self.workers = workers
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.stack = AsyncExitStack()
        self.questions: list[tuple[Confirmation, int]] = []
        self.core: Core

    async def begin(self) -> None:
        self.core = await self.stack.enter_async_context(
            running_core(self.folder, SETTINGS, clock=self.clock, slots=self.random.randint(1, 4), workers=self.workers)
        )

    async def act(self) -> None:
        """Something happens."""
        await self.random.choice(
            [self.ask] * 4 + [self.answer, self.cancel, self.paint, self.paint, self.fail, self.grant]
        )()
        self.clock.advance(self.random.uniform(0, 60))
        if self.random.random() < 0.1:
            await self.random.choice([self.die, self.crash, self.close])()

    async def ask(self) -> None:
        user, request = self.random.choice([ANN, BOB, CID]), dream(count=self.random.choice([1, 2, 3, 6]))
        try:
            await self.core.ask(user, request)
        except Unconfirmed:
            self.questions.append((await self.core.jobs.confirmation.ask(request, origin(user)), user))
        except Refused:
            return

    async def answer(self) -> None:
        """Yes, no, or yes from two hands at once, now and then to what has been answered before."""
        if not self.questions:
            return
        question, user = self.random.choice(self.questions[-3:])
        submit, before = self.core.jobs.submit, len(await history(self.core.store, user, 10_000))
        if self.random.random() < 0.2:
            with contextlib.suppress(Lapsed):
                await self.core.jobs.confirmation.decline(question.id, user)
            return
        yes = [
            submit(Submission(question.request, origin(user), answers=question.id))
            for _ in range(self.random.randint(1, 2))
        ]
        said = await asyncio.gather(*yes, return_exceptions=True)
        taken = [job for job in said if isinstance(job, JobRow)]
        assert all(isinstance(one, JobRow | Refused) for one in said)
        assert len(taken) == len(await history(self.core.store, user, 10_000)) - before <= 1

    async def grant(self) -> None:
        user = self.random.choice([ANN, BOB, CID])
        await self.core.jobs.quota.grant(user, self.random.randint(-6, 8), MOD, "")

    async def cancel(self) -> None:
        alive = await self.core.store.jobs.alive()
        if alive:
            job = self.random.choice(alive)
            await self.core.jobs.cancel(job.id, job.origin.user_id)

    async def paint(self) -> None:
        if under_way := list(self.core.engine.under_way):
            job_id = self.random.choice(under_way)
            for index in range(self.core.engine.under_way[job_id].request.count):
                if index == 0 or self.random.random() < 0.8:  # now and then one of several fails
                    self.core.engine.picture(job_id, index)
            attempt = self.core.engine.under_way[job_id].attempt
            self.core.engine.result(job_id)
            await self.core.until(lambda: self.core.jobs.registry.row(job_id, attempt) is None)

    async def fail(self) -> None:
        if under_way := list(self.core.engine.under_way):
            self.core.engine.fail(self.random.choice(under_way), "NotFinite", "It broke.")

    async def die(self) -> None:
        engine = self.core.engine
        if self.workers and self.random.random() < 0.7:
            engine.die_worker(self.random.choice(engine.workers))
            for worker in list(engine.down) if self.random.random() < 0.7 else ():
                engine.revive_worker(worker)
        else:
            engine.die()
            engine.revive()

    async def crash(self) -> None:
        await self.stack.aclose()
        await self.begin()

    async def close(self) -> None:
        await self.core.jobs.close(0.0)
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
            assert (round(cost * pictures / wanted) if state == "done" else 0) == charged
            assert int(JobState(state).over) == deliveries
            assert 0 < pictures <= wanted or state != "done"
        for user in (ANN, BOB, CID):
            await self.check_purse(user)

    async def check_purse(self, user: int) -> None:
        """Nobody has more than they were given, and what is given is there, held or spent."""
        async with self.core.store.transaction() as session:
            [(given, held, spent)] = await session.all(
                "SELECT (SELECT coalesce(sum(amount), 0) FROM credits WHERE owner = ?1),"
                " coalesce(sum(iif(state = 'reserved', from_credit, 0)), 0), coalesce(sum(charged_credit), 0)"
                " FROM charges WHERE owner = ?1",
                owner_of(user),
            )
        balance = await self.core.jobs.quota.balance(user)
        assert given - held - spent == round(balance.credit * 1e6) >= 0
        assert round((balance.used + balance.reserved) * 1e6) <= ALLOWANCE

    async def finish(self) -> None:
        """Nothing dies any more; everything comes to its end."""
        self.core.engine.revive()
        while alive := await self.core.store.jobs.alive():
            missing = sum(len(job.missing) for job in alive)  # of a batch a part is painted at a time
            await self.core.until(lambda: bool(self.core.engine.under_way))
            await self.paint()
            assert sum(len(job.missing) for job in await self.core.store.jobs.alive()) < missing


async def live(folder: Path, seed: int, acts: int, workers: int = 0) -> None:
    life = Life(folder, seed, workers)
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


@pytest.mark.parametrize(("workers", "seed"), [(2, 20), (2, 21), (4, 22)])
async def test_nothing_is_lost_or_doubled_with_several_workers(tmp_path: Path, workers: int, seed: int) -> None:
    await live(tmp_path, seed, 40, workers)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_nothing_is_lost_or_doubled_in_many_lives(tmp_path: Path) -> None:
    for seed in range(100, 160):
        await live(tmp_path / str(seed), seed, 100, workers=(0, 2, 3)[seed % 3])
