"""Delete: one message goes, the others stay what they are; what Discord does not delete is said, or deleted later."""

from __future__ import annotations

import asyncio

import pytest

import bot.delivery.deletion_queue
import bot.interactions.responder
from tests.bot.core import count
from tests.wire.looks import deleted, dreamt, job_id, link
from tests.wire.people import Person, Shown
from tests.wire.test_elsewhere import foreign_server
from tests.wire.test_history import opened, shown
from tests.wire.test_mydata import forgotten
from tests.wire.test_reports import report, reports, take_reports
from tests.wire.world import World

DELETIONS = r"DELETE /.*/messages"


async def posted_again(person: Person, picture: Shown, channel: str = "late-night") -> Shown:
    """A copy of the picture, from its owner's history."""
    sheet = await shown(person, await opened(person, channel=channel), job_id(picture))
    return (await person.click(sheet, "Post here")).message


async def none_known(world: World) -> None:
    """Wait until no message is known to show a job."""
    while await count(world.bot.store, "messages"):
        await asyncio.sleep(0.01)


async def test_a_copy_that_is_deleted_leaves_the_others_to_reports(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    copy = await posted_again(max_, owl)

    words = await deleted(max_, copy)

    assert (True, False) == (copy.gone, owl.gone)
    assert f"Deleted here. It is still shown in other places; delete it there too: {link(world, owl)}" == words
    await report(mo, owl)
    [shown_there] = reports(olive)
    await mo.click(shown_there, "Delete the picture")
    await mo.wait_for(owl, lambda m: m.gone)
    await world.until(lambda: "Deleted by" in shown_there.text)


async def test_the_original_that_is_deleted_leaves_its_copy_to_reactions_and_keeps(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(max_, "an owl")
    copy = await posted_again(max_, owl)
    await mo.click(owl, "Star")

    await deleted(max_, owl)

    assert 1 == await count(world.bot.store, "stars")
    max_.react(copy, "❌")
    await max_.wait_for(copy, lambda m: m.gone)
    await none_known(world)
    assert 0 == await count(world.bot.store, "stars")


@pytest.mark.bot(delivery={"press_seconds": 0.0})
async def test_being_forgotten_deletes_every_copy_that_is_left(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    copies = [await posted_again(max_, owl, channel) for channel in ("late-night", "gallery")]
    await deleted(max_, copies[0])

    await forgotten(max_)

    await world.until(lambda: owl.gone and copies[1].gone)
    while await world.bot.store.erasure.to_remove(1):
        await asyncio.sleep(0.01)


async def test_where_the_bot_is_a_guest_the_press_itself_deletes(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl", channel=foreign_server(world))

    words = await deleted(max_, owl)

    assert owl.gone
    assert words.startswith("Deleted. ")


async def test_what_discord_puts_off_is_deleted_later(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.delivery.deletion_queue, "LATER", 0.05)
    monkeypatch.setattr(bot.interactions.responder, "ERASE_SECONDS", 0.05)
    owl = await dreamt(max_, "an owl")
    world.faults.rate_limited(r"DELETE /webhooks/.*/messages", 45.0)
    world.faults.rate_limited(r"DELETE /channels/.*/messages", 45.0)

    words = await deleted(max_, owl)

    assert "Discord does not allow this deletion right now. I will delete it as soon as possible." == words
    world.services.deletion_queue.wake()
    await max_.wait_for(owl, lambda m: m.gone)
    while await world.bot.store.erasure.to_remove(1):
        await asyncio.sleep(0.01)


async def test_what_discord_refuses_to_delete_is_said_and_stays_known(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    world.faults.refuse(DELETIONS, 403, 50013, "Missing Permissions", times=2)

    words = await deleted(max_, owl)

    assert "Discord does not let me delete this here. A person who can manage messages can delete it." == words
    assert not owl.gone
    max_.react(owl, "❌")
    await max_.wait_for(owl, lambda m: m.gone)
    await none_known(world)


async def test_a_message_that_another_person_has_deleted_counts_as_deleted(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    world.faults.refuse(DELETIONS, 404, 10008, "Unknown Message")

    assert (await deleted(max_, owl)).startswith("Deleted. ")
    assert 0 == await count(world.bot.store, "messages")
