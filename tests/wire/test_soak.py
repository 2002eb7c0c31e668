"""A bad afternoon: engines are killed, the bot is restarted, Discord stutters, and people keep asking and cancelling.

DREAMBOT_SOAK_SECONDS and DREAMBOT_SOAK_SEED choose another length and another afternoon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter

import pytest

from bot.playground.server.validation.components import walk
from tests.wire.looks import nothing_is_owed
from tests.wire.people import Person
from tests.wire.world import World

SECONDS = float(os.environ.get("DREAMBOT_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("DREAMBOT_SOAK_SEED", "11"))
SETTLED = 120.0
PROMPTS = ("an owl", "an owl slowly", "a fox", "a boat", "a boat nan", "an owl die", "a broken owl")


class Afternoon:
    """What happens, at random, but the same way for the same seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.asked: set[str] = set()
        self.happened: Counter[str] = Counter()

    async def something_happens(self) -> None:
        acts = [self.ask] * 12 + [self.cancel] * 2 + [self.kill, self.stutter, self.stutter, self.cut]
        act = self.restart if self.random.random() < 0.02 else self.random.choice(acts)
        self.happened[act.__name__] += 1
        await act()

    async def ask(self) -> None:
        person: Person = self.random.choice([self.world.olive, self.world.max, self.world.mo])
        act = self.world.site.people.slash
        options = {"prompt": self.random.choice(PROMPTS), "count": self.random.choice([1, 1, 2])}
        act(person.id, self.world.channel("studio").id, "dream", options)

    async def cancel(self) -> None:
        alive = [
            *self.world.services.jobs.registry.running(),
            *(job for job, _ in self.world.services.jobs.registry.waiting()),
        ]
        if alive:
            job = self.random.choice(alive)
            with contextlib.suppress(Exception):  # it may end at this very moment
                await self.world.services.jobs.cancel(job.id, job.origin.user_id)

    async def kill(self) -> None:
        if ready := self.world.bot.engine.ready:
            with contextlib.suppress(ProcessLookupError):
                os.kill(ready.pid, signal.SIGKILL)

    async def restart(self) -> None:
        await self.world.restart_bot()

    async def stutter(self) -> None:
        faults, times = self.world.faults, self.random.randint(1, 3)
        match self.random.randrange(4):
            case 0:
                faults.rate_limited("PATCH|POST", 0.05, times=times)
            case 1:
                faults.server_error(r"(PATCH|POST) .*/messages", 503, times=times)
            case 2:
                faults.server_error(r"(PATCH|POST) .*/messages", 502, times=times, after=True)
            case _:
                faults.slow("PATCH", 0.1, times=times)

    async def cut(self) -> None:
        self.world.site.gateway.cut()
        await self.world.until(lambda: self.world.site.gateway.online, 30, what="the line to be back")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.bot(queue={"per_user": 500, "total": 1000}, quota={"units": 0.0}, environ={"DREAMBOT_FAKE_STEP": "0.002"})
async def test_after_a_bad_afternoon_nothing_is_lost_doubled_or_broken(world: World) -> None:
    world.allow("10062", "50027", "10015", "The engine", "40060")
    afternoon = Afternoon(world, SEED)
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        await afternoon.something_happens()
        await asyncio.sleep(afternoon.random.random() * 0.15)
    world.faults.clear()

    jobs = world.services.jobs
    await world.until(
        lambda: not jobs.registry.running() and not jobs.registry.waiting(),
        SETTLED,
        what="every job to end",
        shown=lambda: f"{len(jobs.registry.running())} running, {len(jobs.registry.waiting())} waiting",
    )
    await nothing_is_owed(world, SETTLED)
    assert [("ok",)] == [tuple(row) for row in await rows(world, "PRAGMA integrity_check")]
    assert [] == await rows(world, "SELECT id FROM jobs WHERE state NOT IN ('done', 'failed', 'cancelled')")
    # A ping is a courtesy: where Discord goes on failing it is given up, lest somebody be called twice.
    assert [] == await rows(world, "SELECT job_id FROM deliveries WHERE purpose = 'result' AND state <> 'delivered'")
    assert [] == [tuple(row) for row in await rows(world, WRONGLY_CHARGED)]
    jobs = {row[0] for row in await rows(world, "SELECT id FROM jobs")}
    assert (jobs, set()) == (set(shown_jobs(world)), {job for job, n in shown_jobs(world).items() if n > 1})
    assert len(jobs) > SECONDS
    assert afternoon.happened["kill"] and afternoon.happened["stutter"]


WRONGLY_CHARGED = """
    SELECT jobs.id, jobs.state, charges.state FROM jobs LEFT JOIN charges ON charges.job_id = jobs.id
    WHERE charges.state IS NOT CASE jobs.state WHEN 'done' THEN 'charged' ELSE 'refunded' END
"""


def shown_jobs(world: World, *channels: str) -> Counter[str]:
    """Job → messages in which it can be seen, by their buttons."""
    found: Counter[str] = Counter()
    for message in (message for channel in channels or ("studio",) for message in world.olive.sees(channel)):
        ids = (str(c.get("custom_id", "")).split(":") for c in walk(message.state.components))
        found.update({parts[2] for parts in ids if len(parts) > 2 and parts[0] == "dream"})
    return found


async def rows(world: World, sql: str) -> list[tuple[object, ...]]:
    async with world.bot.store.database.reading() as session:
        return list(await session.all(sql))
