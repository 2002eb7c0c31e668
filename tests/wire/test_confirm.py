"""Expensive jobs need confirmation, for every command, button and form, also after a restart."""

from __future__ import annotations

import asyncio

import pytest

from tests.wire.looks import child_of, dreamt, is_enlarged, is_result, link, whispered
from tests.wire.people import Answer, Person, Shown, upload
from tests.wire.protocol_bot import picture
from tests.wire.world import World

pytestmark = pytest.mark.bot(quota={"units": 20.0, "confirm_cost": 0.5})
BUTTONS = ["Paint", "Don't"]


async def asked(person: Person, prompt: str = "an owl", **options: object) -> Shown:
    """`/dream`, and the question that comes of it."""
    return question_of(await person.slash("dream", prompt=prompt, **options))


def question_of(answer: Answer) -> Shown:
    """The question, which nobody else sees."""
    assert answer.message.ephemeral
    assert BUTTONS == list(answer.message.buttons), f"no question but {answer.message}"
    return answer.message


async def confirmed(person: Person, prompt: str = "an owl", **options: object) -> Shown:
    """The picture, after a yes."""
    answer = await person.click(await asked(person, prompt, **options), "Paint")
    return await person.wait_for(answer.message, is_result)


async def spent(world: World, person: Person) -> tuple[float, float]:
    balance = await world.services.jobs.quota.balance(person.id)
    return round(balance.used, 2), round(balance.reserved, 2)


async def test_the_question_names_cost_rest_and_time_and_yes_paints(world: World, max_: Person, mo: Person) -> None:
    question = await asked(max_)
    assert question.content.startswith("This costs 0.98 units of the 20 you have left and takes about ")
    assert question.content.endswith(" Paint it?")
    assert (0.0, 0.0) == await spent(world, max_)
    assert [] == mo.sees()

    answer = await max_.click(question, "Paint")

    result = await max_.wait_for(answer.message, is_result)
    assert [result.id] == [message.id for message in mo.sees()]
    assert question.gone
    assert (0.98, 0.0) == await spent(world, max_)


async def test_no_paints_nothing_and_costs_nothing(world: World, max_: Person) -> None:
    question = await asked(max_)

    await max_.click(question, "Don't")

    await max_.wait_for(question, lambda m: m.content == "OK, nothing was painted and nothing was charged.")
    assert {} == question.buttons
    assert (0.0, 0.0) == await spent(world, max_)
    assert [] == await world.jobs_of(max_)


async def test_two_presses_at_once_pay_once(world: World, max_: Person) -> None:
    question = await asked(max_)
    world.allow("10008")  # both take the question away

    answers = await asyncio.gather(*(max_.click(question, "Paint") for _ in range(2)))

    whispers = [answer.message.text for answer in answers if answer.message.ephemeral]
    assert ["You have already answered that."] == whispers
    await max_.wait_for_message(is_result)
    assert (0.98, 0.0) == await spent(world, max_)


@pytest.mark.parametrize("button", BUTTONS)
async def test_a_question_survives_a_restart_with_the_picture_that_was_attached(
    world: World, max_: Person, button: str
) -> None:
    question = await asked(max_, image=upload(picture("green", 64)))
    await world.restart_bot()

    answer = await max_.click(question, button)

    if button == "Paint":
        await max_.wait_for(answer.message, is_result)
        [job] = await world.jobs_of(max_)
        assert job.request.init_image
    else:
        await max_.wait_for(question, lambda m: not m.buttons)
        await world.until(lambda: not list((world.folder / "inputs").iterdir()), what="the attachment to be let go")


@pytest.mark.parametrize("button", BUTTONS)
async def test_after_ten_minutes_it_has_lapsed_and_says_so(world: World, max_: Person, button: str) -> None:
    question = await asked(max_)
    world.forward(601)

    answer = await max_.click(question, button)

    await max_.wait_for(question, lambda m: m.gone or not m.buttons)
    said = question.content if button == "Don't" else whispered(answer)
    assert "That question expired after ten minutes. Nothing was painted or charged; just ask again." == said
    assert [] == await world.jobs_of(max_)


