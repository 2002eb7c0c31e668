"""Channels and servers are deleted while jobs wait there: nothing breaks, is lost or charged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.models.job import JobRow, JobState
from bot.playground.server.rest.faults import Fault
from bot.playground.server.world.entities import Channel, ChannelType
from tests.wire.looks import begun, is_result
from tests.wire.people import Person
from tests.wire.test_elsewhere import post_in_a_forum
from tests.wire.world import World

THREAD = "owl studies"
REFUSED = ("10003", "50001", "50013", "10008", "10015")
"""What Discord answers to a bot that writes to a place that is gone."""


async def ended(world: World, person: Person, state: str) -> list[JobRow]:
    """That person's jobs, newest first, once the outbox says so of all of them."""
    async with asyncio.timeout(10):
        while True:
            jobs: list[JobRow] = await world.jobs_of(person)
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
    assert "I could not post this in the channel where you asked, so here it is." == direct.content
    [job] = await ended(world, max_, "delivered")
    assert job.cost == (await world.services.jobs.quota.balance(max_.id)).used


async def test_where_direct_messages_are_closed_too_the_picture_stays_in_the_history_and_counts(
    world: World, max_: Person
) -> None:
    await begun(max_, "slowly an owl")
    world.allow(*REFUSED, "50007", "could not be delivered")
    world.site.world.users[max_.id].takes_dms = False

    world.delete_channel()

    [job] = await ended(world, max_, "undeliverable")
    assert JobState.DONE is job.state
    assert await world.services.store.pictures.png(job.id, 0)
    assert job.cost == (await world.services.jobs.quota.balance(max_.id)).used


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
        while (job := (await world.jobs_of(max_))[0]).state is not JobState.FAILED:
            await asyncio.sleep(0.01)
    assert ("PlaceGone", True) == (job.error_code, "was not painted" in job.error_text)
    assert [] == world.services.jobs.registry.waiting()
    assert 2 == len(world.services.jobs.registry.running())


async def until_failed(world: World, person: Person) -> JobRow:
    """That person's newest job, which must not be painted."""
    async with asyncio.timeout(10):
        while (job := (await world.jobs_of(person))[0]).state is not JobState.FAILED:
            await asyncio.sleep(0.01)
    assert ("PlaceGone", True) == (job.error_code, "was not painted" in job.error_text)
    return job


@pytest.mark.parametrize("how", ["thread", "channel", "channel of an archived thread", "forum"])
async def test_what_waits_in_a_thread_goes_with_it_and_with_its_channel(
    world: World, max_: Person, mo: Person, how: str
) -> None:
    place = post_in_a_forum(world) if how == "forum" else THREAD
    if how == "forum":
        await world.restart_bot()
    await begun(mo, "hang an owl", channel="gallery")
    await begun(max_, "hang a fox", channel=place)
    await max_.slash("dream", prompt="a cat", channel=place)
    world.allow(*REFUSED, "50007", "could not be delivered")

    if how == "thread":
        world.delete_thread(THREAD)
    elif how == "forum":
        world.delete_channel("ideas")
    else:
        if "archived" in how:
            world.close_thread(THREAD)
        world.delete_channel("studio")

    await until_failed(world, max_)
    assert [] == world.services.jobs.registry.waiting()
    assert 2 == len(world.services.jobs.registry.running())


@pytest.mark.parametrize("how", ["thread", "channel"])
async def test_what_is_being_painted_for_a_thread_that_goes_comes_directly(
    world: World, max_: Person, how: str
) -> None:
    await begun(max_, "slowly an owl", channel=THREAD)
    world.allow(*REFUSED)

    world.delete_thread(THREAD) if how == "thread" else world.delete_channel("studio")

    await max_.wait_for_message(is_result, channel="dm")
    await ended(world, max_, "delivered")


async def test_a_picture_opens_the_archived_thread_that_it_belongs_to(world: World, max_: Person) -> None:
    first = await begun(max_, "slowly an owl", channel=THREAD)
    world.allow("50083")

    world.close_thread(THREAD)

    second = await max_.wait_for_message(is_result, channel=THREAD)
    assert first.id != second.id
    await world.until(lambda: first.gone, what="the message that could not be edited to go")
    assert not world.channel(THREAD).archived
    await ended(world, max_, "delivered")


