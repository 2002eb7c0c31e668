"""A repeated or half-lost action is one job and one message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.errors import Refused, StoreError
from bot.interactions.connector import local_connector
from bot.playground.server.rest.faults import Fault
from bot.playground.server.world.events import Event
from bot.storage.jobs import Jobs
from tests.wire.looks import dreamt, is_result, whispered
from tests.wire.people import Person
from tests.wire.world import World


async def test_an_interaction_that_is_delivered_twice_is_one_job(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions, refused = world.services.job_actions, list[str]()
    dream = actions.dream

    async def twice(*given: Any, **named: Any) -> None:
        await dream(*given, **named)
        with pytest.raises(Refused) as second:
            await dream(*given, **named)
        refused.append(str(second.value))

    monkeypatch.setattr(actions, "dream", twice)
    await dreamt(max_, "an owl")

    [job] = await world.jobs_of(max_)
    assert job.cost == (await world.services.jobs.quota.balance(max_.id)).used
    assert ["This was already accepted."] == refused


async def test_whatever_discord_delivers_twice_is_done_once(
    world: World, max_: Person, olive: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = world.site.hub.publish

    def twice(event: Event) -> None:
        publish(event)
        if event.name == "INTERACTION_CREATE":
            publish(event)

    monkeypatch.setattr(world.site.hub, "publish", twice)
    owl = await dreamt(max_, "an owl")
    assert await max_.autocomplete("dream", "method", prompt="an owl", method="")
    again = await max_.click(owl, "Again")
    await max_.wait_for(again.message, is_result)
    await max_.submit(await max_.click(owl, "Remix"), prompt="a fox")
    await olive.slash("admin grant", user=max_.id, units=7, reason="a prize")
    await olive.slash("style save", name="ink wash", template="{prompt}, ink wash")
    await max_.click((await max_.slash("style list", name="ink wash")).message, "Star")

    await world.until(lambda: not world.services.handlers._running)
    await max_.wait_for_message(lambda shown: "a fox" in shown.text and is_result(shown))
    assert 3 == len(await world.jobs_of(max_))
    assert 7 == (await world.services.jobs.quota.balance(max_.id)).credit
    [guild_id] = world.site.world.guilds
    assert 1 == (await world.services.styles.find(guild_id, "ink wash")).stars


@pytest.mark.bot(delivery={"press_seconds": 60.0})
async def test_after_an_error_of_the_store_the_next_press_counts(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await dreamt(max_, "an owl")
    insert = Jobs.insert

    async def broken(*_: Any) -> None:
        raise StoreError("The database cannot be written.")

    monkeypatch.setattr(Jobs, "insert", broken)
    assert "cannot be written" in whispered(await max_.click(message, "Again"))
    monkeypatch.setattr(Jobs, "insert", insert)

    again = await max_.click(message, "Again")

    await max_.wait_for(again.message, is_result)


async def test_an_answer_whose_response_got_lost_is_found_and_no_second_one_is_posted(
    world: World, max_: Person
) -> None:
    world.allow("40060", "502")
    world.faults.server_error(r"POST .*/callback", 502, after=True)

    await world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"}).outcome

    message = await max_.wait_for_message(is_result)
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_a_rate_limit_that_names_no_time_delays_the_message_and_nothing_else(world: World, max_: Person) -> None:
    world.allow("429")  # no schema allows this answer
    world.faults.add(Fault(r"POST .*/callback", 429, {"message": "You are being rate limited.", "code": 0}))

    world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"})

    message = await max_.wait_for_message(is_result)
    assert 1 == world.faults.hits
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_an_answer_with_a_job_of_another_process_is_said_loudly(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.allow("40060", "502", "second process")
    world.faults.server_error(r"POST .*/callback", 502, after=True)
    ids = "bot.interactions.message_api._custom_ids"
    monkeypatch.setattr(ids, lambda _: {"another0ne"})

    await world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"}).outcome

    await world.until(lambda: any("second process" in record.getMessage() for record in world.logged))


async def test_a_command_under_way_is_finished_before_the_bot_closes(
    world: World, max_: Person, mo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions, begun, go_on = world.services.job_actions, asyncio.Event(), asyncio.Event()
    dream = actions.dream

    async def slowly(*given: Any, **named: Any) -> None:
        begun.set()
        await go_on.wait()
        await dream(*given, **named)

    monkeypatch.setattr(actions, "dream", slowly)
    asked = asyncio.create_task(max_.slash("dream", prompt="an owl"))
    await begun.wait()
    closing = asyncio.create_task(world.stop_bot())
    await world.until(lambda: world.services.handlers._closing)

    refused = await mo.slash("queue")
    assert "about to restart" in whispered(refused)
    assert not closing.done()
    go_on.set()
    answer = await asked
    await closing

    assert "an owl" in answer.message.text
    await world.start_bot()
    await max_.wait_for(answer.message, is_result)


async def test_a_modal_that_is_being_handled_is_finished_before_the_bot_closes(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    owl = await dreamt(max_, "an owl")
    deletions, begun, go_on = world.services.deletions, asyncio.Event(), asyncio.Event()
    delete = deletions.delete

    async def slowly(*given: Any) -> str:
        begun.set()
        await go_on.wait()
        return str(await delete(*given))

    monkeypatch.setattr(deletions, "delete", slowly)
    asked = asyncio.create_task(max_.submit(await max_.click(owl, "Delete")))
    await begun.wait()
    closing = asyncio.create_task(world.stop_bot())
    await world.until(lambda: world.services.handlers._closing)

    assert not closing.done()
    go_on.set()
    await asked
    await closing

    assert owl.gone


async def test_what_was_asked_in_a_server_that_has_thrown_the_bot_out_meanwhile_costs_nothing(
    world: World, max_: Person
) -> None:
    await max_.slash("dream", prompt="hang an owl")
    await max_.slash("dream", prompt="a fox")
    await world.stop_bot()
    guild = next(iter(world.site.world.guilds))
    del world.site.world.guilds[guild].members[world.site.world.app.id]
    world.allow("50001", "10004", "10003", "10007", "50013", "could not be delivered")

    world._bot = world.make_bot(world, world_connector(world))
    world._running = asyncio.create_task(world._bot.start(world.site.world.app.token))
    await world.until(lambda: world.bot.is_ready() and world.bot.at_work)

    for job in await world.jobs_of(max_):
        assert ("failed", "PlaceGone") == (job.state, job.error_code)
    balance = await world.services.jobs.quota.balance(max_.id)
    assert (0, 0) == (balance.used, balance.reserved)


def world_connector(world: World) -> Any:
    return local_connector(world.site.port, world.site.authority.pem)


async def test_a_person_who_has_left_does_not_hide_the_reactions_of_others(
    world: World, max_: Person, mo: Person
) -> None:
    message = await dreamt(max_, "an owl")
    await world.stop_bot()
    for person in (mo, max_):
        person.react(message, "🔁")
    for guild in world.site.world.guilds.values():
        del guild.members[mo.id]
    world.allow("10007", "10013")

    await world.start_bot()

    await max_.wait_for_message(lambda shown: shown.id > message.id and is_result(shown))
    assert 2 == len(await world.jobs_of(max_))