async def test_again_variation_remix_and_upscale_ask_alike(world: World, max_: Person, mo: Person) -> None:
    parent = await confirmed(max_)
    for button, last in (("Again", "Paint it?"), ("Variation", "Paint it?"), ("Upscale", "Upscale to 1024×1024?")):
        question = question_of(await mo.click(parent, button))
        assert question.content.endswith(last)
        answer = await mo.click(question, "Paint")
        await mo.wait_for(answer.message, is_enlarged if button == "Upscale" else is_result)
    question = question_of(await mo.submit(await mo.click(parent, "Remix"), prompt="a fox", settings="count=2"))
    assert question.content.endswith("Paint all 2 pictures?")

    answer = await mo.click(question, "Paint")

    child = await mo.wait_for(answer.message, is_result)
    assert f"Remix of [picture]({link(world, parent)})" in child.text
    kinds = [job.origin.kind for job in await world.jobs_of(mo)]
    assert ["remix", "upscale", "variation", "again"] == kinds


@pytest.mark.slow
async def test_who_says_no_may_press_again_at_once(world: World, max_: Person) -> None:
    parent = await confirmed(max_)
    for button in ("Again", "Upscale"):
        for _ in range(2):
            await max_.click(question_of(await max_.click(parent, button)), "Don't")
    assert 1 == len(await world.jobs_of(max_))


@pytest.mark.slow
async def test_a_picture_is_upscaled_once_regardless_of_who_asked_first(world: World, max_: Person, mo: Person) -> None:
    parent = await confirmed(max_)
    first, second = [question_of(await person.click(parent, "Upscale")) for person in (max_, mo)]
    await max_.click(first, "Paint")
    await child_of(max_, parent)

    assert "This picture is already upscaled" in whispered(await mo.click(second, "Paint"))
    assert BUTTONS == list(second.buttons)


@pytest.mark.slow
async def test_a_reaction_is_told_where_it_can_be_asked(world: World, max_: Person) -> None:
    parent = await confirmed(max_)

    max_.react(parent, "🔁")

    told = await max_.wait_for_message(lambda message: "needs your confirmation" in message.text, channel="dm")
    assert "Use a command or a button instead. Nothing was painted or charged." in told.text
    assert 1 == len(await world.jobs_of(max_))


@pytest.mark.slow
async def test_private_results_are_asked_about_before_a_direct_message_is_written(world: World, max_: Person) -> None:
    await max_.slash("settings mine", private=True)
    question = await asked(max_)
    assert [] == max_.sees("dm")

    await max_.click(question, "Paint")

    await max_.wait_for_message(is_result, channel="dm")


@pytest.mark.slow
@pytest.mark.bot(quota={"units": 0.9, "confirm_cost": 0.5})
async def test_what_cannot_be_paid_is_refused_and_not_asked_about(max_: Person) -> None:
    assert "This costs 0.983 units and you have 0.9 of 0.9 left" in whispered(
        await max_.slash("dream", prompt="an owl")
    )
    await max_.slash("settings mine", private=True)
    assert "This costs 0.983 units and you have 0.9 of 0.9 left" in whispered(
        await max_.slash("dream", prompt="an owl")
    )


@pytest.mark.slow
async def test_a_yes_that_is_refused_can_be_said_once_more(world: World, max_: Person, olive: Person) -> None:
    question = await asked(max_)
    await olive.slash("admin drain", reason="a short break")
    assert "New jobs are not accepted right now" in whispered(await max_.click(question, "Paint"))
    await olive.slash("admin resume")

    await max_.wait_for((await max_.click(question, "Paint")).message, is_result)


@pytest.mark.bot(quota={"units": 3.0})
async def test_the_small_model_never_asks_as_it_comes(world: World, max_: Person) -> None:
    for _ in range(3):
        await dreamt(max_, "an owl")

    assert (2.95, 0.0) == await spent(world, max_)


@pytest.mark.slow
@pytest.mark.bot(quota={"units": 30.0})
async def test_much_of_what_is_left_is_asked_about_without_any_settings(max_: Person) -> None:
    assert "This costs 15.99 units of the 30 you have left" in (await asked(max_, steps=122, count=2)).content
