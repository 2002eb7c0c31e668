"""`/engine` and the monitor, on a running bot."""

from __future__ import annotations

import os
import signal

import aiohttp
import pytest

from tests.bot.core import free_port
from tests.wire.looks import dreamt, is_painting, whispered
from tests.wire.people import Person
from tests.wire.world import World

PORT = free_port()


async def get(path: str, **headers: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{PORT}{path}"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_everyone_sees_what_can_be_painted(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, what="the engine")
    text = whispered(await max_.slash("engine"))

    assert "can take 4 more pictures now" in text
    assert "Methods: clip_diffusion" in text
    assert "Memory" not in text


async def test_the_host_sees_how_everything_is_doing(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")
    world.make_host(max_)

    text = whispered(await max_.slash("engine"))

    assert "Finished jobs: 1 done" in text
    assert "engine restarted 0 times" in text
    assert "message requests in the last minute" in text


async def test_an_engine_that_has_died_is_announced_with_its_restarts(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, is_painting)
    os.kill(world.bot.engine.ready.pid, signal.SIGKILL)
    await world.until(lambda: world.bot.engine.pulse.ends == 1, what="the end to be noticed")

    text = whispered(await max_.slash("engine"))

    assert "No job is lost." in text


@pytest.mark.bot(monitor={"port": PORT})
async def test_the_monitor_serves_figures_and_health_on_loopback(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")

    status, text = await get("/metrics")
    assert (200, True) == (status, 'dreambot_jobs_ended_total{state="done"} 1.0' in text)
    assert "dreambot_connected 1.0" in text
    assert "owl" not in text
    assert (200, True) == ((found := await get("/health"))[0], '"status": "ok"' in found[1])
    assert 403 == (await get("/metrics", Host="evil.example"))[0]

    await world.bot.on_shard_disconnect(0)  # a line that is really cut is back before anybody can ask
    assert (503, True) == ((found := await get("/health"))[0], "not connected to Discord" in found[1])
    await world.bot.on_shard_resumed(0)
    assert 200 == (await get("/health"))[0]


@pytest.mark.bot(monitor={"port": PORT})
async def test_health_says_what_a_host_has_to_do_while_nothing_can_be_written_down(world: World, max_: Person) -> None:
    world.allow("write-protected")
    database = world.bot.store.database
    async with database.reading() as session:
        await session.all("PRAGMA query_only = ON")
    refused = whispered(await max_.slash("dream", prompt="an owl"))

    status, text = await get("/health")

    words = "write-protected; the bot's user must be allowed to write there."
    assert (503, True, True) == (status, words in text, words in refused)
    assert "dreambot_database_up 0.0" in (await get("/metrics"))[1]
    async with database.reading() as session:
        await session.all("PRAGMA query_only = OFF")
    await dreamt(max_, "an owl")
    assert 200 == (await get("/health"))[0]


@pytest.mark.bot(monitor={"port": PORT}, retention={"free_megabytes": 10**9})
async def test_health_says_that_the_disk_is_nearly_full(world: World, max_: Person) -> None:
    status, text = await get("/health")

    assert (503, True) == (status, "the disk is nearly full and no new jobs are taken: free space" in text)
    assert "nearly full" in whispered(await max_.slash("dream", prompt="an owl"))


async def test_without_a_port_nothing_listens(world: World) -> None:
    with pytest.raises(aiohttp.ClientConnectorError):
        await get("/health")


async def test_what_people_write_and_what_discord_entrusts_to_us_is_found_in_a_log(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl in the fog")
    token = next(iter(world.site.interactions._by_token))
    assert [] == world.trouble()

    world.lines += ["job abc: an owl in the fog", f"PATCH /webhooks/1/{token}"]

    assert ["a token in the log", "a prompt in the log"] == [text.partition(":")[0] for text in world.trouble()]
    world.lines.clear()
