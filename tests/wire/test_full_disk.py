"""The bot as the playground runs it, on a disk that is full: one sentence, no charge, and all is well again later."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.config.settings import DATA_VARIABLE
from bot.playground import write_block
from bot.playground.child_process import Child, start_bot
from bot.playground.processes import BotAndEngine
from bot.playground.server.fault_switches import FaultSwitches
from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from tests.wire import schemas
from tests.wire.conftest import dreambot_maker
from tests.wire.looks import dreamt, is_over, is_painting, is_result, whispered
from tests.wire.test_crash_matrix import link, settings
from tests.wire.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not write_block.possible(), reason="only Linux can take the disk from another process"),
]


@asynccontextmanager
async def kept(world: World, folder: Path) -> AsyncIterator[BotAndEngine]:
    """The bot as the playground keeps it: a process of its own, started again when it ends."""
    environ = {
        **os.environ,
        "DREAMBOT_PLAYGROUND": str(link(world, folder)),
        "DREAMBOT_FAKE_STEP": "0.1",
        DATA_VARIABLE: str(folder / "data"),
    }
    config = settings(folder, 1)

    async def start() -> Child:
        return await start_bot(environ, folder / "bot.log", config)

    machine = BotAndEngine(start, world.site.gateway, folder / "data")
    keeping = asyncio.create_task(machine.keep_running())
    try:
        await world.until(lambda: world.site.gateway.online and world.site.commands.all(), 60, what="the bot")
        yield machine
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await machine.stop()


async def test_a_request_on_a_full_disk_is_refused_in_words_and_the_next_one_is_painted(
    authority: Authority, tmp_path: Path
) -> None:
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        world = World(site, dreambot_maker({}), tmp_path)
        async with kept(world, tmp_path) as machine:
            faults = FaultSwitches(site, *machine.faults)
            faults.set("disk", True)
            refused = await world.max.slash("dream", prompt="an owl")
            faults.set("disk", False)
            message = await dreamt(world.max, "a fox")

    assert "The database cannot be used" in whispered(refused)
    assert "**a fox**" in message.text
    assert [] == site.record.findings()


async def test_a_disk_that_fills_up_while_a_picture_forms_charges_no_one(authority: Authority, tmp_path: Path) -> None:
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        world = World(site, dreambot_maker({}), tmp_path)
        async with kept(world, tmp_path) as machine:
            faults = FaultSwitches(site, *machine.faults)
            answer = await world.max.slash("dream", prompt="an owl")
            await world.max.wait_for(answer.message, is_painting)
            faults.set("disk", True)
            await asyncio.sleep(2)
            faults.set("disk", False)
            message = await world.max.wait_for(answer.message, is_over, 40)
            again = await dreamt(world.max, "a fox")

    assert is_result(message) or "Nothing was charged." in message.text
    assert "**a fox**" in again.text
