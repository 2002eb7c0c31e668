"""Bot, engine or both die at each point of a job's journey: one job, one charge, one live final message, then peace."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from bot.interactions.connector import Link
from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from tests.wire import schemas
from tests.wire.conftest import dreambot_maker
from tests.wire.crashing_bot import CAME_BY, KILLED
from tests.wire.looks import is_result
from tests.wire.world import World

ROOT = Path(__file__).parents[2]
POINTS = [
    "submitted",
    "answering",
    "answered",
    "posted",
    "started",
    "handed over",
    "picture file",
    "picture row",
    "ended",
    "sending end",
    "end sent",
    "delivered",
    "pinging",
    "pinged",
]
"""After every commit, before and after every call of Discord's, between a file and its row."""
WRITES = ("POST", "PATCH", "PUT", "DELETE")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["bot", "engine", "both"])
@pytest.mark.parametrize("point", POINTS)
async def test_whatever_dies_wherever_there_is_one_job_one_charge_and_one_message(
    authority: Authority, tmp_path: Path, point: str, who: str
) -> None:
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        world = World(site, dreambot_maker({"delivery": {"ping_after_seconds": 0.0}}), tmp_path / "data")
        (tmp_path / "data").mkdir()
        await one_life(world, tmp_path, point, who)

        await world.start_bot()
        message = await world.max.wait_for_message(is_result, seconds=60)
        first = await outcome(world)
        await world.stop_bot()
        before = written(world)

        await world.start_bot()
        second = await outcome(world)
        await world.stop_bot()

        assert ([message.id], 1, "done", 1, "charged", {"delivered"}) == first
        assert first == second
        assert before == written(world)
        assert [] == site.record.findings()


async def outcome(world: World) -> tuple[object, ...]:
    """Messages with a picture, pings, the job's state, pictures kept, its charge, what became of its deliveries."""
    await nothing_is_owed(world)
    [job] = await world.jobs_of(world.max)
    assert job.cost == (await world.services.jobs.quota.balance(world.max.id)).used
    async with world.bot.store.database.reading() as session:
        [charge] = await session.all("SELECT state FROM charges")
        deliveries = {row[0] for row in await session.all("SELECT state FROM deliveries")}
    shown = [message.id for message in world.max.sees() if message.state.embeds]
    pings = sum("ready." in message.content for message in world.max.sees())
    return shown, pings, job.state.value, len(job.pictures), charge[0], deliveries


def written(world: World) -> int:
    """Requests that change something, so far."""
    return sum(exchange.method in WRITES for exchange in world.site.record.exchanges)


async def one_life(world: World, folder: Path, point: str, who: str) -> None:
    """Start a bot in a process of its own, ask it for a picture, and wait for what happens at *point*, then its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.wire.crashing_bot",
        "--config",
        str(settings(folder)),
        cwd=ROOT,
        env={
            **os.environ,
            "DREAMBOT_CRASH_AT": point,
            "DREAMBOT_CRASH_WHO": who,
            "DREAMBOT_DATA": str(folder / "data"),
            "DREAMBOT_PLAYGROUND": str(link(world, folder)),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await world.until(lambda: world.site.gateway.online and world.site.commands.all(), 60, what="the first life")
        world.site.people.slash(world.max.id, world.channel("studio").id, "dream", {"prompt": "an owl"})
        if who == "engine":  # the bot lives on, and is stopped as usual
            await world.until((folder / "data" / CAME_BY).exists, 60, what=f"the point “{point}”")
            process.terminate()
        assert (0 if who == "engine" else KILLED) == await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def settings(folder: Path) -> Path:
    """Settings with the fake engine, and a ping for every picture."""
    fake = folder / "fake-python"
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.fake_engine\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    path = folder / "config.toml"
    path.write_text(f'[engine]\npython = "{fake}"\n[delivery]\nedit_seconds = 0.1\nping_after_seconds = 0.0\n')
    return path


def link(world: World, folder: Path) -> Path:
    path = folder / "link.json"
    Link(world.site.port, world.site.authority.pem, world.site.world.app.token).write(path)
    return path


async def nothing_is_owed(world: World) -> None:
    """Wait until everything has been said."""
    async with asyncio.timeout(60):
        while await world.bot.store.deliveries.pending():
            await asyncio.sleep(0.02)
