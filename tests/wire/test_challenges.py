"""Challenges: announced, entered outside of the quota, voted on blindly, won once; no crash loses anything."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.server.world.entities import Overwrite
from bot.playground.server.world.permissions import Permission
from tests.wire.looks import child_of, deleted, dreamt, is_result, job_id, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_hostile import forged
from tests.wire.test_mydata import copied, forgotten
from tests.wire.world import World

DAY = 86_400.0


async def start(person: Person, theme: str = "owls", **options: Any) -> Shown:
    """Start a challenge in the studio; its announcement, once it has its thread."""
    given = {"theme": theme, "deadline": "24h", "vote": "1h", **options}
    answer = await person.slash("challenge start", **given)
    assert "The challenge is open. Entries close" in whispered(answer)
    return await person.wait_for_message(lambda m: f"**Challenge: {theme}**" in m.text and "Enter …" in m.buttons)


def thread_of(announcement: Shown) -> str:
    """The thread of a challenge: it has the id of its announcement."""
    return str(announcement.id)


async def entered(person: Person, prompt: str, announcement: Shown, channel: str = "studio") -> Shown:
    """Paint an entry; its message in the thread of a challenge."""
    answer = await person.slash("challenge enter", prompt=prompt, channel=channel)
    assert "stay hidden until the vote ends" in whispered(answer)
    return await entry_of(person, answer, announcement)


async def entry_of(person: Person, answer: Answer, announcement: Shown) -> Shown:
    """The finished entry that the answer to its author speaks of."""
    job = answer.message.buttons["Withdraw"].split(":")[2]
    return await person.wait_for_message(
        lambda m: f"dream:delete:{job}" in m.buttons.values() and len(m.pictures) == 1, channel=thread_of(announcement)
    )


async def vote_of(person: Person, announcement: Shown) -> Shown:
    """The blind vote in the thread of a challenge."""
    return await person.wait_for_message(lambda m: "Press a letter" in m.text, channel=thread_of(announcement))


async def result_of(person: Person, announcement: Shown) -> Shown:
    """The result in the thread of a challenge."""
    return await person.wait_for_message(lambda m: "Leaderboard" in m.buttons, channel=thread_of(announcement))


async def letter(world: World, vote: Shown, author: Person) -> str:
    """The letter of that person's entry."""
    found = await world.bot.store.votes.find(vote.state.components[0]["components"][0]["custom_id"].split(":")[2])
    return next(one.letter for one in found.candidates if one.author_id == author.id)


async def balance(world: World, person: Person) -> tuple[float, float]:
    """(used, credit) of a person."""
    found = await world.services.jobs.quota.balance(person.id)
    return found.used + found.reserved, found.credit


async def test_a_challenge_from_its_start_to_its_prize_through_restarts(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive, prize=50)
    assert "1 entry each. Prize: 50 units." in announcement.text
    await world.restart_bot()

    await entered(max_, "an owl", announcement)
    assert (0.0, 0.0) == await balance(world, max_)
    form = await mo.click(announcement, "Enter …")
    await world.restart_bot()
    painted = await entry_of(mo, await mo.submit(form, prompt="a fox"), announcement)
    assert (0.0, 0.0) == await balance(world, mo)
    world.forward(DAY + 1)

    vote = await vote_of(max_, announcement)
    assert (
        "The entries are closed. Vote in <#" in (await max_.wait_for(announcement, lambda m: "Vote in" in m.text)).text
    )
    assert not any(person.mention in vote.text for person in (max_, mo, olive))
    assert "This is your own picture" in whispered(await max_.click(vote, await letter(world, vote, max_)))
    await olive.click(vote, await letter(world, vote, max_))
    await mo.click(vote, await letter(world, vote, max_))
    await world.restart_bot()
    world.forward(3601)

    result = await result_of(max_, announcement)
    assert f"🏆 {max_.mention} · 2 votes · 50 units" in result.text
    assert result.pictures
    await max_.wait_for(result, lambda m: m.raw["pinned"], what="the pin")
    await max_.wait_for(announcement, lambda m: f"🏆 {max_.mention}" in m.text and not m.buttons)
    said = f"entry by {mo.mention} in the challenge “owls”; it used no quota"
    await max_.wait_for(painted, lambda m: said in m.text and "a fox" in m.text, what="the entry with its author")
    assert (0.0, 50.0) == await balance(world, max_)
    assert "Prize\\: owls" in whispered(await max_.slash("quota"))
    assert "gave a prize of 50 units to" in whispered(await olive.slash("admin log"))
    await world.restart_bot()
    assert (0.0, 50.0) == await balance(world, max_)
    assert 1 == len([m for m in max_.sees(thread_of(announcement)) if "Leaderboard" in m.buttons])
    assert "🏆" in whispered(await mo.slash("challenge list"))


