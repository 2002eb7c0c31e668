"""The same scenario on two independent Discord simulators: people see the same."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest

from bot.bot import DreamBot
from bot.config.settings import Config
from bot.playground.server.tls import Authority
from engine.errors import DreamError
from tests.opinions.local_stage import LocalStage
from tests.opinions.painter import Painter
from tests.opinions.scenario import Stage, afternoon, evening
from tests.wire.conftest import SETTINGS, opened
from tests.wire.world import World

simcord_stage = pytest.importorskip("tests.opinions.simcord_stage", reason="needs simcord, which has a mind of its own")


def bot_in(folder: Path, painter: Painter, **options: Any) -> DreamBot:
    config = Config.model_validate({**SETTINGS, "data": {"folder": str(folder)}})
    bot = DreamBot(config, engine=painter, **options)
    bot.drain_seconds = 0.1
    return bot


Story = Callable[[Stage], Awaitable[list[object]]]


async def on_the_local_one(authority: Authority, folder: Path, story: Story) -> list[object]:
    painter = Painter(slots=4)

    def make(world: World, connector: aiohttp.BaseConnector) -> discord.Client:
        return bot_in(folder, painter, connector=connector, clock=world.site.clock.now)

    async with opened(authority, folder, make) as world:
        return await story(LocalStage(world, painter))


async def on_the_other_one(folder: Path, story: Story) -> list[object]:
    painter, ahead = Painter(slots=4), 0.0
    bot = bot_in(folder, painter, clock=lambda: time.time() + ahead)

    def pass_time(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds
        bot.services.rounds.wake()

    async with simcord_stage.running(bot) as env:
        assert bot._registering is not None
        async with asyncio.timeout(20):
            await bot._registering
        seen = await story(simcord_stage.SimcordStage(env, bot, painter, pass_time))
        await bot.close()
        raised = [getattr(error, "original", error) for error in env.errors]
        assert [] == [error for error in raised if not isinstance(error, DreamError)]
        return seen


@pytest.mark.parametrize("story", [afternoon, evening])
async def test_people_see_the_same_on_an_independent_discord(
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    story: Story,
) -> None:
    monkeypatch.setattr("bot.community.votes.secrets.SystemRandom", lambda: random.Random(1))  # the same letters
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = await on_the_local_one(authority, tmp_path / "here", story)
    there = await on_the_other_one(tmp_path / "there", story)

    assert here == there
    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]
