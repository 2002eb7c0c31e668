"""Report: from the button under a picture to a moderator's decision, once each."""

from __future__ import annotations

import asyncio

import pytest

from bot.playground.server.world.permissions import Permission
from tests.wire.looks import dreamt, is_enlarged, job_id, link, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_hostile import forged
from tests.wire.world import World

THANKS = "Thank you. The moderators of this server have been notified."


async def take_reports(olive: Person) -> None:
    """The server's reports go to #gallery."""
    await olive.slash("settings server", report_channel=olive.world.channel("gallery").id)


async def report(person: Person, picture: Shown, reason: str = "") -> Answer:
    return await person.submit(await person.click(picture, "Report"), reason=reason)


def reports(person: Person) -> list[Shown]:
    return [message for message in person.sees("gallery") if "Reported" in message.text]


async def test_a_report_reaches_the_moderators_with_everything_they_need(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")

    assert THANKS == whispered(await report(mo, owl, "too *dark* @everyone"))

    [shown] = reports(olive)
    assert f"Reported once\n**an owl**\n{link(world, owl)}" in shown.text
    assert f"Painted by: {max_.mention}\nJob: {job_id(owl)}\nReported by: {mo.mention} <t:" in shown.text
    assert "too \\*dark\\* \\@everyone." in shown.text
    assert [f"SPOILER_{job_id(owl)}.png"] == list(shown.files)
    assert ["Delete the picture", "Delete it and block its owner", "Dismiss"] == list(shown.buttons)
    assert not shown.raw["mentions"]
    assert not shown.raw["mention_everyone"]


@pytest.mark.slow
async def test_without_a_channel_for_reports_that_is_said_at_once(max_: Person) -> None:
    owl = await dreamt(max_, "an owl")

    assert "Report" not in owl.buttons
    assert "This server does not accept reports through me." in whispered(
        await forged(max_.world, max_, owl, f"dream:report:{job_id(owl)}")
    )


@pytest.mark.slow
async def test_in_a_direct_message_there_is_nothing_to_report(max_: Person) -> None:
    owl = await dreamt(max_, "an owl", channel=str(max_.world.dm(max_).id))

    assert "Report" not in owl.buttons


async def test_many_voices_make_one_report_and_each_counts_once(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    forms = [(person, await person.click(owl, "Report")) for person in (olive, max_, mo)]

    answers = await asyncio.gather(*(person.submit(form, reason=str(person.id)) for person, form in forms))

    assert [THANKS] * 3 == [whispered(answer) for answer in answers]
    [shown] = reports(olive)
    await olive.wait_for(shown, lambda m: "Reported by 3 people" in m.text)
    assert "You have already reported this picture." == whispered(await report(mo, owl))


async def test_a_report_whose_message_was_deleted_by_hand_is_told_anew(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(mo, owl, "dark")
    [first] = reports(olive)
    world.delete_behind(first)
    world.allow("10008")

    assert THANKS == whispered(await report(max_, owl, "very dark"))

    [second] = reports(olive)
    assert "Reported by 2 people" in second.text
    assert THANKS == whispered(await report(olive, owl))
    await olive.wait_for(second, lambda m: "Reported by 3 people" in m.text)


async def test_a_report_follows_to_another_channel_once_its_own_is_gone(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(mo, owl)
    world.allow("10003", "10008", "50001")
    world.delete_channel("gallery")
    await olive.slash("settings server", report_channel=world.channel("late-night").id)

    assert THANKS == whispered(await report(max_, owl))

    told = await olive.wait_for_message(lambda m: "Reported by 2 people" in m.text, channel="late-night")
    await mo.click(told, "Dismiss")
    await mo.wait_for(told, lambda m: f"Dismissed by {mo.mention}" in m.text)


async def test_a_form_opened_before_a_restart_counts_and_the_buttons_work_after_it(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    form = await mo.click(owl, "Report")
    await world.restart_bot()
    assert THANKS == whispered(await mo.submit(form, reason="dark"))
    [shown] = reports(olive)
    await world.restart_bot()

    await mo.click(shown, "Delete the picture")

    await mo.wait_for(shown, lambda m: f"Decision: Deleted by {mo.mention}" in m.text)
    assert ({}, {}) == (shown.files, shown.buttons)
    assert owl.gone
    assert not any(mo.mention in message.text for message in max_.sees())
    log = whispered(await olive.slash("admin log"))
    assert f"{mo.mention} deleted a picture of {max_.mention} (job {job_id(owl)})" in log


async def test_of_two_moderators_who_press_at_once_one_decides(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(max_, owl)
    [shown] = reports(olive)

    answers = await asyncio.gather(mo.click(shown, "Dismiss"), olive.click(shown, "Delete the picture"))

    def told() -> list[str]:
        return [message.text for answer in answers for message in answer.messages if message.ephemeral]

    await world.until(lambda: told() and not shown.buttons)
    assert ["Another moderator has already decided about this report."] == told()
    assert owl.gone is ("Deleted by" in shown.text)


@pytest.mark.slow
async def test_members_cannot_deal_with_reports_and_blocking_is_for_managers(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(max_, owl)
    [shown] = reports(olive)

    refused = await max_.click(shown, "Dismiss")
    for role in world.site.world.guilds[world.channel("studio").guild_id].roles.values():
        role.permissions &= ~Permission.MANAGE_GUILD  # Olive owns the server; Mo stays a moderator by Manage Messages
    world.site.channel_changed(world.channel("gallery"))
    blocked = await mo.click(shown, "Delete it and block its owner")

    await world.until(lambda: any(m.ephemeral for m in blocked.messages))
    assert ["Only moderators can decide about reports."] == [m.text for m in refused.messages if m.ephemeral]
    assert ["Only people who can manage this server can block others."] == [
        m.text for m in blocked.messages if m.ephemeral
    ]
    assert not owl.gone
    await olive.click(shown, "Delete it and block its owner")
    await olive.wait_for(shown, lambda m: "and its owner blocked" in m.text)
    assert owl.gone
    assert "A moderator has blocked you in this server: for a reported picture." in whispered(
        await max_.slash("dream", prompt="a fox")
    )


async def test_a_host_is_not_blocked_by_a_report_either(world: World, olive: Person, max_: Person, mo: Person) -> None:
    world.make_host(max_)
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(mo, owl)
    [shown] = reports(olive)

    answer = await olive.click(shown, "Delete it and block its owner")

    await world.until(lambda: any(m.ephemeral for m in answer.messages))
    assert ["A host cannot be blocked."] == [m.text for m in answer.messages if m.ephemeral]
    assert "A host cannot be blocked." == whispered(await olive.slash("admin block", user=max_.id, reason="x"))
    assert not owl.gone
    await olive.click(shown, "Delete the picture")
    await olive.wait_for(shown, lambda m: "Deleted by" in m.text)
    await dreamt(max_, "a fox")


@pytest.mark.slow
async def test_a_dismissed_report_is_closed_for_good(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    await report(mo, owl)
    [shown] = reports(olive)

    await mo.click(shown, "Dismiss")

    await mo.wait_for(shown, lambda m: f"Dismissed by {mo.mention}" in m.text)
    assert not owl.gone
    assert "Moderators have already reviewed this picture." == whispered(await report(max_, owl))
    assert "dismissed a report about a picture of" in whispered(await olive.slash("admin log"))


@pytest.mark.slow
async def test_a_report_that_cannot_be_posted_is_refused(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    world.take_permission(Permission.SEND_MESSAGES, "gallery")
    world.allow("50013")

    assert "I cannot post in the moderators' channel right now." in whispered(await report(mo, owl))

    assert await world.bot.store.reports.find(job_id(owl)) is None


@pytest.mark.slow
async def test_a_person_cannot_flood_the_moderators(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await take_reports(olive)
    owls = [await dreamt(max_, f"owl {number}") for number in range(11)]

    answers = [whispered(await report(mo, owl)) for owl in owls]

    assert [THANKS] * 10 == answers[:10]
    assert "You have sent many reports in the last hour." in answers[10]


@pytest.mark.slow
async def test_an_enlarged_picture_can_be_reported_too(olive: Person, max_: Person, mo: Person) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")
    enlarged = (await max_.click(owl, "Upscale")).message
    await max_.wait_for(enlarged, is_enlarged)

    assert THANKS == whispered(await report(mo, enlarged))