@pytest.mark.parametrize("archived", [False, True])
async def test_what_belongs_into_a_locked_thread_comes_directly(world: World, max_: Person, archived: bool) -> None:
    await begun(max_, "slowly an owl", channel=THREAD)
    waiting = (await max_.slash("dream", prompt="a fox", channel=THREAD)).message
    world.allow("50083", "160005")

    world.close_thread(THREAD, archived=archived, locked=True)

    await world.until(lambda: 2 == len([m for m in max_.sees("dm") if is_result(m)]), what="both pictures")
    assert not is_result(waiting)
    await ended(world, max_, "delivered")


async def test_being_taken_out_of_a_private_thread_ends_what_waits_there_and_of_a_public_one_nothing(
    world: World, max_: Person, mo: Person
) -> None:
    ids, parent = world.site.ids, world.channel("studio")
    secret = Channel(ids.next(), ChannelType.PRIVATE_THREAD, "secret owls", parent.guild_id, parent_id=parent.id)
    secret.owner_id, secret.created_at = max_.id, world.site.clock.now()
    world.site.world.channels[secret.id] = secret
    await world.restart_bot()
    running = await begun(mo, "slowly an owl", channel=THREAD)
    await begun(max_, "hang a fox", channel=THREAD)
    await max_.slash("dream", prompt="a cat", channel="secret owls")

    world.take_bot_out_of_thread(THREAD)
    world.take_bot_out_of_thread("secret owls")

    await until_failed(world, max_)
    await mo.wait_for(running, is_result)


async def test_what_waits_in_a_category_stays_when_the_category_goes(world: World, max_: Person) -> None:
    ids, studio = world.site.ids, world.channel("studio")
    category = Channel(ids.next(), ChannelType.CATEGORY, "ateliers", studio.guild_id)
    world.site.world.channels[category.id] = category
    studio.parent_id = category.id
    await world.restart_bot()
    await begun(max_, "slowly an owl")
    waiting = (await max_.slash("dream", prompt="a fox")).message

    studio.parent_id = None
    world.delete_channel("ateliers")
    world.site.channel_changed(studio)

    await max_.wait_for(waiting, is_result)


@pytest.mark.parametrize("how", ["thread", "channel"])
async def test_what_was_deleted_while_the_bot_was_away_is_noticed_when_it_is_back(
    world: World, max_: Person, mo: Person, how: str
) -> None:
    await begun(mo, "hang an owl", channel="gallery")
    await begun(max_, "hang a fox", channel="gallery")
    await max_.slash("dream", prompt="a cat", channel=THREAD)
    await max_.slash("dream", prompt="a dog", channel="gallery")
    world.allow(*REFUSED, "50007", "could not be delivered")
    await world.stop_bot()

    world.delete_thread(THREAD) if how == "thread" else world.delete_channel("studio")
    await world.start_bot()

    async with asyncio.timeout(10):
        while (job := (await world.jobs_of(max_))[1]).state is not JobState.FAILED:
            await asyncio.sleep(0.01)
    assert "PlaceGone" == job.error_code
    assert JobState.QUEUED is (await world.jobs_of(max_))[0].state


async def test_a_proxy_s_page_about_a_channel_ends_nothing(world: World, max_: Person, mo: Person) -> None:
    await begun(mo, "hang an owl", channel="gallery")
    await begun(max_, "hang a fox", channel="gallery")
    await max_.slash("dream", prompt="a cat", channel=THREAD)
    world.allow("answer")  # the page is no answer of Discord's
    world.faults.add(Fault(r"GET .*/channels/\d+$", 404, "<html><title>404</title></html>"))

    await world.bot.get_cog("ChannelEvents")._ask(world.channel(THREAD).id)

    assert 1 == world.faults.hits
    assert JobState.QUEUED is (await world.jobs_of(max_))[0].state


async def test_a_bot_removed_from_a_server_delivers_by_the_token_and_works_elsewhere(
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
    assert await world.services.store.pictures.png(job.id, 0)