async def test_deadlines_that_pass_while_the_bot_is_away_are_met_at_the_start(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    for person, prompt in ((max_, "an owl"), (mo, "a fox")):
        await entered(person, prompt, announcement)
    await world.stop_bot()
    world.forward(DAY + 1)
    await world.start_bot()
    vote = await vote_of(max_, announcement)
    await olive.click(vote, "A")
    await world.stop_bot()
    world.forward(3601)
    await world.start_bot()

    result = await result_of(max_, announcement)
    assert "🏆" in result.text
    assert "units" not in result.text


async def test_a_result_is_entered_by_its_button_or_by_info_and_withdrawn(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    before = await dreamt(max_, "an owl")
    assert "Enter challenge" not in before.buttons
    announcement = await start(olive, entries=2)
    after = await dreamt(max_, "a fox")
    grid = await dreamt(max_, "a cat", count=2)

    assert "You can only enter your own pictures." == whispered(await mo.click(after, "Enter challenge"))
    info_after = (await max_.click(after, "Info")).message
    done = await max_.click(after, "Enter challenge")
    assert "is entered in the challenge “owls”" in whispered(done)
    assert "This picture is already entered." == whispered(await max_.click(info_after, "Enter challenge"))
    info = (await max_.click(before, "Info")).message
    assert "Enter challenge" in info.buttons
    assert "Enter challenge" not in (await mo.click(before, "Info")).message.buttons
    assert "is entered" in whispered(await max_.click(info, "Enter challenge"))
    await world.restart_bot()
    choice = (await max_.click(grid, "Enter challenge")).message
    assert ["Enter 1", "Enter 2"] == list(choice.buttons)
    assert "You have 2 entries in this challenge, which is the limit" in whispered(await max_.click(choice, "Enter 2"))
    assert "no longer entered" in whispered(await max_.click(done.message, "Withdraw"))
    assert "This picture is not entered." == whispered(await max_.click(done.message, "Withdraw"))
    assert "is entered" in whispered(await max_.click(choice, "Enter 2"))
    await deleted(max_, before)
    world.forward(DAY + 1)
    await max_.wait_for(announcement, lambda m: "fewer than two entries" in m.text)


async def test_painted_entries_have_a_limit_of_their_own_that_withdrawing_does_not_lift(
    world: World, max_: Person, olive: Person
) -> None:
    announcement = await start(olive)
    entry = await entered(max_, "an owl", announcement)
    refused = whispered(await max_.slash("challenge enter", prompt="a fox"))
    assert "I have painted 1 entry for you, which is the limit" in refused
    [job, *_] = await world.jobs_of(max_)
    assert ("entry", 1) == (job.origin.kind, len(await world.jobs_of(max_)))

    assert {"Star", "Withdraw", "Delete"} == set(entry.buttons)
    assert "no longer entered" in whispered(await max_.click(entry, "Withdraw"))
    await max_.wait_for(entry, lambda m: "an owl" in m.text and is_result(m), what="the entry as a usual result")
    info = (await max_.click(entry, "Info")).message
    assert "0.98 units, not charged" in info.text
    assert "which is the limit" in whispered(await max_.slash("challenge enter", prompt="a fox"))
    again = await max_.click(entry, "Again")  # at their own cost
    await max_.wait_for(again.message, is_result)
    assert "is entered" in whispered(await max_.click(info, "Enter challenge"))
    assert (job.cost, 0.0) == await balance(world, max_)
    refusal = await max_.slash("challenge enter", prompt="broken owl")
    assert "which is the limit" in whispered(refusal)


async def test_what_is_private_mature_or_gone_cannot_be_entered(world: World, max_: Person, olive: Person) -> None:
    await max_.slash("settings mine", private=True)
    await max_.slash("dream", prompt="an owl")
    secret = await max_.wait_for_message(is_result, channel="dm")
    await max_.slash("settings mine", private=False)
    mature = await dreamt(max_, "a naked owl", channel="late-night")
    await start(olive)
    page = (await max_.slash("history")).message
    jobs = {job.request.prompts[0].text: job for job in await world.jobs_of(max_)}
    challenges, caller = world.services.challenges, await invocation(world, max_)

    assert "Enter challenge" not in (await max_.click(secret, "Info")).message.buttons
    shown = (await max_.click(page, "dream:history", [jobs["an owl"].id])).messages[-1]
    assert "Enter challenge" not in (await max_.click(shown, "Info")).message.buttons
    with pytest.raises(Exception, match="This picture is private"):
        await challenges.enter(jobs["an owl"], 0, caller)
    info = (await max_.click(mature, "Info")).message
    assert "is only allowed in 18+ channels" in whispered(await max_.click(info, "Enter challenge"))
    assert "is only allowed in 18+ channels" in whispered(
        await max_.slash("challenge enter", prompt="a naked fox", channel="late-night")
    )
    assert [] == await world.bot.store.challenges.entries((await challenges.open_to(caller)).id)


async def invocation(world: World, person: Person) -> Any:
    """That person, acting in the studio."""
    from bot.interactions.context import Invocation

    guild = world.bot.get_guild(world.channel("studio").guild_id)
    member = await guild.fetch_member(person.id)
    return Invocation.of_person(world.channel("studio").id, guild, member)


async def test_a_copy_or_an_upscale_of_another_persons_picture_cannot_be_entered(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await start(olive)
    shown = await dreamt(max_, "an owl")
    await mo.click(shown, "Upscale")
    large = await child_of(mo, shown)

    assert "This picture belongs to another person." in whispered(await mo.click(large, "Enter challenge"))
    remix = await mo.submit(await mo.click(shown, "Remix"), prompt="a blue owl")
    await mo.wait_for(remix.message, is_result)
    assert "is entered" in whispered(await mo.click(remix.message, "Enter challenge"))


async def test_a_private_entry_is_shown_to_others_in_the_vote_only(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    await max_.slash("settings mine", private=True)
    await max_.slash("challenge enter", prompt="an owl")
    await max_.wait_for_message(is_result, channel="dm")
    await entered(mo, "a fox", announcement)

    assert not [m for m in mo.sees() if "an owl" in m.text]
    world.forward(DAY + 1)
    vote = await vote_of(mo, announcement)
    await mo.click(vote, await letter(world, vote, max_))
    assert "an owl" not in vote.text


async def test_a_challenge_needs_the_right_to_make_threads(world: World, mo: Person) -> None:
    given = {"theme": "owls", "deadline": "24h"}
    world.take_permission(Permission.CREATE_PUBLIC_THREADS)

    assert "without the permission Create Public Threads" in whispered(await mo.slash("challenge start", **given))


async def test_moderators_start_and_cancel_and_a_role_may_start(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    given = {"theme": "owls", "deadline": "24h"}
    assert "Only moderators" in whispered(await max_.slash("challenge start", **given))
    everyone = world.channel("studio").guild_id
    await olive.slash("settings server", challenge_role=everyone)
    assert "Who starts challenges: moderators and <@&" in whispered(await max_.slash("settings server"))
    refused = whispered(await max_.slash("challenge start", prize=5, **given))
    assert "Only people who may grant units" in refused
    announcement = await start(mo)
    assert "A challenge already takes entries in this server: https://" in whispered(
        await olive.slash("challenge start", **given)
    )
    assert [] == await max_.autocomplete("challenge cancel", "challenge", challenge="")
    [offered] = await mo.autocomplete("challenge cancel", "challenge", challenge="ow")
    assert "Only the person who started it" in whispered(
        await max_.slash("challenge cancel", challenge=offered["value"])
    )

    await mo.slash("challenge cancel", challenge=offered["value"], reason="too cold")

    await max_.wait_for(announcement, lambda m: "Cancelled: too cold" in m.text and not m.buttons)
    assert "already over" in whispered(await mo.slash("challenge cancel", challenge=offered["value"]))
    assert "No challenge takes entries" in whispered(await max_.slash("challenge enter", prompt="an owl"))
    await olive.slash("settings server", no_challenge_role=True)
    assert "Only moderators" in whispered(await max_.slash("challenge start", **given))


MISTAKES = (
    ({"deadline": "soon"}, "is not a deadline"),
    ({"deadline": "2020-01-01"}, "between one minute and 60 days"),
    ({"vote": "5 s"}, "is not a valid vote length"),
    ({"theme": "a naked king"}, "is only allowed in 18+ channels"),
    ({"channel": "owl studies"}, "It opens its own thread"),
)


async def test_what_cannot_be_started_is_said(mo: Person) -> None:
    for changes, said in MISTAKES:
        given = {"theme": "owls", "deadline": "24h", "vote": "1h", **changes}
        assert said in whispered(await mo.slash("challenge start", **given))


async def test_a_deleted_thread_or_channel_ends_the_challenge_quietly(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    await entered(max_, "an owl", announcement)
    world.delete_thread(thread_of(announcement))
    await max_.wait_for(announcement, lambda m: "Cancelled" in m.text)
    [job] = await world.jobs_of(max_)
    assert job.on_disk

    await olive.slash("challenge start", theme="foxes", deadline="24h", channel="gallery")
    world.delete_channel("gallery")
    rows, server = world.bot.store.challenges, world.channel("studio").guild_id
    for _ in range(1000):
        if await rows.open_in(server) is None:
            break
        await max_.slash("challenge list")
    assert await rows.open_in(server) is None
    await start(olive, "cats")


async def test_the_leaderboard_lists_who_wants_to_be_listed(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    owl, _ = await entered(max_, "an owl", announcement), await entered(mo, "a fox", announcement)
    for person in (mo, max_):  # a star of one's own does not count
        await person.click(owl, "Star")
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, max_))
    world.forward(3601)
    result = await result_of(max_, announcement)

    assert "The list is empty" in whispered(await mo.click(result, "Leaderboard"))
    assert f"🥇 {max_.mention} · 1 win · 1 star · 1 entry" in whispered(await max_.slash("leaderboard", join=True))
    await world.restart_bot()
    board = whispered(await mo.click(result, "Leaderboard"))
    assert max_.mention in board
    assert mo.mention not in board
    assert "The list is empty" in whispered(await max_.slash("leaderboard", join=False))


async def test_a_copy_shows_entries_and_who_is_forgotten_leaves_none(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive, prize=10)
    for person, prompt in ((max_, "an owl"), (mo, "a fox")):
        await entered(person, prompt, announcement)
    await max_.slash("leaderboard", join=True)
    data, _ = await copied(max_)
    assert ["owls"] == [one["theme"] for one in data["challenge_entries"]]
    assert 1 == len(data["leaderboards"])
    assert ["owls"] == [one["theme"] for one in (await copied(olive))[0]["challenges_started"]]

    await forgotten(max_)
    await forgotten(olive)
    world.forward(DAY + 1)

    await mo.wait_for(announcement, lambda m: "fewer than two entries" in m.text)
    async with world.bot.store.database.reading() as session:
        for table, column in (("challenge_entries", "user_id"), ("leaderboard", "user_id"), ("challenges", "host_id")):
            rows = await session.all(f"SELECT 1 FROM {table} WHERE {column} IN (?, ?)", max_.id, olive.id)
            assert [] == rows, table


@pytest.mark.parametrize("way", ["deleted", "forgotten"])
async def test_a_winning_picture_that_is_deleted_leaves_the_result(
    world: World, max_: Person, mo: Person, olive: Person, way: str
) -> None:
    announcement = await start(olive)
    owl = await entered(max_, "an owl", announcement)
    await entered(mo, "a fox", announcement)
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, max_))
    world.forward(3601)
    result = await result_of(max_, announcement)
    await max_.wait_for(result, lambda m: m.raw["pinned"], what="the pin")
    assert result.pictures

    if way == "deleted":
        await deleted(max_, owl)
    else:
        await forgotten(max_)

    await mo.wait_for(result, lambda m: not m.pictures and not m.files, what="the result without its picture")
    await mo.wait_for(announcement, lambda m: (max_.mention in m.text) == (way == "deleted"))
    assert (max_.mention in result.text) == (way == "deleted")


async def test_a_vote_on_an_entry_in_the_thread_does_not_hold_up_the_challenge(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive, deadline="1h")
    thread = thread_of(announcement)
    grid = await dreamt(max_, "an owl", count=2, channel=thread)
    choice = (await max_.click(grid, "Enter challenge")).message
    question, late = [(await max_.click(grid, "Vote")).message for _ in range(2)]
    await max_.click(question, "24 hours")
    await max_.wait_for(question, lambda m: "The vote is open" in m.text, what="the other vote")
    own = await vote_of(max_, announcement)
    await max_.click(choice, "Enter 1")
    await entered(mo, "a fox", announcement)
    answer = await max_.click(late, "1 hour")
    await world.until(lambda: any("which has its own vote" in one.text for one in answer.messages))

    world.forward(3601)

    await olive.wait_for_message(
        lambda m: m.id != own.id and "Press a letter" in m.text and "your own picture" in m.text, channel=thread
    )


async def test_a_challenge_in_a_channel_that_a_member_cannot_read_stays_there(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    picture = await dreamt(max_, "an owl")
    gallery = world.channel("gallery")
    gallery.overwrites[max_.id] = Overwrite(max_.id, 1, deny=Permission.VIEW_CHANNEL)
    world.site.channel_changed(gallery)
    await olive.slash("challenge start", theme="secret owls", deadline="24h", channel="gallery")
    challenge = await world.bot.store.challenges.open_in(gallery.guild_id)
    await dreamt(mo, "a fox")

    info = (await max_.click(picture, "Info")).message
    assert "Enter challenge" not in info.buttons
    none = "No challenge takes entries in this server right now."
    assert none == whispered(await max_.slash("challenge enter", prompt="an owl"))
    assert none == whispered(await forged(world, max_, info, f"dream:challenge:{challenge.id}"))
    assert none == whispered(await forged(world, max_, info, f"dream:enter:{job_id(picture)}:0"))
    assert "secret" not in whispered(await max_.slash("challenge list"))
    assert "secret" in whispered(await mo.slash("challenge list"))
    assert [] == await world.bot.store.challenges.entries(challenge.id)


@pytest.mark.parametrize(
    ("theme", "shown"), [("\u202eowls\u202c\u200b  at\nnight", "owls at night"), ("\u200b \u2060", ""), ("   ", "")]
)
async def test_a_theme_has_no_marks_that_hide_or_reverse_text(
    world: World, olive: Person, theme: str, shown: str
) -> None:
    said = whispered(await olive.slash("challenge start", theme=theme, deadline="24h"))

    challenge = await world.bot.store.challenges.open_in(world.channel("studio").guild_id)
    assert shown == (challenge.theme if challenge else "")
    assert ("needs a theme" in said) == (not shown)


async def test_a_deleted_winner_leaves_the_result_in_an_archived_thread_too(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    world.allow("50083")
    announcement = await start(olive)
    owl = await dreamt(max_, "an owl")
    info = (await max_.click(owl, "Info")).message
    assert "is entered" in whispered(await max_.click(info, "Enter challenge"))
    await entered(mo, "a fox", announcement)
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, max_))
    world.forward(3601)
    result = await result_of(max_, announcement)
    await max_.wait_for(result, lambda m: m.raw["pinned"], what="the pin")
    thread = thread_of(announcement)
    await max_.wait_for_message(lambda m: m.id > result.id, channel=thread)
    world.close_thread(thread)

    await deleted(max_, owl)

    renewed = await mo.wait_for_message(lambda m: m.id > result.id and "Leaderboard" in m.buttons, channel=thread)
    assert max_.mention in renewed.text
    assert not renewed.pictures
    await mo.wait_for(renewed, lambda m: m.raw["pinned"], what="the new pin")
    await world.until(lambda: result.gone, what="the former result to be deleted")
