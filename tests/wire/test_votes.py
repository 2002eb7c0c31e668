"""Blind votes: letters instead of labels, one ballot each, counts at the end; no crash loses anything."""

from __future__ import annotations

import asyncio
import io
import json
import re

import pytest
from PIL import Image

from bot.community.votes import traits_of
from bot.models.vote import Candidate, VotePlace
from bot.playground.server.world.permissions import Permission
from bot.text import plain
from tests.bot.core import count
from tests.wire.looks import deleted, dreamt, is_result, job_id, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_compare import experiment, parse_comparison
from tests.wire.test_mydata import copied, forgotten
from tests.wire.world import World

WORDS = "Labels and counts stay hidden"


async def vote_on(person: Person, sheet: Shown, length: str = "10 minutes") -> Shown:
    """Start a vote on *sheet*; its message."""
    question = (await person.click(sheet, "Vote")).message
    assert question.ephemeral
    await person.click(question, length)
    await person.wait_for(question, lambda m: "The vote is open" in m.text, what="the vote to start")
    vote = await person.wait_for_message(lambda m: m.id > sheet.id and "Press a letter" in m.text, channel="studio")
    await person.wait_for(sheet, lambda m: "labels are hidden" in m.text, what="the sheet to hide its labels")
    return vote


async def ended(world: World, person: Person, vote: Shown, seconds: float = 601) -> Shown:
    """Let the time of a vote pass."""
    world.forward(seconds)
    return await person.wait_for(vote, lambda m: "Press a letter" not in m.text, what="the end of the vote")


async def letters(world: World, vote: Shown) -> dict[str, str]:
    """Letter → label, from the store: nobody can read it in Discord yet."""
    vote_id = vote.state.components[0]["components"][0]["custom_id"].split(":")[2]
    return {one.letter: one.label for one in (await world.bot.store.votes.find(vote_id)).candidates}


