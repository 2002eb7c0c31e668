"""The bot with workers on a Ray cluster of two nodes, in which something dies at each crash point.

Every job ends once, is shown once and is charged once. Skipped where Ray is not installed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import discord
import pytest

from bot import retry as failpoints
from bot.bot import DreamBot
from bot.config.settings import load_config
from bot.models.job import JobRow, JobState
from bot.playground.server.tls import Authority
from tests.ray_cluster import RayCluster, pid_of, ray_cluster, raylet_above
from tests.wire.looks import is_result, nothing_is_owed
from tests.wire.people import Shown
from tests.wire.test_crash_matrix import PAINTING, POINTS, lasting_world, settings, two_lives, written
from tests.wire.test_workers import where, workers
from tests.wire.world import MakeBot, World

STARTS = 180.0
"""Seconds within which nodes, router and workers start on a busy machine."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as made:
        yield made


@pytest.mark.parametrize(
    ("who", "points"), [("worker", PAINTING), ("router", PAINTING), ("raylet", POINTS), ("head", PAINTING)]
)
async def test_whatever_dies_at_each_point_every_job_ends_once_and_is_charged_once(
    authority: Authority,
    cluster: RayCluster,
    tmp_path: Path,
    who: str,
    points: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if who == "head":  # the router works on until it misses the head, after about five seconds
        monkeypatch.setenv("DREAMBOT_FAKE_STEP", "0.15")
    async with lasting_world(authority, tmp_path, bot_of(settings(tmp_path, ray=cluster.settings))) as world:
        await world.start_bot()
        asked = 0
        for point in points:
            asked += await undisturbed(world)  # a worker that crashed three times without a finished job would rest
            with failing(point, lambda: kill(who, world, cluster)) as died:
                shown = await both_ask(world)
                await world.until(lambda: died, STARTS, what=f"the point “{point}”")
                if who == "raylet":
                    await asyncio.to_thread(cluster.replace_other)
                if who == "head":
                    await world.until(lambda: world.bot.engine.ready is None, STARTS, what="the loss of the router")
                    await asyncio.to_thread(cluster.restart)
                await both_get(world, shown)
            asked += len(shown)
            await each_once(world, asked)
        assert any(job.attempt > 1 for job in await jobs(world))
        before = written(world)

        await world.stop_bot()
        await world.start_bot()
        await each_once(world, asked)
        await world.stop_bot()

        assert before == written(world)


@pytest.mark.parametrize("point", PAINTING)
async def test_a_bot_that_dies_leaves_the_cluster_to_the_next_one(
    authority: Authority, cluster: RayCluster, tmp_path: Path, point: str
) -> None:
    await two_lives(authority, tmp_path, point, "bot", ray=cluster.settings)


def bot_of(path: Path) -> MakeBot:
    """The bot with the settings of a file, as `python -m bot run` makes it."""

    def make(world: World, connector: aiohttp.BaseConnector) -> discord.Client:
        config = load_config(path, {"DREAMBOT_DATA": str(world.folder)})
        return DreamBot(config, connector=connector, clock=world.site.clock.now)

    return make


@contextmanager
def failing(point: str, kills: Callable[[], None]) -> Iterator[list[str]]:
    """Calls *kills* when the bot reaches *point* for the first time; the list then contains the point."""
    died: list[str] = []

    def reached(name: str) -> None:
        if name == point and not died:
            died.append(name)
            kills()

    failpoints.install(reached)
    try:
        yield died
    finally:
        failpoints.install(None)


def kill(who: str, world: World, cluster: RayCluster) -> None:
    """The router, a worker or the raylet of the second node, or Ray's processes on the first node."""
    match who:
        case "router":
            pids = [int((world.folder / "engine.pid").read_text())]
        case "worker":
            node = pid_of(cluster.other, "raylet")
            pids = [one.pid for one in workers(world).values() if raylet_above(one.pid) == node]
        case "raylet":
            pids = [pid_of(cluster.other, "raylet")]
        case _:
            pids = [pid_of(cluster.head, name) for name in ("gcs_server", "raylet")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def undisturbed(world: World) -> int:
    """Let people ask until each of the two workers has painted a picture. Returns the number of jobs."""
    pool = world.services.jobs.registry.workers
    await world.until(lambda: [False] * 2 == [bool(load.state.trouble) for load in pool], STARTS, what="two workers")
    painted: set[str] = set()
    asked = 0
    while len(painted) < 2:
        shown = await both_ask(world)
        asked += len(shown)
        painted |= await both_get(world, shown)
    return asked


async def both_ask(world: World) -> list[Shown]:
    """Two people ask for a picture; their messages."""
    asks = (person.slash("dream", prompt="slowly an owl") for person in (world.max, world.mo))
    return [answer.message for answer in await asyncio.gather(*asks)]


async def both_get(world: World, shown: list[Shown]) -> set[str]:
    """Wait for the pictures. Returns the workers that were seen at work."""
    seen: set[str] = set()

    def all_shown() -> bool:
        seen.update(where(world).values())
        return all(map(is_result, shown))

    await world.until(all_shown, STARTS, what="both pictures")
    return seen


async def jobs(world: World) -> list[JobRow]:
    return [job for person in (world.max, world.mo) for job in await world.jobs_of(person, 100)]


async def each_once(world: World, count: int) -> None:
    """So many jobs, each done with one picture, shown in one message, pinged once and charged once."""
    await nothing_is_owed(world)
    found = await jobs(world)
    assert [(JobState.DONE, 1)] * count == [(job.state, len(job.pictures)) for job in found]
    assert {job.message_id for job in found} == {message.id for message in world.max.sees() if is_result(message)}
    assert count == len({job.message_id for job in found})
    assert count == sum("ready." in message.content for message in world.max.sees())
    for person in (world.max, world.mo):
        cost = sum(job.cost for job in await world.jobs_of(person, 100))
        assert cost == pytest.approx((await world.services.jobs.quota.balance(person.id)).used)
    async with world.bot.store.database.reading() as session:
        charges = [row[0] for row in await session.all("SELECT state FROM charges")]
        deliveries = {row[0] for row in await session.all("SELECT state FROM deliveries")}
    assert (["charged"] * count, {"delivered"}) == (charges, deliveries)
