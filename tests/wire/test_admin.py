"""`/admin`: decisions of moderators take effect, are logged and announced."""

from __future__ import annotations

import asyncio
import re

import pytest

from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.validation.components import walk
from tests.wire.looks import begun, dreamt, is_result, job_id, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.world import World


async def said(answer: Answer) -> str:
    """What everybody reads; nobody is pinged by it."""
    assert not answer.message.ephemeral
    assert [] == answer.message.raw["mentions"]
    return answer.message.content


def is_stopped(message: Shown) -> bool:
    return "A moderator cancelled this" in message.text


async def test_discord_shows_it_to_managers_only_and_the_bot_checks_again(world: World, max_: Person) -> None:
    with pytest.raises(NotPossibleError, match="you do not have permission"):
        await max_.slash("admin log")
    for command in world.site.commands.all():  # a server may have given the command to everybody
        command["default_member_permissions"] = None

    for command, options in (
        ("admin log", {}),
        ("admin pause", {"reason": "no"}),
        ("admin block", {"user": max_.id, "reason": "no"}),
        ("admin grant", {"user": max_.id, "units": 1000, "reason": "please"}),
        ("admin words add", {"phrase": "owl"}),
    ):
        answer = await max_.slash(command, **options)
        assert "Only people who can manage this server can do this." == whispered(answer)


async def test_a_job_is_cancelled_by_its_id_and_its_message_says_so(world: World, olive: Person, max_: Person) -> None:
    running = await begun(max_, "hang an owl")
    waiting = (await max_.slash("dream", prompt="a fox")).message
    jobs = await world.jobs_of(max_)
    offered = await olive.autocomplete("admin cancel", "job")
    assert [jobs[1].id, jobs[0].id] == [choice["value"] for choice in offered]

    for job in jobs:
        answer = await olive.slash("admin cancel", job=job.id, reason="too many owls")
        assert f"Job {job.id} was cancelled." == whispered(answer)

    for message in (running, waiting):
        await max_.wait_for(message, is_stopped)
        assert "A moderator cancelled this: too many owls. Nothing was charged." in message.text
    assert 0 == (await world.services.jobs.quota.balance(max_.id)).used
    assert f"{olive.mention} cancelled a job of {max_.mention} (job {jobs[0].id}): too many owls" in whispered(
        await olive.slash("admin log")
    )


async def test_what_goes_to_its_owner_alone_is_offered_to_be_cancelled_without_its_words(
    world: World, olive: Person, max_: Person
) -> None:
    await begun(max_, "hang an owl")
    await max_.slash("settings mine", private=True)
    await max_.slash("dream", prompt="my secret flower")
    [secret, owl] = await world.jobs_of(max_)

    offered = await olive.autocomplete("admin cancel", "job")

    assert [f"{owl.id} · Max: hang an owl", f"{secret.id} · Max: a private dream"] == [one["name"] for one in offered]
    assert [] == await olive.autocomplete("admin cancel", "job", job="flower")
    answer = await olive.slash("admin cancel", job=secret.id)
    assert f"Job {secret.id} was cancelled." == whispered(answer)


async def test_who_may_not_manage_the_server_is_offered_no_jobs_to_cancel(world: World, max_: Person) -> None:
    await begun(max_, "hang an owl")
    for command in world.site.commands.all():  # a server may have given the command to everybody
        command["default_member_permissions"] = None

    assert [] == await max_.autocomplete("admin cancel", "job")