async def test_a_vote_hides_labels_and_counts_until_its_end(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels steps=20", seed=9)
    vote = await vote_on(mo, sheet)
    by_label = {label: letter for letter, label in (await letters(world, vote)).items()}

    assert ["A", "B"] == list(vote.buttons)
    for person in (max_, mo, olive):
        said = whispered(await person.click(vote, by_label["draft"]))
        assert f"You voted for **{by_label['draft']}**." in said
    await olive.click(vote, by_label["pixels steps=20"])
    shown = [json.dumps(look) for look in vote.history]
    assert [] == [look for look in shown if "draft" in look or "pixels" in look]
    assert re.search(r"<t:\d+:R>", vote.text)

    await ended(world, mo, vote)

    assert f"Winner: **{by_label['draft']} · draft**" in vote.text
    assert f"**2** · {by_label['draft']} · draft\n" in vote.text
    assert f"**1** · {by_label['pixels steps=20']} · pixels steps=20\n" in vote.text
    assert "3 votes · ended" in vote.text
    assert {} == vote.buttons
    assert (1, 1) == (len(vote.pictures), len([m for m in mo.sees() if "Winner" in m.text]))


async def test_a_vote_continues_after_a_restart_and_ends_while_the_bot_is_away(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await dreamt(max_, "an owl", count=4, seed=5)
    vote = await vote_on(max_, sheet)
    await max_.click(vote, "A")

    await world.restart_bot()
    assert "You voted for **B**" in whispered(await max_.click(vote, "B"))
    assert "You voted for **B**" in whispered(await mo.click(vote, "B"))
    await world.stop_bot()
    world.forward(601)
    await world.start_bot()

    await max_.wait_for(vote, lambda m: "Winner: **B · seed" in m.text)
    assert "2 votes" in vote.text and "**an owl**" in vote.text


async def test_the_question_works_after_a_restart_and_one_vote_is_open_at_a_time(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    question = (await max_.click(sheet, "Vote")).message
    await world.restart_bot()
    await max_.click(question, "1 hour")
    vote = await max_.wait_for_message(lambda m: "Press a letter" in m.text)
    await max_.wait_for(question, lambda m: link(world, vote) in m.text)

    again = (await mo.click(sheet, "Vote")).message
    answer = await mo.click(again, "24 hours")

    await world.until(lambda: any("already open here" in one.text and link(world, vote) in one.text
                                  for one in answer.messages))  # fmt: skip
    await ended(world, max_, vote, 3601)
    assert "No votes were cast." in vote.text
    assert (await vote_on(mo, sheet, "24 hours")).id > vote.id


async def test_a_reaction_starts_a_vote_of_an_hour_once(world: World, max_: Person, mo: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    mo.react(sheet, "🗳️")
    vote = await mo.wait_for_message(lambda m: "Press a letter" in m.text)
    await world.restart_bot()

    await mo.click(vote, "A")
    await ended(world, mo, vote, 3601)

    assert "1 vote ·" in vote.text
    assert 1 == await count(world.bot.store, "votes")


async def test_a_late_ballot_is_refused_before_the_message_says_so(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.community.rounds.POLL_SECONDS", 3600.0)
    vote = await vote_on(max_, await dreamt(max_, "an owl", count=2))
    await max_.click(vote, "A")
    world.forward(601)

    assert "This vote has ended. Your last choice counts." == whispered(await max_.click(vote, "B"))

    world.services.rounds.wake()
    await max_.wait_for(vote, lambda m: "Winner: **A ·" in m.text)


async def test_a_vote_whose_message_is_gone_ends_quietly(world: World, max_: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    vote = await vote_on(max_, sheet)
    world.allow(r"refused: PATCH .*10008")
    world.delete_behind(vote)

    world.forward(601)

    await world.until(lambda: any(e.method == "PATCH" and e.status == 404 for e in world.site.record.exchanges))
    async with asyncio.timeout(10):
        while await world.bot.store.votes.owed(1e12):
            await asyncio.sleep(0.02)
    assert 1 == await count(world.bot.store, "votes", "state = 'closed'")
    assert [] == [m for m in max_.sees() if "Winner" in m.text]


async def test_a_deleted_vote_makes_room_for_another_one(world: World, max_: Person, mo: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    first = await vote_on(max_, sheet, "24 hours")
    world.allow(r"refused: GET .*10008")
    world.delete_behind(first)

    second = await vote_on(mo, sheet)

    assert second.id > first.id
    assert 1 == await count(world.bot.store, "votes", "state = 'open'")


async def test_the_end_is_tried_again_when_discord_fails(world: World, max_: Person) -> None:
    vote = await vote_on(max_, await dreamt(max_, "an owl", count=2))
    await max_.click(vote, "B")
    world.faults.server_error(rf"PATCH /channels/\d+/messages/{vote.id}", 503, times=2)

    await ended(world, max_, vote)

    assert "Winner: **B ·" in vote.text


async def test_where_votes_cannot_be_started(world: World, max_: Person, olive: Person) -> None:
    alone = await dreamt(max_, "an owl")
    assert "Vote" not in {**alone.buttons, **alone.options}
    sheet = await dreamt(max_, "an owl", count=2)
    question = (await max_.click(sheet, "Vote")).message
    world.take_permission(Permission.ATTACH_FILES)
    answer = await max_.click(question, "1 hour")
    await world.until(lambda: any("Attach Files" in one.text for one in answer.messages))
    assert 0 == await count(world.bot.store, "votes")


async def test_who_forgets_takes_votes_and_pictures_along(world: World, max_: Person, mo: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    vote = await vote_on(mo, sheet)
    other = await vote_on(max_, await dreamt(mo, "a fox", count=3))
    for one in (vote, other):
        await max_.click(one, "A")
        await mo.click(one, "A")

    data, _ = await copied(max_)
    assert [("an owl", False, "A"), ("a fox", True, "A")] == [
        (one["title"], one["started_by_you"], one["your_choice"]) for one in data["votes"]
    ]
    await forgotten(max_)

    await mo.wait_for(vote, lambda m: m.gone)
    store = world.bot.store
    assert [1, 3, 1] == [await count(store, table) for table in ("votes", "vote_candidates", "ballots")]
    assert 0 == await count(store, "votes", f"starter_id = {max_.id}")
    await ended(world, mo, other)
    assert "1 vote ·" in other.text


async def test_a_picture_that_is_deleted_leaves_its_vote(world: World, max_: Person, mo: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    vote = await vote_on(mo, sheet)

    await deleted(max_, sheet)

    await mo.wait_for(vote, lambda m: m.gone, what="the vote to go with its pictures")
    assert 0 == await count(world.bot.store, "votes")


async def test_no_one_votes_for_themselves_among_several_authors(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    candidates = []
    for person, prompt in ((max_, "a fox"), (mo, "an owl"), (olive, "a cat")):
        await dreamt(person, prompt)
        [job, *_] = await world.jobs_of(person)
        candidates.append(Candidate(job.id, 0, person.id, prompt, traits_of(job.request)))
    studio = world.channel("studio")
    where = VotePlace(studio.guild_id or 0, studio.id)
    started = await world.services.votes.start(where, 0, "animals", candidates, 600, others_only=True)
    vote = await max_.wait_for_message(lambda m: "Press a letter" in m.text)
    of = {one.author_id: one.letter for one in started.candidates}

    assert "You cannot vote for your own picture." in vote.text
    assert "This is your own picture." in whispered(await max_.click(vote, of[max_.id]))
    assert "You voted for" in whispered(await max_.click(vote, of[mo.id]))
    await olive.click(vote, of[mo.id])
    await forgotten(olive)
    await mo.wait_for(vote, lambda m: of[olive.id] not in m.buttons, what="the forgotten picture to leave the vote")

    await ended(world, max_, vote)
    assert f"Winner: **{of[mo.id]} · an owl by {mo.mention}**" in vote.text
    assert "a cat" not in vote.text and "1 vote ·" in vote.text
    found = await world.services.store.votes.find(started.id)
    assert [mo.id] == [one.author_id for one in found.winners]


async def test_the_end_of_a_vote_in_an_archived_thread_is_a_new_message(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", count=2, channel="owl studies")
    sheet = await max_.wait_for(answer.message, is_result)
    question = (await max_.click(sheet, "Vote")).message
    await max_.click(question, "10 minutes")
    vote = await max_.wait_for_message(lambda m: "Press a letter" in m.text, channel="owl studies")
    await max_.click(vote, "A")
    world.allow(r"refused: PATCH .*50083")
    world.close_thread("owl studies")

    world.forward(601)

    shown = await max_.wait_for_message(lambda m: "Winner: **A" in m.text, channel="owl studies")
    assert shown.id > vote.id
    assert "This vote has ended." in whispered(await max_.click(vote, "B"))


async def test_insights_count_what_was_voted_and_show_it_where_it_may_be_seen(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    assert "No votes have been counted yet." in whispered(await max_.slash("insights"))
    vote = await vote_on(max_, await parse_comparison(max_, "draft", "pixels", "usual"))
    by_label = {label: letter for letter, label in (await letters(world, vote)).items()}
    for person, choice in ((max_, "draft"), (mo, "draft"), (olive, "pixels")):
        await person.click(vote, by_label[choice])
    assert "No votes have been counted yet." in whispered(await max_.slash("insights"))  # it is still open
    await ended(world, max_, vote)

    said = whispered(await max_.slash("insights"))
    assert ["**draft** beats **usual** 2 : 0", "**draft** beats **pixels** 2 : 1", "**pixels** beats **usual** 1 : 0"] \
        == [line for line in said.splitlines() if "beats" in line]  # fmt: skip
    assert "usual 2 : 0" not in whispered(await max_.slash("insights", about="pixels"))
    assert "No vote has compared “ink” yet." in whispered(await max_.slash("insights", about="ink"))


async def test_a_vote_on_crossed_lists_compares_rows_and_columns(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    sheet = await experiment(max_, "a [red|blue] fox", "style=[ink|watercolour] steps=5")
    vote = await vote_on(max_, sheet)
    assert "Which picture is best?" in vote.text and "ink" not in vote.text
    by_label = {label: letter for letter, label in (await letters(world, vote)).items()}
    for person, choice in ((max_, "red · ink"), (mo, "blue · ink"), (olive, "red · watercolour")):
        await person.click(vote, by_label[choice])
    await ended(world, max_, vote)

    said = whispered(await max_.slash("insights"))
    assert {"**ink** beats **watercolour** 2 : 1", "**red** beats **blue** 2 : 1"} == {
        line for line in said.splitlines() if "beats" in line
    }


async def test_votes_on_mature_pictures_count_in_restricted_channels_only(world: World, max_: Person) -> None:
    answer = await max_.slash("compare", channel="late-night", prompt="a nude robot", first="draft", second="pixels")
    sheet = await max_.wait_for(answer.message, lambda m: "Vote" in m.buttons, 20)
    question = (await max_.click(sheet, "Vote")).message
    await max_.click(question, "10 minutes")
    vote = await max_.wait_for_message(lambda m: "Press a letter" in m.text, channel="late-night")
    await max_.click(vote, "A")
    await ended(world, max_, vote)

    assert "No votes have been counted yet." in whispered(await max_.slash("insights"))
    assert "beats" in whispered(await max_.slash("insights", channel="late-night"))


async def test_the_sheet_fits_and_hostile_prompts_stay_text(world: World, max_: Person) -> None:
    prompt = "```[x](http://e.vil) @everyone \u202eowl 🦉 " + "שלום " * 150
    sheet = await dreamt(max_, prompt, count=4)
    vote = await vote_on(max_, sheet)
    await max_.click(vote, "A")
    await ended(world, max_, vote)

    assert "\u202e" not in vote.text and "```" not in vote.text.replace("\\`", "")
    assert plain("@everyone") in vote.text
    assert Image.open(io.BytesIO(vote.pictures[0])).width > 400
    assert job_id(sheet) not in vote.text
