"""Fixtures of the wire tests: `world` with the project's bot and a fake engine; `olive`, `max_`, `mo` act in it.

A test that wants something else parametrizes it: `@pytest.mark.bot(real_engine=True, queue={"per_user": 1})`.
`protocol` is the same world with the small protocol bot; it tests the local Discord itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest

from bot.bot import DreamBot
from bot.config.logging import RedactingFormatter, set_levels
from bot.config.settings import Config
from bot.playground.server.actions.interactions import ANSWER_SECONDS
from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from engine.client.local import LocalEngine
from tests.fork_server import ROUTER, router_of
from tests.prepared_database import prepare_database
from tests.wire import schemas
from tests.wire.people import Person
from tests.wire.protocol_bot import ProtocolBot
from tests.wire.world import FAKE_ENGINE, REAL_ENGINE, MakeBot, World

SETTINGS: dict[str, dict[str, Any]] = {
    "queue": {"cooldown_seconds": 0.0, "costly_seconds": 0.0},
    "delivery": {"edit_seconds": 0.1, "burst": 2, "press_seconds": 0.3},
    "engine": {"device": "cpu", "threads": 1},
}
"""Settings of the bot under test: as in the playground, quick."""
DRAIN_SECONDS = 0.2
"""How long a bot waits for its pictures when it is stopped; a test may stop it in the middle of one."""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def world(authority: Authority, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The project's bot, online in the small world."""
    mark = request.node.get_closest_marker("bot")
    options = dict(mark.kwargs) if mark else {}
    async with opened(authority, tmp_path, dreambot_maker(options)) as ready:
        yield ready


@pytest.fixture
async def protocol(authority: Authority, tmp_path: Path) -> AsyncIterator[World]:
    """The protocol bot, online in the small world."""

    def make(_: World, connector: aiohttp.BaseConnector) -> discord.Client:
        return ProtocolBot(connector)

    async with opened(authority, tmp_path, make) as ready:
        yield ready


@pytest.fixture
def olive(world: World) -> Person:
    """Owner of the server."""
    return world.olive


@pytest.fixture
def max_(world: World) -> Person:
    """A member."""
    return world.max


@pytest.fixture
def mo(world: World) -> Person:
    """A moderator."""
    return world.mo


def dreambot_maker(options: dict[str, Any]) -> MakeBot:
    """Makes the project's bot: *options* are sections of its settings, `real_engine`, `environ`, `workers` and `ray`.

    *workers*: a router with this many fake engines instead of one; *ray*: `RaySettings` of a router with actors.
    """
    real, environ, workers, ray = (
        options.pop(name, usual)
        for name, usual in (("real_engine", False), ("environ", {}), ("workers", 0), ("ray", None))
    )
    sections = {name: {**SETTINGS.get(name, {}), **options.get(name, {})} for name in {*SETTINGS, *options}}

    def make(world: World, connector: aiohttp.BaseConnector) -> discord.Client:
        world.site.interactions.answer_seconds = ANSWER_SECONDS * crowding()
        config = Config.model_validate({**sections, "data": {"folder": str(world.folder)}})
        command = ROUTER if workers or ray else REAL_ENGINE if real else FAKE_ENGINE
        engine = LocalEngine(
            command,
            data=world.folder,
            environ={**os.environ, **environ},
            threads=1,
            device="cpu",
            variables=router_of(workers, ray=ray) if workers or ray else {},
        )
        prepare_database(world.folder)
        bot = DreamBot(config, connector=connector, engine=engine, clock=world.site.clock.now)
        bot.drain_seconds = DRAIN_SECONDS
        return bot

    return make


def crowding() -> float:
    """Processes that want to run for each core, at least 1: the bot's three seconds last longer on a busy machine."""
    waiting = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1.0, waiting / (os.cpu_count() or 1))


class Errors(logging.Handler):
    """Keeps what must not be logged: errors, and heartbeats that come late."""

    def __init__(self, found: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or "heartbeat blocked" in record.getMessage():
            self._found.append(record)


class Lines(logging.Handler):
    """Keeps every line as it would be stored."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(RedactingFormatter())
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@asynccontextmanager
async def opened(authority: Authority, folder: Path, make: MakeBot) -> AsyncIterator[World]:
    """A world with its bot online; afterwards nothing may have gone wrong that was not allowed."""
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        world = World(site, make, folder)
        handlers, root = (Errors(world.logged), Lines(world.lines)), logging.getLogger()
        set_levels(logging.DEBUG)
        for handler in handlers:
            root.addHandler(handler)
        try:
            await world.start_bot()
            yield world
        finally:
            await world.stop_bot()
            for handler in handlers:
                root.removeHandler(handler)
        assert [] == world.trouble()
