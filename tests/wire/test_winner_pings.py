"""Winners of votes and challenges are told once, they alone, unless they have turned pings off."""

from __future__ import annotations

import pytest

from bot.models.vote import Candidate, VotePlace
from tests.wire.looks import dreamt
from tests.wire.people import Person, Shown
from tests.wire.test_challenges import DAY, entered, letter, result_of, start, thread_of, vote_of
from tests.wire.test_mydata import forgotten
from tests.wire.test_votes import ended, vote_on
from tests.wire.world import World


def news(person: Person, channel: str = "studio") -> list[Shown]:
    """The replies that tell a person that they won."""
    return [m for m in person.sees(channel) if m.content and ("won this" in m.content or "first place" in m.content)]


async def told(person: Person, channel: str = "studio") -> Shown:
    return await person.wait_for_message(lambda m: bool(m.content) and "this vote" in m.content, channel=channel)


async def test_the_author_of_the_best_picture_is_told_once(world: World, max_: Person, mo: Person) -> None:
    vote = await vote_on(mo, await dreamt(max_, "an owl", count=2))
    await mo.click(vote, "B")
    await ended(world, mo, vote)

    reply = await told(mo)

    assert f"{max_.mention} your picture B won this vote, with 1 of 1 vote." == reply.content
    assert [str(max_.id)] == [user["id"] for user in reply.raw["mentions"]]
    assert str(vote.id) == reply.raw["message_reference"]["message_id"]
    await world.restart_bot()
    await dreamt(mo, "a fox")
    assert [reply.id] == [one.id for one in news(mo)]


async def test_who_wants_no_pings_is_not_told(world: World, max_: Person, mo: Person) -> None:
    await max_.slash("settings mine", pings=False)
    votes = [await vote_on(mo, await dreamt(person, "an owl", count=2)) for person in (max_, mo)]
    for vote in votes:
        await mo.click(vote, "A")
    world.forward(601)

    reply = await told(mo)

    assert mo.mention in reply.content
    for vote in votes:
        await mo.wait_for(vote, lambda m: "Winner" in m.text)
    assert [reply.id] == [one.id for one in news(mo)]


async def test_without_ballots_no_winner_is_told(world: World, max_: Person) -> None:
    vote = await vote_on(max_, await dreamt(max_, "an owl", count=2))
    await ended(world, max_, vote)
    await dreamt(max_, "a fox")

    assert [] == news(max_)


async def test_the_reply_goes_with_its_person(world: World, max_: Person, mo: Person) -> None:
    vote = await vote_on(mo, await dreamt(max_, "an owl", count=2))
    await mo.click(vote, "B")
    await ended(world, mo, vote)
    reply = await told(mo)

    await forgotten(max_)

    await mo.wait_for(reply, lambda m: m.gone)


async def test_a_tie_tells_each_of_them(world: World, max_: Person, mo: Person, olive: Person) -> None:
    candidates = []
    for person in (max_, mo):
        await dreamt(person, "an owl")
        [job, *_] = await world.jobs_of(person)
        candidates.append(Candidate(job.id, 0, person.id, "an owl"))
    studio = world.channel("studio")
    await world.services.votes.start(VotePlace(studio.guild_id or 0, studio.id), 0, "owls", candidates, 600)
    vote = await max_.wait_for_message(lambda m: "Press a letter" in m.text)
    await max_.click(vote, "A")
    await olive.click(vote, "B")
    await ended(world, max_, vote)

    await world.until(lambda: len(news(max_)) == 2, what="two people to be told")
    assert {str(max_.id), str(mo.id)} == {one.raw["mentions"][0]["id"] for one in news(max_)}


@pytest.mark.bot(queue={"per_user": 9})
async def test_the_winner_of_a_challenge_is_told_with_the_prize(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    announcement = await start(olive, prize=50)
    await entered(max_, "an owl", announcement)
    await entered(mo, "a fox", announcement)
    world.forward(DAY + 1)
    vote = await vote_of(max_, announcement)
    await olive.click(vote, await letter(world, vote, mo))
    world.forward(3601)
    result = await result_of(max_, announcement)

    await world.until(lambda: news(mo, thread_of(announcement)), what="the winner to be told")

    [reply] = news(mo, thread_of(announcement))
    assert f"{mo.mention} you won this challenge with 1 vote. Your prize: 50 units." == reply.content
    assert str(result.id) == reply.raw["message_reference"]["message_id"]
    assert [str(mo.id)] == [user["id"] for user in reply.raw["mentions"]]
