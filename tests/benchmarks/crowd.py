"""Two hundred people and two thousand commands over the real wire, while the engine has more to do than it can.

Bot, local Discord and people share one process, so that every figure counts all three; wall time means something on a
quiet machine only. DREAMBOT_CROWD=PEOPLE:COMMANDS makes a smaller crowd.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from bot.operations.process import resident_bytes
from bot.playground.server.tls import Authority
from bot.playground.server.world.entities import Member, User
from tests.benchmarks.measure import Figure
from tests.wire.conftest import dreambot_maker, opened
from tests.wire.test_soak import shown_jobs
from tests.wire.world import World

PEOPLE, COMMANDS = map(int, os.environ.get("DREAMBOT_CROWD", "200:2000").split(":"))
EVERY = 0.05
"""Seconds between two commands."""
CHANNELS = ("studio", "gallery")
SETTINGS = {
    "queue": {"per_user": 1000, "total": 10_000},
    "quota": {"units": 0.0},
    "delivery": {"edit_seconds": 3.0, "burst": 2},
    "environ": {"DREAMBOT_FAKE_STEP": "0.01", "DREAMBOT_FAKE_SLOTS": "4"},
}


def run() -> list[Figure]:
    """Let the crowd in, wait until everybody has a picture, and count."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Authority(), Path(folder), dreambot_maker(dict(SETTINGS))) as world:
            crowd = Crowd(world)
            return await crowd.figures()


class Crowd:
    """The people, and how long each of them waited for the first answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = random.Random(1)
        self.waits: list[float] = []
        self.failed = 0
        self.dreams = 0
        self.edits = 0
        world.site.record.listeners.append(self._count)
        self.people = [self._newcomer(number) for number in range(PEOPLE)]

    def _newcomer(self, number: int) -> int:
        site = self.world.site
        user = User(site.ids.next(), f"person{number}")
        site.world.users[user.id] = user
        for guild in site.world.guilds.values():
            guild.members[user.id] = Member(user.id, site.world.now())
        return user.id

    async def figures(self) -> list[Figure]:
        memory, cpu, begun = [resident_bytes()], time.process_time(), time.monotonic()
        answers = []
        for number in range(COMMANDS):
            answers.append(asyncio.create_task(self._act()))
            await asyncio.sleep(EVERY)
            if number == COMMANDS // 2:
                memory.append(resident_bytes())
        await asyncio.gather(*answers)
        seconds, edits = time.monotonic() - begun, self.edits
        memory.append(resident_bytes())
        await self._all_done()
        waits = sorted(self.waits)
        shown = self._shown()
        return [
            Figure("first answer, median", 1000 * waits[len(waits) // 2], "ms"),
            Figure("first answer, p99", 1000 * waits[int(len(waits) * 0.99)], "ms", "≤ 250"),
            Figure("commands without an answer", self.failed, "", "0"),
            Figure("jobs lost", self.dreams - len(shown), "", "0"),
            Figure("jobs shown twice", sum(times > 1 for times in shown.values()), "", "0"),
            Figure(
                "CPU per command, picture and Discord included",
                1000 * (time.process_time() - cpu) / COMMANDS,
                "ms",
                "≤ 60",
            ),
            Figure("edits per minute while they ask", 60 * edits / seconds, ""),
            Figure("memory after half of the commands", memory[1] / 2**20, "MB"),
            Figure("memory after all of them", memory[2] / 2**20, "MB", "flat"),
        ]

    async def _act(self) -> None:
        """Four of five ask for a picture, the fifth looks at the queue or the quota."""
        who, where = self.random.choice(self.people), self.world.channel(self.random.choice(CHANNELS))
        dreams = self.random.random() < 0.8
        command = "dream" if dreams else self.random.choice(("queue", "quota"))
        begun = time.perf_counter()
        act = self.world.site.people.slash(who, where.id, command, {"prompt": "an owl"} if dreams else {})
        outcome = await act.outcome
        self.waits.append(time.perf_counter() - begun)
        self.failed += bool(outcome.failed)
        self.dreams += dreams and not outcome.failed

    async def _all_done(self) -> None:
        jobs = self.world.services.jobs
        while jobs.registry.running() or jobs.registry.waiting() or await self.world.bot.store.deliveries.pending():
            await asyncio.sleep(0.5)

    def _shown(self) -> Counter[str]:
        return shown_jobs(self.world, *CHANNELS)

    def _count(self, exchange: object) -> None:
        self.edits += getattr(exchange, "method", "") == "PATCH"
