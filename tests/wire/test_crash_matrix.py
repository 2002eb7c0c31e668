"""Bot, engine or both die at each point of a job's journey: one job, one charge, one live final message, then peace."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from bot.interactions.connector import Link
from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from bot.storage import DATABASE
from tests.wire import schemas
from tests.wire.conftest import dreambot_maker
from tests.wire.crashing_bot import CAME_BY, KILLED
from tests.wire.looks import dreamt, is_result, nothing_is_owed
from tests.wire.people import Shown
from tests.wire.world import MakeBot, World

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
SURVIVED = ("engine", "workers", "worker")
"""Whose death the bot survives."""
PAINTING = ["started", "handed over", "picture file", "picture row", "ended"]
STARBOARD_POINTS = ["starboard posting", "starboard posted"]
SHEET_POINTS = ["sheet noted", "sheet edited"]
VOTE_POINTS = ["vote stored", "vote posted", "vote closed", "vote edited"]
WRITES = ("POST", "PATCH", "PUT", "DELETE")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["bot", "engine", "both"])
@pytest.mark.parametrize("point", POINTS)
async def test_whatever_dies_wherever_there_is_one_job_one_charge_and_one_message(
    authority: Authority, tmp_path: Path, point: str, who: str
) -> None:
    await two_lives(authority, tmp_path, point, who, workers=0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("point", "who"),
    [*itertools.product(POINTS, ["router", "workers"]), *itertools.product(PAINTING, ["bot"])],
)
async def test_the_same_with_two_workers(authority: Authority, tmp_path: Path, point: str, who: str) -> None:
    await two_lives(authority, tmp_path, point, "engine" if who == "router" else who, workers=2)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["bot", "router", "worker"])
@pytest.mark.parametrize("point", PAINTING)
async def test_the_same_with_three_workers(authority: Authority, tmp_path: Path, point: str, who: str) -> None:
    await two_lives(authority, tmp_path, point, "engine" if who == "router" else who, workers=3)


@asynccontextmanager
async def lasting_world(authority: Authority, folder: Path, make: MakeBot | None = None) -> AsyncIterator[World]:
    """A world whose data outlast its bots. In the end, no message may have broken Discord's schemas."""
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        (folder / "data").mkdir()
        world = World(site, make or dreambot_maker({}), folder / "data")
        try:
            yield world
        finally:
            await world.stop_bot()
        assert [] == site.record.findings()


async def two_lives(
    authority: Authority,
    tmp_path: Path,
    point: str,
    who: str,
    workers: int = 0,
    ray: Mapping[str, Any] | None = None,
) -> None:
    """A first life, in which *who* dies at *point*, then two more."""
    options = {"delivery": {"ping_after_seconds": 0.0}, "workers": workers, "ray": ray}
    async with lasting_world(authority, tmp_path, dreambot_maker(options)) as world:
        await one_life(world, tmp_path, point, who, workers=workers, ray=ray)

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


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", VOTE_POINTS)
async def test_a_bot_that_dies_anywhere_in_a_vote_leaves_one_vote_that_ends_once(
    authority: Authority, tmp_path: Path, point: str
) -> None:
    async with lasting_world(authority, tmp_path) as world:
        await world.start_bot()
        sheet = await dreamt(world.max, "an owl", count=2)
        question = (await world.max.click(sheet, "Vote")).message
        starts = point in ("vote stored", "vote posted")
        if not starts:
            await world.max.click(question, "10 minutes")
            vote = await world.max.wait_for_message(is_vote)
            await world.max.click(vote, "B")
        await world.stop_bot()
        if not starts:
            with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection:
                connection.execute("UPDATE votes SET ends_at = 0")
                connection.commit()

        def press() -> None:
            if starts:
                world.site.people.click(world.max.id, question.state, question.buttons["10 minutes"], None)

        await one_life(world, tmp_path, point, "bot", press)
        await world.start_bot()
        if starts:
            vote = await world.max.wait_for_message(is_vote)
            await world.max.click(vote, "B")
            world.forward(601)
        message = await world.max.wait_for_message(lambda m: "Winner: **B" in m.text, seconds=60)
        await nothing_to_show(world)
        await world.stop_bot()
        before = written(world)
        await world.start_bot()
        await nothing_to_show(world)
        await world.stop_bot()

        assert [message.id] == [one.id for one in world.max.sees() if "Press a letter" in one.text or "Win" in one.text]
        assert before == written(world)


def is_vote(message: Shown) -> bool:
    return "Press a letter" in message.text


