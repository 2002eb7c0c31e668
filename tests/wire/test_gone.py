"""Pictures that retention has let go: their messages live on, and their buttons say what is no longer possible."""

from __future__ import annotations

import pytest

from tests.wire.looks import dreamt, is_result, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World


async def let_go(world: World, person: Person) -> None:
    for job in await world.jobs_of(person):
        for picture in job.pictures:
            await world.bot.store.pictures.let_go(picture)


@pytest.fixture
async def message(world: World, max_: Person) -> Shown:
    """A result whose picture is no longer stored here; Discord still shows it."""
    shown = await dreamt(max_, "an owl")
    await let_go(world, max_)
    return shown


@pytest.mark.parametrize("button", ["Upscale", "Variation"])
async def test_what_needs_the_picture_says_that_it_is_gone(
    world: World, max_: Person, message: Shown, button: str
) -> None:
    text = whispered(await max_.click(message, button))

    assert "has expired" in text
    assert 1 == len(await world.jobs_of(max_))


async def test_what_needs_only_its_words_works_as_ever(max_: Person, message: Shown) -> None:
    assert "an owl" in whispered(await max_.click(message, "Info"))
    answer = await max_.click(message, "Again")
    again = await max_.wait_for(answer.message, is_result)
    form = await max_.click(message, "Remix")
    answer = await max_.submit(form, prompt="a fox")
    await max_.wait_for(answer.message, is_result)
    assert again.id != answer.message.id


async def test_a_reaction_for_a_picture_that_is_gone_is_answered_too(max_: Person, message: Shown) -> None:
    max_.react(message, "⬆️")

    await max_.wait_for_message(lambda shown: "has expired" in shown.text, channel="dm")
