"""A finished picture is enlarged: by button or reaction, once per picture, also after a restart."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.playground.server.messages import Message
from tests.wire.journey.stage import Stage, is_result, labels, seen


def is_enlarged(message: Message) -> bool:
    return is_result(message) and "Enlarged" in seen(message)


def width(message: Message) -> int:
    return Image.open(io.BytesIO(message.files[0].data)).width


async def test_the_button_enlarges_and_says_what(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl")

    await stage.pressed("Upscale", parent)

    child = await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    link = f"https://discord.com/channels/{stage.studio.guild_id}/{stage.studio.id}/{parent.id}"
    assert f"**an owl**\n-# Enlarged 4 times from [this picture]({link})" in seen(child)
    assert 1024 == width(child)
    assert ["Upscale", "Info", "Delete"] == labels(child)


async def test_the_reaction_does_the_same_as_a_reply(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl")

    stage.react(parent, "⬆️")

    child = await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    assert parent.id == child.reference
    assert 1024 == width(child)


async def test_somebody_else_may_too_and_the_child_says_whose_picture_it_was(stage: Stage) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl")

    await stage.pressed("Upscale", parent, by=stage.mo)

    child = await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    assert f" of <@{stage.max}>" in seen(child)
    [job] = await bot.dispatcher.history(stage.mo)
    assert 0 < job.cost == (await bot.dispatcher.balance(stage.mo)).used


@pytest.mark.parametrize(("emoji", "index"), [("2️⃣", 1), ("3️⃣", 2)])
async def test_on_a_grid_a_digit_chooses_the_picture(stage: Stage, emoji: str, index: int) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl", count=3)

    stage.react(parent, emoji)

    await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    child, original = await bot.dispatcher.history(stage.max)
    assert original.pictures[index].sha256 == child.request.images[0]


async def test_on_a_grid_the_arrow_takes_the_picture_that_clip_likes_best(stage: Stage) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl", count=3, seed=5)

    stage.react(parent, "⬆️")

    await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    child, original = await bot.dispatcher.history(stage.max)
    best = max(original.pictures, key=lambda picture: (float(str(picture.facts["clip_score"])), -picture.index))
    assert best.sha256 == child.request.images[0]


async def test_a_button_pressed_twice_does_its_work_once(stage: Stage) -> None:
    bot = await stage.start()
    parent = await stage.dreamt("an owl")

    first, second = stage.press("Upscale", parent), stage.press("Upscale", parent, by=stage.mo)
    await stage.answered(first)
    await stage.answered(second)

    await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    assert [] == await bot.dispatcher.history(stage.mo)
    await stage.until(lambda: stage.whispers(stage.mo), "a word to the second")
    assert ["That picture is being enlarged already; the result is on its way."] == stage.whispers(stage.mo)


async def test_buttons_and_reactions_of_old_messages_work_after_a_restart(stage: Stage) -> None:
    await stage.start()
    one, two = await stage.dreamt("an owl"), await stage.dreamt("a fox")
    await stage.restart()

    await stage.pressed("Upscale", one)
    await stage.newest(is_enlarged, "the picture enlarged by button", after=two)
    stage.react(two, "⬆️")

    await stage.newest(lambda m: is_enlarged(m) and m.reference == two.id, "the picture enlarged by reaction")


async def test_reactions_made_while_the_bot_was_away_are_done_once_when_it_is_back(stage: Stage) -> None:
    await stage.start()
    parent = await stage.dreamt("an owl")
    await stage.stop()

    stage.react(parent, "⬆️")
    await stage.start()
    await stage.newest(is_enlarged, "the enlarged picture", after=parent)
    bot = await stage.restart()
    await stage.dreamt("a fox")

    assert 1 == sum(job.origin.kind == "upscale" for job in await bot.dispatcher.children(_job_id(parent)))


async def test_a_picture_that_is_large_enough_is_refused_in_words(stage: Stage) -> None:
    await stage.start(limits={"max_upscaled": 300})
    parent = await stage.dreamt("an owl")

    await stage.pressed("Upscale", parent)

    await stage.until(stage.whispers, "a refusal")
    assert ["This picture is 256×256 already; 300 pixels a side is the most here."] == stage.whispers()


def _job_id(message: Message) -> str:
    return message.files[0].filename.partition(".")[0]
