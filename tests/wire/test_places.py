"""Places go away while somebody waits there: nothing breaks, nobody pays for what was not painted, nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.jobs import JobRow, JobState
from tests.wire.looks import begun, is_result
from tests.wire.people import Person
from tests.wire.world import World

REFUSED = ("10003", "50001", "50013", "10008", "10015")
"""What Discord answers to a bot that writes to a place that is gone."""


async def ended(world: World, person: Person, state: str) -> list[JobRow]:
    """That person's jobs, newest first, once the outbox says so of all of them."""
    async with asyncio.timeout(10):
        while True:
            jobs: list[JobRow] = await world.bot.dispatcher.history(person.id)
            rows: list[Any] = [await world.bot.store.deliveries.find(job.id) for job in jobs]
            if all(row is not None and row.state != "pending" for row in rows):
                assert {state} == {row.state for row in rows}
                return jobs
            await asyncio.sleep(0.02)


async def test_a_picture_whose_channel_is_deleted_comes_directly(world: World, max_: Person) -> None:
    await begun(max_, "slowly an owl")
    world.allow(*REFUSED)

    world.delete_channel()

    direct = await max_.wait_for_message(is_result, channel="dm")
    assert "I could not post this where you asked for it, so here it is." == direct.content
    [job] = await ended(world, max_, "delivered")
    assert job.cost == (await world.bot.dispatcher.balance(max_.id)).used


async def test_where_direct_messages_are_closed_too_the_picture_stays_in_the_history_and_counts(
    world: World, max_: Person
) -> None:
    await begun(max_, "slowly an owl")
    world.allow(*REFUSED, "50007", "could not be delivered")
    world.site.world.users[max_.id].takes_dms = False

    world.delete_channel()

    [job] = await ended(world, max_, "undeliverable")
    assert JobState.DONE is job.state
    assert await world.bot.dispatcher.picture(job.id, 0)
    assert job.cost == (await world.bot.dispatcher.balance(max_.id)).used


@pytest.mark.parametrize("how", ["channel", "server"])
async def test_what_waits_for_a_place_that_is_gone_is_not_painted_and_costs_nothing(
    world: World, max_: Person, mo: Person, how: str
) -> None:
    await begun(mo, "hang an owl", channel="gallery")
    await begun(max_, "hang a fox")
    await max_.slash("dream", prompt="a cat")
    world.allow(*REFUSED, "50007", "50278", "could not be delivered")

    world.delete_channel() if how == "channel" else world.throw_bot_out()

    async with asyncio.timeout(10):
        while (job := (await world.bot.dispatcher.history(max_.id))[0]).state is not JobState.FAILED:
            await asyncio.sleep(0.01)
    assert ("PlaceGone", True) == (job.error_code, "Nothing was charged" in job.error_text)
    assert [] == world.bot.dispatcher.queue()
    assert 2 == len(world.bot.dispatcher.running())


async def test_a_bot_thrown_out_of_the_server_finishes_by_the_token_while_it_lives_and_goes_on_elsewhere(
    world: World, max_: Person
) -> None:
    message = await begun(max_, "slowly an owl")
    world.allow(*REFUSED)

    world.throw_bot_out()

    await max_.wait_for(message, is_result)
    await ended(world, max_, "delivered")


async def test_a_bot_thrown_out_of_the_server_without_a_token_keeps_the_picture_for_its_owner(
    world: World, max_: Person
) -> None:
    await begun(max_, "slowly an owl")
    world.allow(*REFUSED, "10062", "50027", "could not be delivered")
    world.faults.refuse("POST .*/users/@me/channels", 403, 50278, "Cannot send messages: no mutual guilds", times=-1)

    world.expire_tokens()
    world.throw_bot_out()

    [job] = await ended(world, max_, "undeliverable")
    row = await world.bot.store.deliveries.find(job.id)
    assert (JobState.DONE, "Cannot send messages: no mutual guilds (50278)") == (job.state, row.error)
    assert await world.bot.dispatcher.picture(job.id, 0)
