"""Discord answers with a body that discord.py cannot read: each result is still posted exactly once."""

from __future__ import annotations

import discord
import pytest

from bot.interactions.message_api import patience_for
from bot.playground.server.rest.faults import Fault
from tests.wire.looks import deleted, dreamt, is_result, nothing_is_owed, whispered
from tests.wire.people import Person
from tests.wire.world import World

EDIT, POST, ANSWER = r"^PATCH .*/channels/\d+/messages/", r"^POST .*/channels/\d+/messages$", "^POST .*/callback"
NULLS = {"id": "1", "channel_id": None, "author": None, "attachments": None, "embeds": None, "components": None}
BODIES = [{}, None, [], {"id": None}, NULLS]


@pytest.fixture(autouse=True)
def allowed(world: World) -> None:
    world.allow("an answer of Discord cannot be read", r" → (200|429): answer")


async def told(world: World, person: Person) -> list[str]:
    """The texts of all messages, once nothing is owed."""
    await nothing_is_owed(world)
    return [message.text for message in person.sees()]


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("route", [EDIT, ANSWER])
async def test_a_picture_is_shown_once_although_no_answer_about_it_is_readable(
    world: World, max_: Person, route: str, body: object
) -> None:
    fault = world.faults.add(Fault(route, 200, body, times=-1, after=True))

    world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"})
    await max_.wait_for_message(is_result)
    texts = await told(world, max_)

    assert world.faults.hits
    assert 1 == len(texts), texts
    world.faults.remove(fault)
    await dreamt(max_, "a fox")


async def test_a_new_message_whose_answer_is_unreadable_is_posted_once(world: World, max_: Person) -> None:
    world.allow("Unknown Message")
    answer = await max_.slash("dream", prompt="an owl")
    world.delete_behind(answer.message)
    world.faults.add(Fault(POST, 200, {}, after=True))

    message = await max_.wait_for_message(is_result)
    texts = await told(world, max_)

    assert [message.text] == texts


async def test_words_to_one_person_are_said_once(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    world.faults.add(Fault(ANSWER, 200, {}, times=-1, after=True))

    queue = await max_.slash("queue")
    await deleted(max_, owl)

    assert whispered(queue)
    await world.until(lambda: owl.gone, what="the picture to go")


LIMITS: list[object] = [{"retry_after": None}, {"retry_after": "soon"}, {"retry_after": -3}, {}, "error code: 1015"]
PROXY = {"Via": "1.1 google", "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}


@pytest.mark.parametrize("body", LIMITS, ids=str)
@pytest.mark.parametrize("headers", [{}, PROXY], ids=["Cloudflare", "Discord"])
async def test_a_rate_limit_that_says_nothing_of_use_only_delays(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch, body: object, headers: dict[str, str]
) -> None:
    monkeypatch.setattr("bot.interactions.unreadable.UNTOLD_SECONDS", 0.2)
    world.allow("rate limited", "Cloudflare")
    world.faults.add(Fault(EDIT, 429, body, headers, times=3))

    world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"})
    await max_.wait_for_message(is_result)

    assert 1 == len(await told(world, max_))


def test_a_rate_limit_is_obeyed_for_an_hour_at_most() -> None:
    assert (5.0, 3600.0) == (patience_for(discord.RateLimited(5.0), 0), patience_for(discord.RateLimited(1e12), 0))
