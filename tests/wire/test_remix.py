"""Again, Variation and Remix: new pictures from old ones, by anyone, with their parents named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bot.interactions import responder as answers
from bot.playground.server.world.json_types import Json
from tests.wire.looks import child_of, dreamt, is_result, link, whispered
from tests.wire.people import Person
from tests.wire.world import World


def fields(form: Json) -> dict[str, str]:
    """Custom id → what stands in the field when the form opens."""
    inputs = [label["component"] for label in form["components"]]
    return {item["custom_id"]: item.get("value") or "" for item in inputs}


async def test_the_form_opens_with_words_and_settings(max_: Person) -> None:
    parent = await dreamt(max_, "owl:2 | fog", negative="people", seed=7, steps=9, more="eta=0.5")

    opened = await max_.click(parent, "Remix")

    assert {
        "prompt": "owl:2 | fog",
        "negative": "people",
        "settings": "size=256x256 steps=9 seed=7 eta=0.5",
    } == fields(opened.modal)


async def test_a_form_that_comes_too_late_is_no_error(world: World, max_: Person) -> None:
    """The press has expired, or Discord fails: the person presses again, and the host is told of no error."""
    parent = await dreamt(max_, "an owl")
    world.allow(r"refused: POST .*/callback .*10062")  # the retry may come after the three seconds

    world.faults.refuse(r"POST .*/callback", 404, 10062, "Unknown interaction")
    late = await max_.click(parent, "Remix")
    world.faults.server_error(r"POST .*/callback", times=5)
    broken = await max_.click(parent, "Remix")
    world.faults.clear()

    assert late.failed and broken.failed
    assert fields((await max_.click(parent, "Remix")).modal)


async def test_anyone_may_remix_and_the_child_names_its_parent(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl", seed=7)

    sent = await mo.submit(await mo.click(parent, "Remix"), prompt="an owl in the snow")

    child = await mo.wait_for(sent.message, is_result)
    headline = f"**an owl in the snow**\n-# Remix of [picture]({link(world, parent)}) by {max_.mention}"
    assert headline in child.text
    assert "seed 7 " in child.text
    assert 1 == len(await world.jobs_of(mo))


async def test_without_a_seed_the_remix_draws_a_new_one(max_: Person) -> None:
    parent = await dreamt(max_, "an owl", seed=7)

    sent = await max_.submit(await max_.click(parent, "Remix"), settings="size=256x256 steps=9")

    child = await max_.wait_for(sent.message, is_result)
    assert "seed 7 " not in child.text
    assert "9 steps" in child.text


async def test_a_form_opened_before_a_restart_can_be_sent_after_it(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    opened = await max_.click(parent, "Remix")
    await world.restart_bot()

    sent = await max_.submit(opened, prompt="a fox")

    child = await max_.wait_for(sent.message, is_result)
    assert "**a fox**" in child.text


async def test_a_mistake_in_the_form_is_pointed_at_and_the_words_are_given_back(max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    sent = await max_.submit(await max_.click(parent, "Remix"), prompt="fox | owl:")

    pointer = "```\nfox | owl:\n         ^\n```"
    assert f"A weight is missing after the colon, as in “fog:0.5”.\n{pointer}" in whispered(sent)
    assert "Your prompt, to copy:\n```\nfox | owl:\n```" in whispered(sent)


async def test_again_keeps_the_words_and_draws_a_new_seed(max_: Person) -> None:
    parent = await dreamt(max_, "an owl", seed=7)

    answer = await max_.click(parent, "Again")

    child = await max_.wait_for(answer.message, is_result)
    assert "**an owl**" in child.text
    assert "Same prompt, new seed" in child.text
    assert "seed 7 " not in child.text


async def test_again_by_reaction_is_a_reply(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl", seed=7)

    mo.react(parent, "🔁")

    child = await child_of(mo, parent)
    assert str(parent.id) == child.raw["message_reference"]["message_id"]
    assert f"Same prompt, new seed: [picture]({link(world, parent)}) by {max_.mention}" in child.text


async def test_a_variation_starts_from_the_chosen_picture(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl", count=2)

    answer = await max_.click(parent, "V2")

    await max_.wait_for(answer.message, is_result)
    child, original = await world.jobs_of(max_)
    assert (original.pictures[1].sha256,) == child.request.images
    assert (7, 1) == (child.request.options.skip_steps, child.request.count)


async def test_a_prompt_full_of_colons_fits_into_the_form_and_comes_back_as_it_was(world: World, max_: Person) -> None:
    prompt = ("ratio 16:9, lens 1:4, a poster of an owl, " * 24)[:990]
    parent = await dreamt(max_, prompt)

    sent = await max_.submit(await max_.click(parent, "Remix"))

    await max_.wait_for(sent.message, is_result)
    again, original = await world.jobs_of(max_)
    assert original.request == again.request


async def test_words_that_are_too_long_are_given_back_as_a_file(max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    sent = await max_.submit(await max_.click(parent, "Remix"), prompt="owls " * 300)

    assert "The prompt has 1499 characters; the limit is 1000." in whispered(sent)
    assert {"prompt.txt": b"owls " * 300} == sent.message.files


async def test_a_form_opens_however_late_everything_else_would_have_been_deferred(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await dreamt(max_, "an owl")
    monkeypatch.setattr(answers, "PATIENCE", 0.0)

    async with held(world) as waits:
        pressed = asyncio.create_task(max_.click(parent, "Remix"))
        await world.until(waits)

    assert "an owl" == fields((await pressed).modal)["prompt"]


async def test_where_it_is_too_late_for_a_form_that_is_said(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await dreamt(max_, "an owl")
    monkeypatch.setattr(answers, "LAST_MOMENT", 0.0)

    async with held(world):
        pressed = await max_.click(parent, "Remix")
    await max_.wait_for(pressed.message, lambda m: not m.thinking)

    assert answers.PRESS_AGAIN == whispered(pressed)


@asynccontextmanager
async def held(world: World) -> AsyncIterator[Callable[[], bool]]:
    """The store is held by somebody else; gives whether anybody waits for it."""
    lock: asyncio.Lock = world.bot.store.database._lock
    async with lock:
        yield lambda: bool(lock._waiters)
