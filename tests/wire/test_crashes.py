"""After any crash the picture arrives: one job, one charge, one live message."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bot.delivery.service import Delivery
from bot.models.job import Update
from bot.storage import Store
from tests.wire.looks import begun, dreamt, is_painting, is_result, nothing_is_owed
from tests.wire.people import Person
from tests.wire.world import World


def engine_pid(world: World) -> int:
    return int(world.bot.engine.ready.pid)


async def test_an_engine_killed_in_the_middle_starts_again_and_the_picture_comes(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    os.kill(engine_pid(world), signal.SIGKILL)

    await max_.wait_for(message, is_result)
    [job] = await world.jobs_of(max_)
    assert (1, 2) == (job.crash_count, job.attempt)
    assert job.cost == (await world.services.jobs.quota.balance(max_.id)).used


async def test_a_job_that_kills_the_engine_each_time_is_set_aside_with_an_apology(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="die always")

    message = await max_.wait_for(answer.message, lambda m: "Sorry" in m.text, seconds=30)

    assert 1 == message.text.count("Nothing was charged")
    assert ["Again", "Remix", "Delete"] == list(message.buttons)


async def test_a_bot_stopped_while_painting_finishes_the_same_message_after_its_return(
    world: World, max_: Person
) -> None:
    message = await begun(max_, "slowly an owl")

    await world.restart_bot()

    await max_.wait_for(message, is_result)
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_who_has_to_wait_for_a_restart_is_told_so(world: World, max_: Person, mo: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    await world.stop_bot()
    assert "The bot is restarting. This job continues afterwards." in message.text
    await world.start_bot()

    await max_.wait_for(message, is_result)
    [job] = await world.jobs_of(max_)
    assert (0, 2) == (job.crash_count, job.attempt)


async def test_a_bot_that_is_told_to_stop_takes_nothing_new_and_lets_what_runs_finish(
    world: World, max_: Person, mo: Person
) -> None:
    world.bot.drain_seconds = 20.0
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    stopping = asyncio.create_task(world.stop_bot())
    await asyncio.sleep(0.05)
    refused = await mo.slash("dream", prompt="a fox")
    await stopping

    assert "The bot is about to restart; please try again" in refused.message.text
    assert is_result(message)
    assert "done" == (await stored_states(world))


async def stored_states(world: World) -> str:
    """The states of all jobs, as the stopped bot has left them."""
    async with await Store.open(world.folder) as store, store.database.reading() as session:
        return ",".join(row[0] for row in await session.all("SELECT state FROM jobs"))


async def test_an_undelivered_end_is_delivered_after_the_return(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl")
    world.faults.server_error(r"PATCH .*/messages/", 503, times=-1)
    await world.until(lambda: not world.services.jobs.registry.running(), what="the end")
    await world.stop_bot()
    world.faults.clear()

    await world.start_bot()

    await max_.wait_for(message, is_result)
    await nothing_is_owed(world, 5)


async def test_a_message_whose_id_got_lost_is_found_again_by_its_buttons(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl")
    await world.stop_bot()
    world.expire_tokens()
    world.allow("50027")
    await forget_messages(world)

    await world.start_bot()

    await max_.wait_for(message, is_result)
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_a_message_whose_id_got_lost_is_asked_for_while_the_token_lives(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl")
    await world.stop_bot()
    await forget_messages(world)

    await world.start_bot()

    await max_.wait_for(message, is_result)
    assert any(e.path.endswith("/messages/@original") for e in world.site.record.exchanges)


async def test_a_message_whose_id_got_lost_is_found_though_news_of_its_job_come_first(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await begun(max_, "slowly an owl")
    await world.stop_bot()
    await forget_messages(world)
    resume = Delivery.resume

    async def too_late(delivery: Delivery) -> None:
        jobs = delivery._jobs
        for job in (*jobs.registry.running(), *(job for job, _ in jobs.registry.waiting())):
            delivery._hear(Update(job))
        await resume(delivery)

    monkeypatch.setattr(Delivery, "resume", too_late)

    await world.start_bot()

    await max_.wait_for(message, is_result)
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_after_a_restart_the_commands_are_not_registered_again(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")

    await world.restart_bot()
    await dreamt(max_, "a fox")

    assert 1 == len([e for e in world.site.record.exchanges if e.method == "PUT" and e.path.endswith("/commands")])


async def forget_messages(world: World) -> None:
    """As if the bot had died between Discord's answer and its own note of it."""
    async with await Store.open(world.folder) as store, store.transaction() as session:
        await session.run("DELETE FROM messages")
