"""Honest pictures while 20 people send 200 hostile ones, over the same people's jobs from harmless pictures."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bot.operations.process import freeze_memory
from bot.playground.server.tls import Authority
from tests.benchmarks.measure import Figure
from tests.engine.images import hostile
from tests.wire.conftest import dreambot_maker, opened
from tests.wire.test_hostile_pictures import FILES, HARMLESS, SENDERS, Peak, attack, drawn, honest

TIMES = 8


def run() -> list[Figure]:
    """The harmless crowd first, then the hostile one."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    accepted = {make() for make in hostile.DECODED.values()}
    files = drawn(SENDERS, FILES // SENDERS)
    settings: dict[str, object] = {"quota": {"units": 0.0}, "queue": {"total": 500}}
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Authority(), Path(folder), dreambot_maker(settings)) as world:
            freeze_memory()  # as `bot.app` does
            world.allow("429", "10062", "handlers did not finish")
            crowd = asyncio.create_task(
                attack(world, [[HARMLESS for data in own if data in accepted] for own in files])
            )
            await asyncio.sleep(1)
            usual = await honest(world.max, TIMES)
            await crowd
            peak = Peak()
            with peak.looking():
                crowd = asyncio.create_task(attack(world, files))
                await asyncio.sleep(1)
                under = await honest(world.max, TIMES)
                await crowd
    own, tree = peak.megabytes()
    return [
        Figure("command → message, under attack over usual", under[0] / usual[0], "×", "≤ 2"),
        Figure("command → picture, under attack over usual", under[1] / usual[1], "×", "≤ 2"),
        Figure("memory of the bot with the local Discord, more than before", own, "MB", "≤ 20"),
        Figure("memory of all processes, more than before", tree, "MB", "≤ 150"),
        Figure("longest pause of the event loop", 1000 * peak.lag, "ms", "≤ 50"),
    ]
