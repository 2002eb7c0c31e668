"""A bot with two shards: one that loses its session comes back, and only its servers are caught up with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.operations.status import Status
from bot.playground.server.tls import Authority
from tests.wire.conftest import dreambot_maker as maker
from tests.wire.conftest import opened
from tests.wire.looks import dreamt, is_result
from tests.wire.people import Person
from tests.wire.world import World


@pytest.fixture
async def world(authority: Authority, tmp_path: Path) -> AsyncIterator[World]:
    """The small world, with two shards."""

    def make(world: World, connector: object) -> object:
        world.site.gateway.shards = 2
        return maker({})(world, connector)  # type: ignore[arg-type]

    async with opened(authority, tmp_path, make) as ready:  # type: ignore[arg-type]
        yield ready


async def look(world: World) -> Status:
    return await world.bot.look()  # type: ignore[no-any-return]


def home(world: World) -> int:
    """The shard of the small server."""
    [guild] = world.site.world.guilds
    return world.bot.shard_of(guild)  # type: ignore[no-any-return]


async def test_a_shard_that_identifies_anew_is_caught_up_with(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    shard = home(world)
    other = 1 - shard
    assert {0: True, 1: True} == (await look(world)).shards.live
    assert {shard: 1, other: 0} == (await look(world)).shards.servers

    world.site.gateway.invalidate(shard)
    await world.until(lambda: not world.bot.online, what="the shard to be missed")
    assert "(shard " in (await look(world)).trouble
    max_.react(owl, "🔁")

    await world.until(lambda: world.bot.online, 30, what="the shard to be back")
    again = await max_.wait_for_message(lambda m: m.id > owl.id and is_result(m))
    assert not again.gone
    assert "" == (await look(world)).trouble


async def test_the_other_shard_reads_nothing_again(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    other = 1 - home(world)
    read = [one for one in world.site.record.exchanges if one.path.endswith(f"/messages/{owl.id}")]

    world.site.gateway.invalidate(other)
    await world.until(lambda: not world.bot.online, what="the shard to be missed")
    await world.until(lambda: world.bot.online, 30, what="the shard to be back")

    assert read == [one for one in world.site.record.exchanges if one.path.endswith(f"/messages/{owl.id}")]


async def test_a_login_of_another_process_is_noticed(world: World) -> None:
    watch = world.bot.login_watch
    await watch.look()
    world.site.gateway.invalidate(home(world))
    await world.until(lambda: not world.bot.online, what="the shard to be missed")
    await world.until(lambda: world.bot.online, 30, what="the shard to be back")
    await watch.look()
    assert 0 == watch.foreign  # our own

    world.allow("Another process has logged in")
    world.site.gateway.identifies.take()
    await watch.look()

    assert 1 == watch.foreign
