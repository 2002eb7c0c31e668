"""Until the vote has ended, no message, list, button or command tells the author or the prompt of an entry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.images.pictures import read_text
from tests.bot.core import count
from tests.wire.looks import dreamt, is_result, job_id, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_challenges import DAY, entered, letter, result_of, start, thread_of, vote_of
from tests.wire.test_compare import experiment
from tests.wire.test_favorites import starred
from tests.wire.test_gallery import gallery, listed
from tests.wire.test_hostile import forged, forged_choice
from tests.wire.test_starboard import board, entries, entry, settled
from tests.wire.test_votes import ended, vote_on
from tests.wire.world import World

REFUSED = "This picture is in a blind vote. Its prompt and author stay hidden until the vote ends"
HIDDEN = "(hidden until its blind vote ends)"


def told(world: World, *places: str) -> str:
    """Everything that messages of these channels have ever shown to everyone."""
    shown = [message for place in places for message in world.mo.sees(place) if not message.ephemeral]
    return json.dumps([state for message in shown for state in message.history], ensure_ascii=False)


async def test_the_thread_names_no_author_and_no_prompt_until_the_end(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    thread = thread_of(announcement)
    before = len(max_.sees())
    owl = await entered(max_, "an owl", announcement)
    await world.restart_bot()
    fox = await entered(mo, "a fox", announcement)

    assert ["Entry 1", "Entry 2"] == [one.text.strip("*").partition("**")[0] for one in (owl, fox)]
    assert {"Star", "Withdraw", "Delete"} == set(owl.buttons)
    assert {} == read_text(owl.pictures[0])
    assert owl.raw.get("interaction_metadata") is None and owl.raw.get("message_reference") is None
    assert before == len([m for m in max_.sees() if not m.ephemeral])
    assert "Only its author or a moderator can delete this." == whispered(await max_.click(fox, "Delete"))
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, max_))
    await world.restart_bot()

    said = told(world, "studio", thread)
    assert not [word for word in ("an owl", "a fox", max_.mention, mo.mention, '"Info"', '"Remix"') if word in said]

    world.forward(3601)
    await max_.wait_for(owl, lambda m: is_result(m) and "an owl" in m.text, what="the entry with its prompt")
    await mo.wait_for(fox, lambda m: f"entry by {mo.mention} in the challenge “owls”" in m.text)
    assert "an owl" in json.dumps(read_text(owl.pictures[0]))
    async with asyncio.timeout(10):
        while await count(world.bot.store, "covered_sheets"):
            await asyncio.sleep(0.02)


async def test_a_cancelled_challenge_reveals_entries_while_the_bot_is_away_or_painting(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive)
    owl = await entered(max_, "an owl", announcement)
    [offered] = await olive.autocomplete("challenge cancel", "challenge", challenge="ow")
    answer = await mo.slash("challenge enter", prompt="a slow fox")
    await olive.slash("challenge cancel", challenge=offered["value"])
    await world.restart_bot()

    await max_.wait_for(owl, lambda m: is_result(m) and "an owl" in m.text)
    fox = answer.message.buttons["Withdraw"].split(":")[2]
    await mo.wait_for_message(
        lambda m: is_result(m) and fox in str(m.buttons) and "a slow fox" in m.text, channel=thread_of(announcement)
    )


async def test_an_entered_result_hides_its_prompt_in_its_own_channel(world: World, max_: Person, olive: Person) -> None:
    announcement = await start(olive, entries=2)
    grid = await dreamt(max_, "an owl", count=4)
    before = grid.text, set(grid.buttons), grid.pictures
    choice = (await max_.click(grid, "Enter challenge")).message
    await max_.click(choice, "Enter 2")

    await max_.wait_for(grid, lambda m: "**Entry 1**" in m.text and "an owl" not in m.text)
    assert {"⭐ Star one …", "Delete"} == set(grid.buttons) and {} == grid.options
    await max_.click(choice, "Enter 4")
    await world.restart_bot()
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    world.forward(3601)
    await olive.wait_for(vote, lambda m: "No votes were cast" in m.text)
    await max_.wait_for(grid, lambda m: before[:2] == (m.text, set(m.buttons)), what="the grid as before")
    assert before[2] == grid.pictures


async def test_a_failed_entry_tells_its_reason_to_its_author_only(world: World, max_: Person, olive: Person) -> None:
    announcement = await start(olive)
    answer = await max_.slash("challenge enter", prompt="broken owl")
    job = answer.message.buttons["Withdraw"].split(":")[2]

    lost = await max_.wait_for_message(lambda m: "could not be painted" in m.text, channel=thread_of(announcement))

    assert [f"dream:delete:{job}"] == list(lost.buttons.values())
    assert "broken owl" not in told(world, "studio", thread_of(announcement))
    assert "broken owl" in whispered(await max_.slash("history"))


Way = Callable[[World, Person, Shown], Awaitable[Answer]]


async def _press(world: World, person: Person, shown: Shown, action: str, index: str = "") -> Answer:
    return await forged(world, person, shown, f"dream:{action}:{_job(shown)}{index}")


def _job(shown: Shown) -> str:
    return next(iter(shown.buttons.values())).split(":")[2]


PRESSES = ["info", "again", "remix", "up", "vary", "lineage", "similar", "rank", "watch", "svg", "post", "refresh"]
MENUS = [("pick", "0"), ("enlarge", "0"), ("useseed", "0"), ("more", "info"), ("more", "remix"), ("edges", "left")]
ON_MESSAGE = ["Use as start", "Use as target", "Describe", "Explain", "Upscale", "Remix", "More like this"]


@pytest.mark.bot(queue={"costly_seconds": 0.0})
async def test_no_way_leads_from_an_entry_to_its_author_or_prompt(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await board(olive)
    announcement = await start(olive)
    thread = thread_of(announcement)
    owl = await entered(max_, "an owl", announcement)
    secret, job = ("an owl", max_.mention, "\u2068Max"), _job(owl)
    await starred(mo, owl)
    page = await _favorites(mo)
    assert HIDDEN in page.text
    link = f"https://discord.com/channels/{world.channel('studio').guild_id}/{thread}/{owl.id}"

    for _ in range(2):
        answers: list[tuple[object, Answer]] = []
        answers += [(one, await _press(world, mo, owl, one)) for one in PRESSES]
        answers += [(one, await forged_choice(world, mo, owl, one[0], job, one[1])) for one in MENUS]
        answers += [(one, await mo.use_on(owl, one)) for one in ON_MESSAGE]
        answers += [(one, await mo.click(page, one)) for one in page.options]
        answers += [(link, await mo.slash("lineage", link=link)), (job, await mo.slash("lineage", link=job))]
        for what, answer in answers:
            await world.until(lambda one=answer: one.messages, what=f"an answer to {what}")
            assert any(REFUSED in one.text or "I cannot find a picture" in one.text for one in answer.messages), what
        for emoji in ("⬆️", "🔁"):
            mo.react(owl, emoji)
        await world.until(lambda: 2 <= sum(REFUSED in m.text for m in mo.sees("dm")), what="words about both reactions")
        pages = [
            await gallery(mo),
            await gallery(mo, by=max_.id),
            await gallery(mo, prompt="owl"),
            (await mo.slash("find", words="owl")).message,
            (await mo.slash("find", words="owl", **{"in": "favorites"})).message,
            await _favorites(mo),
            (await mo.slash("queue", channel=thread)).message,
            (await mo.slash("leaderboard", join=True)).message,
            (await mo.slash("insights")).message,
        ]
        for shown in [*pages, *(m for _, answer in answers for m in answer.messages)]:
            assert not [word for word in secret if word in json.dumps(shown.raw, ensure_ascii=False)], shown
        assert "an owl" in listed(await gallery(max_))
        await settled(world)
        assert [] == entries(mo)
        assert not [word for word in secret if word in told(world, "studio", thread, "gallery")]
        for message in mo.sees("dm"):
            mo.world.delete_behind(message)
        for emoji in ("⬆️", "🔁"):
            mo.unreact(owl, emoji)
        await world.restart_bot()

    fox = await entered(mo, "a fox", announcement)
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, max_))
    world.forward(3601)
    await result_of(max_, announcement)
    assert f"by {max_.mention}" in (await entry(mo, 1)).text
    assert "an owl" in listed(await gallery(mo))
    await mo.wait_for(fox, is_result)
    await max_.wait_for(owl, is_result)
    assert "an owl" in (await mo.click(owl, "Info")).message.text


async def _favorites(person: Person) -> Shown:
    return (await person.slash("favorites")).message


@pytest.mark.bot(queue={"costly_seconds": 0.0})
async def test_an_open_vote_hides_a_comparison_from_lists_and_buttons_of_others(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await board(olive)
    sheet = await experiment(max_, "a [red|blue] fox")
    await mo.click(sheet, f"dream:stars:{job_id(sheet)}", ["1"])
    await world.until(lambda: "a blue fox" in entries(mo)[-1].text if entries(mo) else False, what="the entry")
    vote = await vote_on(max_, sheet)

    await world.until(lambda: HIDDEN in entries(mo)[-1].text, what="the starboard to hide its words")
    for _ in range(2):
        assert REFUSED in whispered(await mo.click(sheet, "Info"))
        assert "blue" in whispered(await max_.click(sheet, "Info"))
        for page in (await gallery(mo), (await mo.slash("find", words="blue fox")).message, await _favorites(mo)):
            assert "blue" not in page.text.replace("Found: “blue fox”", "")
        assert "a blue fox" in listed(await gallery(max_))
        await world.restart_bot()

    await ended(world, mo, vote)
    await world.until(lambda: "a blue fox" in entries(mo)[-1].text, what="the starboard to show its words")
    assert {"a red fox", "a blue fox"} == set(listed(await gallery(mo)))
    assert "blue" in (await _favorites(mo)).text


def test_every_button_is_asked_about() -> None:
    """A new button must be in a list above, or be known to tell nothing."""
    from bot.interactions.handlers import Access
    from bot.views.base import JobButton
    from bot.views.discovery import BUTTONS

    blind = {kind.action for kind in BUTTONS if issubclass(kind, JobButton) and Access.BLIND in kind.access}
    own = {"enter", "withdraw"}  # refused to everyone but the owner
    named: set[Any] = {kind.action for kind in BUTTONS if issubclass(kind, JobButton)}
    assert named == blind | own | set(PRESSES)
