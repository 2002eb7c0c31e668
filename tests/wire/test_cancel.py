"""Waiting and running jobs are stopped by their owner or a moderator; nothing is charged."""

from __future__ import annotations

import asyncio

import pytest

from bot.interactions import responder as answers
from bot.models.audit import AuditFilter
from tests.wire.looks import begun, is_over, is_painting, is_result, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_history import opened, shown
from tests.wire.test_remix import held
from tests.wire.world import World


def is_cancelled(message: Shown) -> bool:
    return "ancelled" in message.text and "Nothing was charged." in message.text


async def test_a_running_job_is_cancelled_by_its_button(world: World, max_: Person) -> None:
    message = await begun(max_, "hang an owl")

    await max_.click(message, "Cancel")

    await max_.wait_for(message, is_cancelled)
    assert ["Again", "Remix", "Delete"] == list(message.buttons)
    assert 0 == (await world.services.jobs.quota.balance(max_.id)).used
    assert [] == world.services.jobs.registry.running()


async def test_a_waiting_job_is_cancelled_by_its_button(world: World, max_: Person) -> None:
    await begun(max_, "hang an owl")
    answer = await max_.slash("dream", prompt="a fox")
    assert "Next in line" in answer.message.text

    await max_.click(answer.message, "Cancel")

    await max_.wait_for(answer.message, is_cancelled)
    assert [] == world.services.jobs.registry.waiting()
    assert 1 == len(world.services.jobs.registry.running())


async def test_no_one_else_can_cancel_it(world: World, mo: Person, max_: Person) -> None:
    message = await begun(mo, "hang an owl")

    answer = await max_.click(message, "Cancel")

    assert "Only Mo or a moderator can cancel this." == whispered(answer)
    assert 1 == len(world.services.jobs.registry.running())


async def test_a_moderator_can_cancel_it(max_: Person, mo: Person) -> None:
    message = await begun(max_, "hang an owl")

    await mo.click(message, "Cancel")

    await max_.wait_for(message, is_cancelled)


async def test_a_cross_as_reaction_cancels_what_is_not_finished(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    max_.react(message, "❌")

    await max_.wait_for(message, is_cancelled)


async def test_what_was_cancelled_is_tried_again_with_the_same_seed(max_: Person) -> None:
    message = await begun(max_, "hang an owl", seed=11)
    await max_.click(message, "Cancel")
    await max_.wait_for(message, is_cancelled)

    answer = await max_.click(message, "Again")

    await max_.wait_for(answer.message, lambda shown: is_painting(shown) or "Getting ready" in shown.text)
    [child, _] = await max_.world.jobs_of(max_)
    assert 11 == child.request.seed


async def test_cancelling_what_has_just_ended_is_answered_in_words(world: World, max_: Person) -> None:
    message = await begun(max_, "hang an owl")
    custom_id = message.buttons["Cancel"]
    await world.services.jobs.cancel(world.services.jobs.registry.running()[0].id, max_.id)

    answer = await max_.click(message, custom_id)

    said = "This job is already cancelled."
    await world.until(lambda: [said] == [one.text for one in answer.messages if one.ephemeral], what="the words")
    assert is_over(message)


async def test_a_finished_picture_is_deleted_by_its_owner(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl")
    message = await max_.wait_for(answer.message, is_result)

    told = await max_.submit(await max_.click(message, "Delete"))

    await world.until(lambda: told.messages)
    assert message.gone
    [words] = told.messages
    assert words.ephemeral
    assert "Deleted. You can still find the picture in /history." == words.text


async def test_a_finished_picture_is_deleted_by_a_moderators_cross(world: World, max_: Person, mo: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl")
    message = await max_.wait_for(answer.message, is_result)

    mo.react(message, "❌")

    await max_.wait_for(message, lambda m: m.gone)
    assert not any(mo.mention in shown.text for shown in max_.sees())
    while not (entries := await world.bot.store.audit.page(AuditFilter(), 1)):
        await asyncio.sleep(0.01)
    assert "delete" == entries[0].action


async def test_a_finished_picture_is_deleted_by_a_moderators_button(world: World, max_: Person, mo: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl")
    message = await max_.wait_for(answer.message, is_result)

    told = await mo.submit(await mo.click(message, "Delete"))

    await world.until(lambda: told.messages)
    [words] = told.messages
    assert ("Deleted.", True, True) == (words.content, words.ephemeral, message.gone)
    assert not any(mo.mention in shown.text for shown in max_.sees())


async def test_a_strangers_cross_deletes_nothing_and_is_answered_in_a_dm(
    world: World, mo: Person, max_: Person
) -> None:
    answer = await mo.slash("dream", prompt="an owl")
    message = await mo.wait_for(answer.message, is_result)

    max_.react(message, "❌")

    await max_.wait_for_message(lambda m: "Only Mo or a moderator can delete this." in m.text, channel="dm")
    assert not message.gone


async def sheet_of(person: Person) -> Shown:
    """The job that runs, as `/history` shows it to its owner alone."""
    [job] = person.world.services.jobs.registry.running()
    return await shown(person, await opened(person), job.id)


async def test_what_is_cancelled_from_a_private_sheet_is_seen_there_and_in_public(max_: Person) -> None:
    message = await begun(max_, "hang an owl")
    sheet = await sheet_of(max_)
    assert ["Cancel", "Refresh"] == list(sheet.buttons)

    await max_.click(sheet, "Cancel")

    await max_.wait_for(sheet, is_cancelled)
    await max_.wait_for(message, is_cancelled)
    assert ["Again", "Remix"] == list(sheet.buttons)
    assert ["Again", "Remix", "Delete"] == list(message.buttons)


async def test_cancel_on_a_sheet_whose_job_is_over_shows_what_became_of_it_with_private_buttons(
    world: World, max_: Person
) -> None:
    message = await begun(max_, "hang an owl")
    sheet = await sheet_of(max_)
    await max_.click(message, "Cancel")
    await max_.wait_for(message, is_cancelled)

    await max_.click(sheet, "Cancel")

    await max_.wait_for(sheet, is_cancelled)
    assert ["Again", "Remix"] == list(sheet.buttons)


async def test_a_sheet_is_refreshed_by_its_button(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    await world.until(world.services.jobs.registry.running)
    sheet = await sheet_of(max_)
    await max_.wait_for(answer.message, is_result)
    assert "Cancel" in sheet.buttons

    await max_.click(sheet, "Refresh")

    await max_.wait_for(sheet, is_result)
    assert {"Post here", "Star", "Upscale"} < set(sheet.buttons)
    assert not {"Cancel", "Refresh", "Delete", "Report"} & set(sheet.buttons)


async def test_a_sheet_is_refreshed_however_slow_the_store_is(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await begun(max_, "hang an owl")
    sheet = await sheet_of(max_)
    await max_.click(message, "Cancel")
    await max_.wait_for(message, is_cancelled)
    monkeypatch.setattr(answers, "PATIENCE", 0.0)

    async with held(world):
        await max_.click(sheet, "Refresh")

    await max_.wait_for(sheet, is_cancelled)


async def test_the_queue_leads_to_ones_own_pictures(world: World, max_: Person) -> None:
    message = await begun(max_, "hang an owl")

    assert f"**you** · [hang an owl]({link(world, message)})" in whispered(await max_.slash("queue"))
