"""The gate: blocked people are refused, and costly requests share one cooldown with a small burst."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from bot.errors import Blocked, CoolingDown
from bot.interactions.context import Invocation
from bot.interactions.handlers import BURST, Access, Gate
from bot.storage import Store
from bot.storage.moderation import Block
from tests.prepared_database import open_store

ANN, HOST, HERE, ELSEWHERE = 1, 2, 400, 401


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(tmp_path) as store:
        yield store


def caller(user_id: int = ANN, guild_id: int | None = HERE) -> Invocation:
    return Invocation(user_id, "ann", 500, guild_id, (), False, discord.Permissions.all(), False, True)


@pytest.mark.parametrize(("server", "place"), [(HERE, HERE), (0, HERE), (0, ELSEWHERE), (0, None)])
async def test_a_blocked_person_is_refused_all_that_is_not_open(store: Store, server: int, place: int | None) -> None:
    await block(store, server)
    gate = Gate(store, 2.0, (), Clock())

    with pytest.raises(Blocked, match="floods"):
        await gate.admit(caller(guild_id=place), Access.USUAL)
    with pytest.raises(Blocked):
        await gate.admit(caller(guild_id=place), Access.COSTLY)
    await gate.admit(caller(guild_id=place), Access.OPEN)
    await gate.admit(caller(guild_id=place), Access.OPEN | Access.COSTLY)


async def test_a_block_ends_at_the_border_of_its_server(store: Store) -> None:
    await block(store, HERE)

    await Gate(store, 2.0, (), Clock()).admit(caller(guild_id=ELSEWHERE), Access.USUAL)


async def block(store: Store, server: int) -> None:
    async with store.transaction() as session:
        await store.blocks.put(session, Block(server, ANN, "olive", "floods", 0.0, None))


async def test_costly_requests_come_in_bursts_and_then_one_per_cooldown(store: Store) -> None:
    clock = Clock()
    gate = Gate(store, 2.0, (HOST,), clock)
    for _ in range(BURST):
        await gate.admit(caller(), Access.COSTLY)

    with pytest.raises(CoolingDown, match="Please wait 2 seconds"):
        await gate.admit(caller(), Access.COSTLY)
    await gate.admit(caller(), Access.USUAL)
    await gate.admit(caller(3), Access.COSTLY)
    for _ in range(9):
        await gate.admit(caller(HOST), Access.COSTLY)

    clock.now += 2.0
    await gate.admit(caller(), Access.COSTLY)
    with pytest.raises(CoolingDown):
        await gate.admit(caller(), Access.COSTLY | Access.OPEN)


async def test_a_refused_request_does_not_prolong_the_cooldown(store: Store) -> None:
    clock = Clock()
    gate = Gate(store, 2.0, (), clock)
    for _ in range(BURST):
        await gate.admit(caller(), Access.COSTLY)
    for _ in range(9):
        with pytest.raises(CoolingDown):
            await gate.admit(caller(), Access.COSTLY)

    clock.now += 2.0
    await gate.admit(caller(), Access.COSTLY)


async def test_a_clock_that_was_set_back_delays_no_one_for_long(store: Store) -> None:
    clock = Clock()
    gate = Gate(store, 2.0, (), clock)
    for _ in range(BURST):
        await gate.admit(caller(), Access.COSTLY)

    clock.now -= 500.0
    with pytest.raises(CoolingDown, match="Please wait 2 seconds"):
        await gate.admit(caller(), Access.COSTLY)


async def test_without_a_cooldown_everything_is_admitted(store: Store) -> None:
    gate = Gate(store, 0.0, (), Clock())

    for _ in range(50):
        await gate.admit(caller(), Access.COSTLY)
