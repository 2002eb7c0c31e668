"""Waiting and running jobs are stopped by their owner or a moderator; nothing is charged."""

from __future__ import annotations

from bot.jobs import JobState
from tests.wire.journey.stage import Stage, is_painting, is_result, labels, seen


async def test_a_running_job_is_cancelled_by_its_button(stage: Stage) -> None:
    bot = await stage.start()
    stage.dream("hang an owl")
    message = await stage.newest(lambda m: "Getting ready" in seen(m), "painting to begin")

    await stage.pressed("Cancel", message)

    await stage.until(lambda: "Cancelled. Nothing was charged." in seen(message), "the word “Cancelled”")
    assert ["Again", "Remix", "Delete"] == labels(message)
    assert 0 == (await bot.dispatcher.balance(stage.max)).used
    assert [] == bot.dispatcher.running()


async def test_a_waiting_job_is_cancelled_by_its_button(stage: Stage) -> None:
    bot = await stage.start()
    stage.dream("hang an owl")
    first = await stage.newest(lambda m: "Getting ready" in seen(m), "painting to begin")
    stage.dream("a fox")
    second = await stage.newest(lambda m: "Next in line" in seen(m), "the place in the queue", after=first)

    await stage.pressed("Cancel", second)

    await stage.until(lambda: "Cancelled" in seen(second), "the word “Cancelled”")
    assert [] == bot.dispatcher.queue()
    assert 1 == len(bot.dispatcher.running())


async def test_nobody_else_can_cancel_it(stage: Stage) -> None:
    bot = await stage.start()
    stage.dream("hang an owl", by=stage.mo)
    message = await stage.newest(lambda m: "Getting ready" in seen(m), "painting to begin")

    await stage.pressed("Cancel", message, by=stage.max)

    await stage.until(stage.whispers, "a refusal")
    assert ["Only Mo or a moderator may cancel this."] == stage.whispers()
    assert JobState.RUNNING is bot.dispatcher.running()[0].state


async def test_a_moderator_can_cancel_it(stage: Stage) -> None:
    await stage.start()
    stage.dream("hang an owl")
    message = await stage.newest(lambda m: "Getting ready" in seen(m), "painting to begin")

    await stage.pressed("Cancel", message, by=stage.mo)

    await stage.until(lambda: "Cancelled" in seen(message), "the word “Cancelled”")


async def test_a_cross_as_reaction_cancels_what_is_not_finished(stage: Stage) -> None:
    await stage.start()
    stage.dream("slowly an owl")
    message = await stage.newest(is_painting, "painting to begin")

    stage.react(message, "❌")

    await stage.until(lambda: "Cancelled" in seen(message), "the word “Cancelled”")


async def test_what_was_cancelled_can_be_tried_again_with_the_same_seed(stage: Stage) -> None:
    await stage.start()
    stage.dream("slowly an owl", seed=11)
    message = await stage.newest(is_painting, "painting to begin")
    await stage.pressed("Cancel", message)
    await stage.until(lambda: "Again" in labels(message), "the button")

    await stage.pressed("Again", message)

    child = await stage.newest(is_result, "the picture", after=message)
    assert "seed 11 " in seen(child)


async def test_cancelling_what_has_just_ended_is_answered_in_words(stage: Stage) -> None:
    bot = await stage.start()
    stage.dream("hang an owl")
    message = await stage.newest(lambda m: "Getting ready" in seen(m), "painting to begin")
    await bot.dispatcher.cancel(bot.dispatcher.running()[0].id, stage.max)

    stage.press("Cancel", message)

    await stage.until(stage.whispers, "a word")
    assert ["This has been cancelled already."] == stage.whispers()
