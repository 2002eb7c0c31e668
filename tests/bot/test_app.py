"""How the bot ends: the cause is logged first, the exit status says whether a restart helps, everything is closed."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import discord
import pytest

import bot.app
from bot.actions.moderate import Moderation
from bot.config.settings import Config
from bot.interactions.connector import Link
from bot.playground.server.local import LocalDiscord
from bot.playground.server.rest.faults import Fault
from bot.storage import DATABASE, Store
from engine.client.supervisor import EngineProcess
from tests.fork_server import FAKE, start_fake_or_real

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends bots by signals")
LATER = 30.0
"""Seconds; a bot that hangs fails the test."""


@dataclass
class Stage:
    """A local Discord, and a bot that runs beside it in this process."""

    site: LocalDiscord
    folder: Path
    log: pytest.LogCaptureFixture
    config: Config
    running: asyncio.Task[int] | None = None

    async def run(self, token: str = "") -> int:
        """Run the bot until it ends; its exit status."""
        link = self.folder / "link.json"
        Link(self.site.port, self.site.authority.pem, token or self.site.world.app.token).write(link)
        self.log.clear()
        async with asyncio.timeout(LATER):
            return await bot.app._run(self.config, token or self.site.world.app.token, str(link))

    def start(self) -> asyncio.Task[int]:
        """Run the bot beside the test; what is left of it ends with the test."""
        self.running = asyncio.create_task(self.run())
        return self.running

    async def ready(self, running: asyncio.Task[int]) -> None:
        await self.logged("ready as", running)

    async def logged(self, text: str, running: asyncio.Task[int]) -> None:
        while text not in self.log.text and not running.done():
            await asyncio.sleep(0.01)

    @property
    def causes(self) -> list[str]:
        """What was logged about the end of the bot."""
        return [record.getMessage() for record in self.log.records if record.levelno == logging.CRITICAL]

    async def everything_is_closed(self) -> None:
        assert not (self.folder / "data" / "engine.pid").exists()
        async with await Store.open(self.folder / "data"):
            pass


@pytest.fixture
async def stage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    async def start_fake(_: Sequence[str], environ: Mapping[str, str]) -> EngineProcess:
        return await start_fake_or_real(FAKE, environ)

    monkeypatch.setattr("engine.client.supervisor.start_child", start_fake)
    config = Config.model_validate({"data": {"folder": str(tmp_path / "data")}, "queue": {"drain_seconds": 0.1}})
    caplog.set_level(logging.INFO)
    async with LocalDiscord() as site:
        stage = Stage(site, tmp_path, caplog, config)
        yield stage
        if stage.running is not None:
            stage.running.cancel()
            await asyncio.wait((stage.running,))


@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        (4004, 78, "Discord does not accept this token."),
        (4014, 78, "Discord refuses the intents of this bot."),
        (4011, 1, "Discord cannot be reached: the gateway closed the connection with code 4011."),
    ],
)
async def test_a_close_code_that_ends_a_bot_ends_it(stage: Stage, code: int, status: int, cause: str) -> None:
    """Before READY, and after it."""
    stage.site.gateway.refuse_identify = code
    assert status == await stage.run()
    [found] = stage.causes
    assert found.startswith(cause)
    await stage.everything_is_closed()

    stage.site.gateway.refuse_identify = 0
    frozen = gc.get_freeze_count()
    running = stage.start()
    await stage.ready(running)
    assert gc.get_freeze_count() > frozen + 500  # objects of the start-up
    await stage.site.gateway.close_with(code)
    assert status == await running
    assert [found] == stage.causes
    await stage.everything_is_closed()


async def test_two_shards_that_are_refused_do_not_keep_the_bot_alive(stage: Stage) -> None:
    stage.site.gateway.shards, stage.site.gateway.refuse_identify = 2, 4004

    assert 78 == await stage.run()


async def test_a_session_event_that_is_never_read_ends_the_bot(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_parser(self: object, data: object) -> None:
        raise KeyError("permissions")

    monkeypatch.setattr(discord.state.AutoShardedConnectionState, "parse_ready", broken_parser)
    assert 1 == await stage.run()
    assert ["The bot ends because of an unexpected error."] == stage.causes
    assert "KeyError" in stage.log.text
    assert 1 == stage.log.text.count("it connects again")
    await stage.everything_is_closed()


async def test_restarts_in_a_row_do_not_use_up_the_logins(stage: Stage) -> None:
    """Discord resets the token of a bot that logs in too often."""
    stage.site.gateway.identifies.per_day = 50
    running = stage.start()
    await stage.logged("the bot logs in in", running)
    assert "Only 50 of 50 logins are left today" in stage.log.text
    os.kill(os.getpid(), signal.SIGTERM)

    assert 0 == await running
    assert 50 == stage.site.gateway.identifies.remaining
    await stage.everything_is_closed()


async def test_a_cancelled_run_closes_everything(stage: Stage) -> None:
    """As Ctrl-C does on Windows."""
    running = stage.start()
    await stage.ready(running)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    await stage.everything_is_closed()


@pytest.mark.parametrize("error", [OSError(13, "Permission denied", "some/file"), discord.DiscordException("odd")])
async def test_whatever_fails_at_start_up_closes_what_it_opened(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def restore(self: Moderation) -> None:
        raise error

    monkeypatch.setattr(Moderation, "restore", restore)

    assert 1 == await stage.run()
    assert 1 == len(stage.causes)
    await stage.everything_is_closed()


async def test_a_database_that_cannot_be_opened_ends_the_start_with_one_sentence(stage: Stage) -> None:
    database = stage.folder / "data" / DATABASE
    database.mkdir(parents=True)

    assert 1 == await stage.run()
    [cause] = stage.causes
    assert cause.startswith("The database cannot be used")
    database.rmdir()
    await stage.everything_is_closed()


async def test_a_signal_ends_a_login_that_hangs(stage: Stage) -> None:
    stage.site.faults.slow("GET /users/@me", 600.0)
    running = stage.start()
    await stage.logged("logging in", running)

    os.kill(os.getpid(), signal.SIGTERM)

    assert 0 == await running
    assert [] == stage.causes


@pytest.mark.parametrize("page", [{"message": "down", "code": 0}, "<html><body>\n<h1>Bad gateway</h1>\n</body></html>"])
async def test_discord_that_is_down_is_said_in_one_line(stage: Stage, page: object) -> None:
    stage.site.faults.add(Fault("GET /gateway/bot", 503, page, times=-1))

    assert 1 == await stage.run()
    [cause] = stage.causes
    assert cause.startswith("Discord cannot be reached: HTTP 503")
    assert "<" not in cause and "\n" not in cause
    assert "Traceback" not in stage.log.text


async def test_a_wrong_token_ends_with_the_status_for_which_no_service_restarts(stage: Stage) -> None:
    assert 78 == await stage.run("wrong")
    assert stage.causes[0].startswith("Discord does not accept this token.")
    assert "RestartPreventExitStatus=78" in (Path(__file__).parents[2] / "docs" / "dreambot.service").read_text()
