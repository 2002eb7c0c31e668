"""A picture that is posted where it was not painted: the rules hold of the place where it is now."""

from __future__ import annotations

import pytest

from tests.wire.looks import dreamt, is_result, job_id, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_batch import PICK, batch, choose
from tests.wire.test_elsewhere import second_server
from tests.wire.test_history import opened, shown
from tests.wire.test_reports import THANKS, report, reports, take_reports
from tests.wire.world import World


async def posted(person: Person, picture: Shown, channel: str = "studio") -> Shown:
    """The copy that “Post here” makes."""
    again = await shown(person, await opened(person, channel=channel), job_id(picture))
    await person.click(again, "Post here")
    return await person.wait_for_message(lambda m: m.id > again.id and is_result(m), channel=channel)


async def test_from_a_direct_message_it_is_covered_where_all_pictures_are_and_can_be_reported(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    await olive.slash("settings server", spoilers="always")
    owl = await dreamt(max_, "an owl", channel=str(world.dm(max_).id))
    assert [f"{job_id(owl)}.png"] == list(owl.files)

    copy = await posted(max_, owl)

    assert [f"SPOILER_{job_id(owl)}.png"] == list(copy.files)
    assert "Report" in copy.buttons
    assert THANKS == whispered(await report(mo, copy))
    [told] = reports(olive)
    guild, studio = world.channel("studio").guild_id, world.channel("studio").id
    assert f"https://discord.com/channels/{guild}/{studio}/{copy.id}" in told.text
    await mo.click(told, "Delete the picture")
    await mo.wait_for(told, lambda m: "Deleted by" in m.text)
    assert copy.gone


async def test_a_picture_of_a_server_cannot_be_reported_in_a_direct_message(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")

    assert "Report" not in (await posted(max_, owl, str(world.dm(max_).id))).buttons


async def test_from_another_server_it_can_be_reported_to_the_moderators_of_this_one(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    annex = await second_server(world)
    owl = await dreamt(max_, "an owl", channel=annex)

    copy = await posted(max_, owl)

    assert THANKS == whispered(await report(mo, copy))
    [told] = reports(olive)
    assert job_id(owl) in told.text
    await mo.click(told, "Delete the picture")
    await mo.wait_for(told, lambda m: "Deleted by" in m.text)
    assert copy.gone
    assert not owl.gone
    assert not any("reported" in message.content for message in max_.sees())
    assert [owl.id] == [message.id for message in max_.sees(annex)]


async def test_moderators_of_two_servers_do_not_share_a_report(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    annex = await second_server(world)
    await olive.slash("settings server", channel=annex, report_channel=int(annex))
    owl = await dreamt(max_, "an owl")
    copy = await posted(max_, owl, annex)
    assert THANKS == whispered(await report(mo, owl))

    assert "This picture is reported in another server. A moderator can delete it here." == whispered(
        await report(mo, copy)
    )

    [told] = reports(olive)
    assert "Reported once" in told.text


@pytest.mark.bot(limits={"max_batch": 40}, environ={"DREAMBOT_FAKE_STEP": "0.01"})
async def test_one_picture_of_a_batch_is_covered_where_all_pictures_are(olive: Person, max_: Person) -> None:
    many = await batch(max_)
    await olive.slash("settings server", spoilers="always")

    answer = await choose(max_, many, PICK, "3")

    one = await max_.wait_for(answer.message, is_result)
    assert [True] == [name.startswith("SPOILER_") for name in one.files]
