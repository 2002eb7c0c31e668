"""Again, Variation and Remix: new pictures from old ones, by anybody, with their parents named."""

from __future__ import annotations

from typing import Any

from bot.playground.server.interactions import Interaction
from bot.playground.server.messages import Message
from tests.wire.journey.stage import Stage, is_result, seen


def fields(form: dict[str, Any]) -> dict[str, str]:
    """Custom id → what stands in the field when the form opens."""
    inputs = [label["component"] for label in form["components"]]
    return {item["custom_id"]: item.get("value", "") for item in inputs}


async def opened(stage: Stage, message: Message, by: int = 0) -> tuple[Interaction, dict[str, Any]]:
    pressed = stage.press("Remix", message, by)
    form = (await stage.answered(pressed)).modal
    assert form is not None
    return pressed, form


async def test_the_form_opens_with_words_and_settings(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("owl:2 | fog", negative="people", seed=7, steps=9, more="eta=0.5")

    _, form = await opened(stage, parent)

    assert {
        "prompt": "owl:2 | fog",
        "negative": "people",
        "settings": "size=256x256 steps=9 seed=7 eta=0.5",
    } == fields(form)


async def test_anybody_may_remix_and_the_child_names_its_parent(stage: Stage) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl", seed=7)
    pressed, form = await opened(stage, parent, by=stage.mo)

    stage.site.people.submit(stage.mo, pressed, {**fields(form), "prompt": "an owl in the snow"})

    child = await stage.newest(is_result, "the remix", after=parent)
    link = f"https://discord.com/channels/{stage.studio.guild_id}/{stage.studio.id}/{parent.id}"
    assert f"**an owl in the snow**\n-# Remixed from [this picture]({link}) of <@{stage.max}>" in seen(child)
    assert "seed 7 " in seen(child)
    assert 1 == len(await bot.dispatcher.history(stage.mo))


async def test_without_a_seed_the_remix_draws_a_new_one(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl", seed=7)
    pressed, form = await opened(stage, parent)

    stage.site.people.submit(stage.max, pressed, {**fields(form), "settings": "size=256x256 steps=9"})

    child = await stage.newest(is_result, "the remix", after=parent)
    assert "seed 7 " not in seen(child)
    assert "9 steps" in seen(child)


async def test_a_form_opened_before_a_restart_can_be_sent_after_it(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl")
    pressed, form = await opened(stage, parent)
    await stage.restart()

    stage.site.people.submit(stage.max, pressed, {**fields(form), "prompt": "a fox"})

    await stage.newest(lambda m: is_result(m) and "**a fox**" in seen(m), "the remix", after=parent)


async def test_a_mistake_in_the_form_is_pointed_at_and_the_words_are_given_back(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl")
    pressed, form = await opened(stage, parent)

    await stage.answered(stage.site.people.submit(stage.max, pressed, {**fields(form), "prompt": "fox | owl:"}))

    [words] = await stage.until(stage.whispers, "a refusal")
    assert "A weight is missing after the colon, as in “fog:0.5”.\n```\nfox | owl:\n         ^\n```" in words
    assert "Your words, to be copied:\n```\nfox | owl:\n```" in words


async def test_again_keeps_the_words_and_draws_a_new_seed(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl", seed=7)

    await stage.pressed("Again", parent)

    child = await stage.newest(is_result, "the picture", after=parent)
    assert "**an owl**" in seen(child)
    assert "seed 7 " not in seen(child)
    assert "with another seed" in seen(child)


async def test_again_by_reaction(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl", seed=7)

    stage.react(parent, "🔁", by=stage.mo)

    child = await stage.newest(is_result, "the picture", after=parent)
    assert parent.id == child.reference
    assert f"The words of [this picture]({_link(stage, parent)}) of <@{stage.max}> with another seed" in seen(child)


async def test_a_variation_starts_from_the_chosen_picture(stage: Stage) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl", count=2)

    await stage.pressed("Vary 2", parent)

    await stage.newest(is_result, "the variation", after=parent)
    child, original = await bot.dispatcher.history(stage.max)
    assert (original.pictures[1].sha256,) == child.request.images
    assert 10 == child.request.options.skip_steps  # type: ignore[union-attr]
    assert 1 == child.request.count


def _link(stage: Stage, message: Message) -> str:
    return f"https://discord.com/channels/{stage.studio.guild_id}/{stage.studio.id}/{message.id}"
