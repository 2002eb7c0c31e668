"""A person's wait: the real bot, discord.py and engine over real HTTP and WebSocket to the local Discord. Wall time, so
it means something on a quiet machine only.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from bot.playground.server.tls import Authority
from tests.benchmarks.measure import Figure
from tests.wire.conftest import dreambot_maker, opened
from tests.wire.looks import is_enlarged, is_painting, is_result
from tests.wire.world import World

ROUNDS = 5
SECONDS = 120.0


def run() -> list[Figure]:
    """The medians of some dreams, one after the other."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    # Nothing here may say that it cannot import torch: pytest's fixtures are used as plain functions.
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        async with opened(Authority(), Path(folder), dreambot_maker({"real_engine": True})) as world:
            online = time.perf_counter() - begun
            await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")
            ready = time.perf_counter() - begun
            dreams = [await _dream(world, seed) for seed in range(ROUNDS)]
            memory = _megabytes(world.bot.engine.ready.pid)
    answer, snapshot, done, enlarged = (statistics.median(column) for column in zip(*dreams, strict=True))
    return [
        Figure("start of the bot → online", online, "s", "≤ 2"),
        Figure("start of the bot → the engine can paint", ready, "s"),
        Figure("/dream → the message is there", answer * 1000, "ms", "≤ 250"),
        Figure("/dream → first snapshot", snapshot, "s", "≤ 2"),
        Figure("/dream → the picture", done, "s", "≤ 10"),
        Figure("Upscale → 1024×1024", enlarged, "s", "≤ 3"),
        Figure("memory of the engine", memory, "MB"),
    ]


async def _dream(world: World, seed: int) -> tuple[float, float, float, float]:
    """Seconds to the message, to the first snapshot, to the picture; and from a press to the enlarged picture."""
    begun = time.perf_counter()
    answer = await world.max.slash("dream", prompt="a red circle on a blue background", seed=seed)
    there = time.perf_counter() - begun
    await world.max.wait_for(answer.message, is_painting, SECONDS)
    forming = time.perf_counter() - begun
    message = await world.max.wait_for(answer.message, is_result, SECONDS)
    done = time.perf_counter() - begun
    begun = time.perf_counter()
    pressed = await world.max.click(message, "Upscale")
    await world.max.wait_for(pressed.message, is_enlarged, SECONDS)
    return there, forming, done, time.perf_counter() - begun


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