@pytest.mark.slow
async def test_cancelling_what_is_over_or_never_was_is_refused(olive: Person, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")

    assert "This picture is already finished" in whispered(await olive.slash("admin cancel", job=job_id(owl)))
    assert "There is no job “nonsense” in this server." == whispered(await olive.slash("admin cancel", job="nonsense"))


@pytest.mark.slow
async def test_jobs_of_other_places_are_none_of_a_moderators_business(
    world: World, olive: Person, max_: Person
) -> None:
    await begun(max_, "hang an owl", channel=str(world.dm(max_).id))
    job = (await world.jobs_of(max_))[0]

    assert [] == await olive.autocomplete("admin cancel", "job")
    assert f"There is no job “{job.id}” in this server." == whispered(await olive.slash("admin cancel", job=job.id))


async def test_a_paused_queue_keeps_its_places_over_a_restart_and_continues(
    world: World, olive: Person, max_: Person
) -> None:
    running = await begun(max_, "slowly an owl")
    waiting = (await max_.slash("dream", prompt="a fox")).message

    answer = await olive.slash("admin pause", reason="dinner")

    assert f"{olive.mention} paused the queue; queued jobs keep their places: dinner." == await said(answer)
    await max_.wait_for(running, is_result)
    await max_.wait_for(waiting, lambda m: "Paused by a moderator: dinner. This job keeps its place." in m.text)
    listed = whispered(await max_.slash("queue"))
    assert "[a fox](https://" in listed and "· paused by a moderator" in listed
    assert "The queue is already paused." == whispered(await olive.slash("admin pause", reason="again"))
    elsewhere = await dreamt(max_, "a fox", channel=str(world.dm(max_).id))
    assert is_result(elsewhere)
    await world.restart_bot()
    assert 1 == len(world.services.jobs.registry.waiting())
    assert f"{olive.mention} resumed the queue." == await said(await olive.slash("admin resume"))
    await max_.wait_for(waiting, is_result)
    log = whispered(await olive.slash("admin log"))
    assert log.index("resumed the queue") < log.index("paused the queue: dinner")


async def test_while_a_host_has_paused_everything_a_moderator_cannot_let_it_go_on_and_reads_so(
    world: World, olive: Person, max_: Person
) -> None:
    world.make_host(olive)
    await olive.slash("admin pause", reason="repairs", everywhere=True)
    waiting = (await max_.slash("dream", prompt="an owl")).message
    await max_.wait_for(waiting, lambda m: "Paused by a moderator: repairs. This job keeps" in m.text)
    still = "A host has paused all servers: repairs. Only a host can resume."

    assert still == whispered(await olive.slash("admin resume"))
    await olive.slash("admin pause", reason="dinner")
    assert f"{olive.mention} resumed the queue. {still}" == await said(await olive.slash("admin resume"))

    assert f"{olive.mention} resumed the queue." == await said(await olive.slash("admin resume", everywhere=True))
    await max_.wait_for(waiting, is_result)
    assert "The queue is not paused." == whispered(await olive.slash("admin resume"))
    await olive.slash("admin drain", reason="we move", everywhere=True)
    assert "A host has stopped new jobs in all servers: we move. Only a host can resume." == whispered(
        await olive.slash("admin resume")
    )


@pytest.mark.slow
async def test_a_draining_queue_takes_nothing_new_and_paints_what_waits(olive: Person, max_: Person) -> None:
    running = await begun(max_, "slowly an owl")
    waiting = (await max_.slash("dream", prompt="a fox")).message

    await olive.slash("admin drain", reason="we move")

    refused = whispered(await max_.slash("dream", prompt="a cat"))
    assert "New jobs are not accepted right now: we move. Queued jobs still finish." == refused
    await max_.wait_for(running, is_result)
    await max_.wait_for(waiting, is_result)
    await olive.slash("admin resume")
    await dreamt(max_, "a cat")


@pytest.mark.slow
async def test_only_hosts_decide_for_all_servers(olive: Person, max_: Person) -> None:
    for command, options in (("pause", {"reason": "x"}), ("block", {"user": max_.id, "reason": "x"}), ("log", {})):
        answer = await olive.slash(f"admin {command}", everywhere=True, **options)  # type: ignore[arg-type]
        assert "Only the bot's hosts can decide for all servers." == whispered(answer)


async def test_who_is_blocked_reads_why_and_loses_what_waits(world: World, olive: Person, max_: Person) -> None:
    running = await begun(max_, "hang an owl")
    waiting = (await max_.slash("dream", prompt="a fox")).message

    answer = await olive.slash("admin block", user=max_.id, reason="floods", days=1)

    assert f"{max_.mention} is blocked. 2 jobs of theirs are cancelled." == whispered(answer)
    for message in (running, waiting):
        await max_.wait_for(message, is_stopped)
    refused = whispered(await max_.slash("dream", prompt="an owl"))
    assert "A moderator has blocked you in this server until <t:" in refused
    assert refused.endswith(": floods.")
    assert f"{max_.mention} since <t:" in whispered(await olive.slash("admin blocked"))
    world.forward(86_401)
    await dreamt(max_, "an owl")
    assert "Nobody is blocked." in whispered(await olive.slash("admin blocked"))


@pytest.mark.slow
async def test_a_block_holds_for_buttons_and_reactions_too_until_it_is_lifted(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    owl = await dreamt(mo, "an owl")
    await olive.slash("admin block", user=max_.id, reason="floods")

    assert "A moderator has blocked you in this server" in whispered(await max_.click(owl, "Again"))
    world.forward(1)  # the press has been long enough ago
    max_.react(owl, "🔁")
    await max_.wait_for_message(lambda m: "A moderator has blocked you in this server: floods." in m.text, channel="dm")

    assert f"{max_.mention} is unblocked." == whispered(await olive.slash("admin unblock", user=max_.id))
    assert "This person is not blocked here." == whispered(await olive.slash("admin unblock", user=max_.id))
    await dreamt(max_, "a fox")


async def test_a_block_and_a_request_at_the_same_moment_leave_nothing_behind(
    world: World, olive: Person, max_: Person
) -> None:
    asked = [max_.slash("dream", prompt=f"hang an owl {number}") for number in range(3)]

    await asyncio.gather(*asked, olive.slash("admin block", user=max_.id, reason="floods"))

    await world.until(lambda: not world.services.jobs.registry.waiting() and not world.services.jobs.registry.running())
    assert all(job.state.over for job in await world.jobs_of(max_))
    assert 0 == (await world.services.jobs.quota.balance(max_.id)).reserved


@pytest.mark.bot(quota={"units": 2.0})
async def test_granted_units_and_reset_quotas_are_announced(olive: Person, max_: Person) -> None:
    await dreamt(max_, "an owl")

    granted = await olive.slash("admin grant", user=max_.id, units=10, reason="won the contest")
    assert f"{olive.mention} granted {max_.mention} 10 units: won the contest." == await said(granted)
    taken = await olive.slash("admin grant", user=max_.id, units=-25, reason="cheated")
    assert f"{olive.mention} took 10 units back from {max_.mention}: cheated." == await said(taken)
    assert "There are no granted units to take back." in whispered(
        await olive.slash("admin grant", user=max_.id, units=-1, reason="still")
    )
    await olive.slash("admin reset", user=max_.id, reason="a mistake of ours")

    text = whispered(await max_.slash("quota"))
    assert "**2** of 2 units left" in text
    assert "quota reset: a mistake of ours" in text


@pytest.mark.slow
@pytest.mark.bot(quota={"moderators_grant": False})
async def test_a_host_may_keep_quotas_to_themselves(olive: Person, max_: Person) -> None:
    answer = await olive.slash("admin grant", user=max_.id, units=10, reason="please")

    assert "Only the bot's hosts can change quotas here." == whispered(answer)


async def test_blocked_words_are_refused_with_the_reason_in_whatever_letters(olive: Person, max_: Person) -> None:
    await olive.slash("admin words add", phrase="red owl", reason="a running joke, long dead")

    for prompt in ("a red owl", "RED   0wl", "a r​ed оwl at night | fog"):
        assert "“red owl” is blocked in this server: a running joke, long dead." == whispered(
            await max_.slash("dream", prompt=prompt)
        )
    await dreamt(max_, "an owl, red")
    assert "“red owl”: a running joke, long dead" in whispered(await olive.slash("admin words list"))
    assert "“RED OWL” is no longer blocked." == whispered(await olive.slash("admin words remove", phrase="RED OWL"))
    assert "This word is not blocked here." == whispered(await olive.slash("admin words remove", phrase="RED OWL"))
    await dreamt(max_, "a red owl")


@pytest.mark.slow
async def test_what_is_no_word_cannot_be_blocked(olive: Person) -> None:
    assert "A blocked word needs at least one letter or digit." in whispered(
        await olive.slash("admin words add", phrase="…​")
    )


@pytest.mark.slow
async def test_the_moderators_channel_hears_of_everything(world: World, olive: Person, max_: Person) -> None:
    await olive.slash("settings server", report_channel=world.channel("late-night").id)

    await olive.slash("admin block", user=max_.id, reason="floods @everyone")
    await olive.slash("admin words add", phrase="owl")
    await olive.slash("admin pause", reason="dinner")

    await world.until(lambda: len(olive.sees("late-night")) == 4)
    heard = olive.sees("late-night")
    assert f"{olive.mention} blocked {max_.mention}: floods \\@everyone." == heard[1].content
    assert all(not m.raw["mentions"] and not m.raw["mention_everyone"] for m in heard)


@pytest.mark.slow
async def test_reports_cannot_go_where_the_bot_may_not_write(world: World, olive: Person) -> None:
    answer = await olive.slash("settings server", report_channel=world.channel("quiet").id)

    quiet = world.channel("quiet").id
    assert f"I cannot post reports in <#{quiet}> without the permissions Send Messages, " in whispered(answer)


async def filled(world: World, olive: Person, entries: int) -> None:
    """A record of so many decisions of Olive's, the latest about “word 1”."""
    guild = world.channel("studio").guild_id
    for number in range(entries, 0, -1):
        await world.bot.store.audit.add(
            f"discord:{olive.id}",
            "block word",
            str(guild),
            world.site.clock.now(),
            server_id=guild,
            phrase=f"w{number}.",
        )


def words_of(page: Shown) -> list[int]:
    return [int(found) for found in re.findall(r"“w(\d+)\.”", page.text)]


async def test_the_record_has_pages_that_turn_both_ways_after_a_restart(world: World, olive: Person) -> None:
    await filled(world, olive, 23)
    page = (await olive.slash("admin log")).message
    assert list(range(1, 11)) == words_of(page)
    assert ["Older"] == list(page.buttons)
    assert "23 entries" in page.text
    await world.restart_bot()

    await olive.click(page, "Older")
    await olive.wait_for(page, lambda m: list(range(11, 21)) == words_of(m))
    assert ["Newer", "Older"] == list(page.buttons)
    await olive.click(page, "Older")
    await olive.wait_for(page, lambda m: [21, 22, 23] == words_of(m))
    assert ["Newer"] == list(page.buttons)
    await olive.click(page, "Newer")
    await olive.wait_for(page, lambda m: list(range(11, 21)) == words_of(m))
    await olive.click(page, "Newer")
    await olive.wait_for(page, lambda m: list(range(1, 11)) == words_of(m))


async def test_the_record_can_be_searched_by_person_and_by_what_was_decided(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await filled(world, olive, 12)
    await begun(max_, "hang an owl")
    [job] = await world.jobs_of(max_)
    await olive.slash("admin cancel", job=job.id, reason="too many owls")
    await olive.slash("admin block", user=max_.id, reason="floods")
    await olive.slash("admin block", user=mo.id, reason="sleeps")
    await olive.slash("admin unblock", user=max_.id)

    about = whispered(await olive.slash("admin log", user=max_.id))
    blocks = whispered(await olive.slash("admin log", action="block"))
    none = whispered(await olive.slash("admin log", user=mo.id, action="cancel"))
    words = (await olive.slash("admin log", user=olive.id, action="block word")).message

    assert (True, True, False) == ("unblocked" in about, "floods" in about, "sleeps" in about)
    assert f"cancelled a job of {max_.mention}" in about
    assert (False, True, True) == ("unblocked" in blocks, "floods" in blocks, "sleeps" in blocks)
    assert "No matching entries." == none.splitlines()[-1]
    await olive.click(words, "Older")
    await olive.wait_for(words, lambda m: [11, 12] == words_of(m))
    assert "12 entries · only: block word · one person only" in words.text


async def test_who_may_not_manage_the_server_any_more_turns_no_page(world: World, olive: Person, max_: Person) -> None:
    await filled(world, olive, 11)
    page = (await olive.slash("admin log")).message
    page.state.visible_to = max_.id  # a client that lies about who was answered

    answer = await max_.click(page, "Older")

    assert ["Only people who can manage this server can do this."] == [
        m.text for m in answer.messages if m.id != page.id
    ]
    everywhere = page.buttons["Older"].replace(":here:", ":all:")
    for component in walk(page.state.components):
        if component.get("custom_id") == page.buttons["Older"]:
            component["custom_id"] = everywhere
            break
    page.state.visible_to = olive.id
    answer = await olive.click(page, everywhere)
    assert ["Only the bot's hosts can decide for all servers."] == [m.text for m in answer.messages if m.id != page.id]


async def test_the_longest_entries_fit_on_one_page(world: World, olive: Person) -> None:
    guild = world.channel("studio").guild_id
    for number in range(12):
        await world.bot.store.audit.add(
            f"discord:{olive.id}",
            "rules",
            str(guild),
            world.site.clock.now(),
            server_id=guild,
            changes={f"{number} {key}": "*" * 300 for key in range(10)},
        )

    page = (await olive.slash("admin log")).message

    assert 10 == len(page.state.embeds[0]["description"].splitlines())
    assert len(page.state.embeds[0]["description"]) <= 4096