async def nothing_to_show(world: World) -> None:
    """Wait until the messages of all votes are up to date."""
    async with asyncio.timeout(60):
        while await world.bot.store.votes.owed(float("inf")):
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", SHEET_POINTS)
async def test_a_bot_that_dies_while_it_hides_labels_shows_them_after_the_vote(
    authority: Authority, tmp_path: Path, point: str
) -> None:
    async with lasting_world(authority, tmp_path) as world:
        await world.start_bot()
        sheet = await dreamt(world.max, "an owl", count=2)
        before = sheet.text
        question = (await world.max.click(sheet, "Vote")).message
        await world.stop_bot()

        def press() -> None:
            world.site.people.click(world.max.id, question.state, question.buttons["10 minutes"], None)

        await one_life(world, tmp_path, point, "bot", press)
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection:
            connection.execute("UPDATE votes SET ends_at = 0")
            connection.commit()
        await world.start_bot()

        await world.max.wait_for_message(lambda m: "No votes were cast" in m.text, seconds=60)
        await world.max.wait_for(sheet, lambda m: m.text == before, 60)
        async with asyncio.timeout(60):
            while await world.bot.store.covered_sheets.due(float("inf")):
                await asyncio.sleep(0.02)
        await world.stop_bot()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", STARBOARD_POINTS)
async def test_a_bot_that_dies_while_it_posts_a_starred_picture_posts_it_once(
    authority: Authority, tmp_path: Path, point: str
) -> None:
    async with lasting_world(authority, tmp_path) as world:
        await world.start_bot()
        await world.olive.slash("settings server", starboard=world.channel("gallery").id, stars=1)
        owl = await dreamt(world.max, "an owl")
        await world.stop_bot()

        await one_life(world, tmp_path, point, "bot", lambda: world.mo.react(owl, "⭐"))

        for _ in range(2):
            await world.start_bot()
            entries = await settled_entries(world)
            await world.stop_bot()
        shown = [message for message in world.max.sees("gallery") if message.pictures]
        assert entries == [message.id for message in shown]
        assert "⭐ **1** · an owl" in shown[0].text


async def settled_entries(world: World) -> list[int]:
    """The messages of all entries of the starboard, once nothing about them is left to do."""
    async with asyncio.timeout(60):
        while True:
            async with world.bot.store.database.reading() as session:
                rows = await session.all("SELECT message_id FROM starboard")
                left = await session.all("SELECT * FROM star_changes")
            if rows and not left and all(row[0] for row in rows):
                return [row[0] for row in rows]
            await asyncio.sleep(0.02)


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


async def one_life(
    world: World,
    folder: Path,
    point: str,
    who: str,
    act: Callable[[], object] | None = None,
    workers: int = 0,
    ray: Mapping[str, Any] | None = None,
    visit: int = 1,
) -> None:
    """Start a bot in a process of its own, ask it for a picture, and wait for what happens at *point*, then its end.

    *act* takes the place of asking. *visit*: which time the bot reaches *point*.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.wire.crashing_bot",
        "--config",
        str(settings(folder, workers, ray)),
        cwd=ROOT,
        env={
            **os.environ,
            "DREAMBOT_CRASH_AT": point,
            "DREAMBOT_CRASH_VISIT": str(visit),
            "DREAMBOT_CRASH_WHO": who,
            "DREAMBOT_DATA": str(folder / "data"),
            "DREAMBOT_PLAYGROUND": str(link(world, folder)),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await world.until(lambda: world.site.gateway.online and world.site.commands.all(), 60, what="the first life")
        if act is None:
            world.site.people.slash(world.max.id, world.channel("studio").id, "dream", {"prompt": "an owl"})
        else:
            act()
        if who in SURVIVED:  # the bot lives on, and is stopped as usual
            await world.until((folder / "data" / CAME_BY).exists, 60, what=f"the point “{point}”")
            process.terminate()
        assert (0 if who in SURVIVED else KILLED) == await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def settings(folder: Path, workers: int = 0, ray: Mapping[str, Any] | None = None) -> Path:
    """Settings with the fake engine, or a router with so many of them or with *ray*, and a ping for every picture."""
    fake = folder / "fake-python"
    fake.write_text(
        f'#!/bin/sh\n[ "$2" = engine.router.main ] && exec {sys.executable} -m tests.fork_server\n'
        f"exec {sys.executable} -m tests.fake_engine\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    engine: dict[str, Any] = {"python": str(fake), "devices": ["cpu"] * workers}
    if ray is not None:
        engine |= {"workers": "ray", "ray": dict(ray)}
    path = folder / "config.toml"
    sections = {
        "engine": engine,
        "delivery": {"edit_seconds": 0.1, "ping_after_seconds": 0.0},
        "queue": {"cooldown_seconds": 0.0},
    }
    path.write_text("".join(itertools.starmap(table, sections.items())))
    return path


def table(name: str, values: Mapping[str, Any]) -> str:
    """A table of TOML, whose strings, numbers and arrays are those of JSON."""
    own = [f"{key} = {json.dumps(value)}\n" for key, value in values.items() if not isinstance(value, Mapping)]
    inner = [table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, Mapping)]
    return "".join([f"[{name}]\n", *own, *inner])


def link(world: World, folder: Path) -> Path:
    path = folder / "link.json"
    Link(world.site.port, world.site.authority.pem, world.site.world.app.token).write(path)
    return path
