"""`/mydata` and `/forget`: a copy of everything, and its end."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest

import bot.delivery.deletion_queue
from bot.playground.server.world.permissions import Permission
from tests.bot.core import count
from tests.wire.looks import begun, deleted, dreamt, is_result, job_id, whispered
from tests.wire.people import Person, upload
from tests.wire.protocol_bot import picture
from tests.wire.test_reports import report, reports, take_reports
from tests.wire.world import World


async def copied(person: Person) -> tuple[dict[str, Any], list[str]]:
    """The data and the names of the pictures in a person's copy."""
    answer = await person.slash("mydata")
    assert answer.message.ephemeral
    with zipfile.ZipFile(io.BytesIO(answer.message.files["dreambot-mydata.zip"])) as archive:
        assert archive.testzip() is None
        names = [name for name in archive.namelist() if name.startswith("pictures/")]
        return json.loads(archive.read("data.json")), names


async def forgotten(person: Person) -> str:
    """Ask to be forgotten, and mean it."""
    question = await person.slash("forget")
    await person.click(question.message, "Delete all my data")
    await person.wait_for(question.message, lambda m: "Your data is deleted." in m.text)
    return question.message.text


async def test_a_copy_holds_jobs_prompts_ledger_settings_and_pictures(world: World, max_: Person, mo: Person) -> None:
    await max_.slash("settings mine", size="320x256")
    owl = await dreamt(max_, "an owl | fog", seed=7)
    await dreamt(mo, "a fox")

    data, pictures = await copied(max_)

    assert {"size": "320x256"} == data["settings"]
    [job] = data["jobs"]
    assert (job_id(owl), "done", 7) == (job["id"], job["state"], job["request"]["seed"])
    assert ["an owl", "fog"] == [prompt["text"] for prompt in job["request"]["prompts"]]
    assert [("charged", job["units"])] == [(line["what"], line["units"]) for line in data["ledger"]]
    assert [f"pictures/{job_id(owl)}-0.png"] == pictures == [one["file"] for one in job["pictures"]]
    assert "token" not in json.dumps(data)


@pytest.mark.slow
async def test_who_has_nothing_gets_an_empty_copy(max_: Person) -> None:
    data, pictures = await copied(max_)

    assert ([], [], []) == (data["jobs"], data["ledger"], pictures)


async def test_forgetting_asks_first_and_deletes_everything(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl", image=upload(picture("green", 64)), size="256x256")
    fox = await dreamt(mo, "a fox")
    await max_.slash("settings mine", pings=False)
    await begun(max_, "hang an owl")

    question = whispered(await max_.slash("forget"))
    assert "2 jobs with prompts, 1 picture, the messages that show them or mention you" in question
    assert "1 unfinished job is cancelled first." in question
    assert not owl.gone
    await forgotten(max_)

    store = world.bot.store
    assert {1} == {await count(store, "jobs"), await count(store, "pictures")}
    assert [0, 0] == [await count(store, "inputs"), await count(store, "settings", f"subject = '{max_.id}'")]
    assert [f"{job_id(fox)}-0.png"] == [path.name for path in (world.folder / "pictures").rglob("*.png")]
    await max_.wait_for(owl, lambda m: m.gone)
    await world.until(lambda: [fox.id] == [m.id for m in mo.sees()])
    assert [] == world.services.jobs.registry.running()
    assert "You have not painted anything yet" in whispered(await max_.slash("history"))
    assert not any(b"an owl" in path.read_bytes() for path in world.folder.glob("dreambot.sqlite3"))


@pytest.mark.bot(delivery={"ping_after_seconds": 0.0})
async def test_the_ping_is_deleted_too_also_after_a_restart(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    call = await max_.wait_for_message(lambda m: f"{max_.mention} your picture is ready." == m.content)
    fox = await dreamt(mo, "a fox")
    other = await mo.wait_for_message(lambda m: f"{mo.mention} your picture is ready." == m.content)
    await world.restart_bot()

    await forgotten(max_)

    await world.until(lambda: owl.gone and call.gone)
    assert [fox.id, other.id] == [m.id for m in mo.sees()]
    await deleted(mo, fox)
    await world.until(lambda: other.gone)
    assert 0 == await count(world.bot.store, "calls")


async def test_what_moderators_were_shown_of_a_forgotten_picture_goes_too(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(mo, owl)
    [told] = reports(olive)

    await forgotten(max_)

    await world.until(lambda: owl.gone and told.gone)
    await nothing_left_to_remove(world)


async def test_a_picture_that_came_directly_goes_too_and_its_buttons_and_reactions_work(
    world: World, max_: Person
) -> None:
    await begun(max_, "slowly an owl")
    world.allow("50001", "50013", "10062", "50027", "could not be delivered")
    world.take_permission(Permission.VIEW_CHANNEL)
    world.expire_tokens()
    direct = await max_.wait_for_message(is_result, channel="dm")
    while not await count(world.bot.store, "messages", f"message_id = {direct.id}"):
        await asyncio.sleep(0.01)
    max_.react(direct, "🔁")
    again = await max_.wait_for_message(lambda m: m.id > direct.id and is_result(m), channel="dm")

    await forgotten(max_)

    await world.until(lambda: direct.gone and again.gone)


async def test_a_limit_that_lasts_long_puts_a_deletion_off(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.delivery.deletion_queue, "LATER", 0.05)
    owl = await dreamt(max_, "an owl")
    limit = world.faults.rate_limited(r"DELETE /channels/.*/messages", 45.0)

    await forgotten(max_)

    await max_.wait_for(owl, lambda m: m.gone)
    assert 0 == limit.times
    await nothing_left_to_remove(world)


async def nothing_left_to_remove(world: World) -> None:
    while await world.bot.store.erasure.to_remove(1):
        await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_question_from_before_a_restart_can_be_answered_twice(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")
    question = await max_.slash("forget")
    await world.restart_bot()

    await asyncio.gather(*(max_.click(question.message, "Delete all my data") for _ in range(2)))
    await max_.wait_for(question.message, lambda m: "Your data is deleted." in m.text)

    assert 0 == await count(world.bot.store, "jobs")
    await dreamt(max_, "a fox")


@pytest.mark.slow
async def test_messages_are_deleted_over_restarts(world: World, max_: Person, mo: Person) -> None:
    owls = [await dreamt(max_, f"owl {number}") for number in range(3)]
    world.allow("10008")  # one may be deleted in the moment of the restart, and once more after it
    await forgotten(max_)
    await world.restart_bot()

    await world.until(lambda: all(owl.gone for owl in owls))

    await nothing_left_to_remove(world)


@pytest.mark.bot(quota={"units": 1.5})
async def test_being_forgotten_pays_for_no_picture(world: World, olive: Person, max_: Person) -> None:
    await olive.slash("admin grant", user=max_.id, units=5, reason="a prize")
    await dreamt(max_, "an owl", count=2)
    await forgotten(max_)

    text = whispered(await max_.slash("quota"))
    assert "**0** of 1.5 units left" in text
    assert "a deleted job" in text
    assert "a prize" not in text
    world.forward(86_400)
    await world.bot.store.erasure.erase_names(world.site.clock.now() - 60)
    assert 0 == await count(world.bot.store, "charges", f"owner = 'discord:{max_.id}'")
    assert 0 == await count(world.bot.store, "credits", f"owner = 'discord:{max_.id}'")
    assert 0 == await count(world.bot.store, "forgotten")
    assert 1 == await count(world.bot.store, "charges")
    await dreamt(max_, "a fox")


@pytest.mark.slow
async def test_a_block_outlives_being_forgotten(world: World, olive: Person, max_: Person) -> None:
    await dreamt(max_, "an owl")
    await olive.slash("admin block", user=max_.id, reason="floods")

    await forgotten(max_)

    assert "A moderator has blocked you in this server: floods." in whispered(await max_.slash("dream", prompt="a fox"))


@pytest.mark.slow
async def test_what_others_made_from_it_stays_theirs(max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    child = (await mo.click(owl, "Again")).message
    await mo.wait_for(child, is_result)

    await forgotten(max_)

    await mo.wait_for(owl, lambda m: m.gone)
    assert not child.gone
    again = (await mo.click(child, "Variation")).message
    await mo.wait_for(again, is_result)
