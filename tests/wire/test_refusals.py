"""Refusals: a sentence for the person who asked, before anything is queued or charged."""

from __future__ import annotations

import re

import pytest

from bot.playground.server.world.permissions import Permission
from tests.wire.looks import begun, dreamt, is_result, whispered
from tests.wire.people import Person, upload
from tests.wire.protocol_bot import picture
from tests.wire.world import World


async def test_a_mistake_in_the_prompt_is_pointed_at(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="castle:2 | fog:0.x")

    assert (
        "“0.x” is not a number; a weight looks like 2 or -0.5.\n```\ncastle:2 | fog:0.x\n               ^\n```"
        == whispered(answer)
    )
    assert [] == await world.jobs_of(max_)


async def test_a_mistake_in_a_timeline_is_pointed_at(world: World, max_: Person) -> None:
    late = await max_.slash("dream", prompt="0: a seed | 400: a tree")
    broken = await max_.slash("dream", prompt='{0: "a seed", 4: a tree}')

    assert (
        "Step 400 is never reached: there are 15 steps. A share of the steps is written as 0.4 or 40%."
        "\n```\n0: a seed | 400: a tree\n            ^\n```" == whispered(late)
    )
    assert "a text in quotes is missing here" in whispered(broken)
    assert [] == await world.jobs_of(max_)


async def test_the_caret_stays_under_the_mistake_in_a_long_prompt(max_: Person) -> None:
    answer = await max_.slash(
        "dream", prompt=f"{'a very long story about an owl, ' * 20} | fog:1.x | more words to come"
    )

    _, source, caret, _ = whispered(answer).splitlines()[-4:]
    assert "1" == source[caret.index("^")]
    assert len(source) < 60


async def test_an_unknown_option_is_met_with_a_guess(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", more="cutout=8")

    assert "clip_diffusion has no option “cutout”; did you mean “cutouts”?" == whispered(answer)


async def test_a_size_that_cannot_be_painted_is_met_with_the_nearest_one(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", size="250x300")

    assert "the nearest size is 256×320" in whispered(answer)


async def test_where_the_bot_may_not_speak_nothing_is_queued(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", channel="quiet")

    assert (
        "I cannot post pictures here without the permission Send Messages. Ask a person who manages this channel to "
        "grant this. Nothing was queued." == whispered(answer)
    )
    assert [] == await world.jobs_of(max_)


async def test_a_permission_taken_away_later_is_noticed_at_the_button(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")
    world.take_permission(Permission.ATTACH_FILES)

    answer = await max_.click(message, "Again")

    assert "without the permission Attach Files." in whispered(answer)
    assert 1 == len(await world.jobs_of(max_))


async def test_a_permission_taken_away_later_is_noticed_at_the_reaction(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")
    world.take_permission(Permission.EMBED_LINKS)

    max_.react(message, "🔁")

    await max_.wait_for_message(lambda m: "without the permission Embed Links." in m.text, channel="dm")


@pytest.mark.bot(quota={"units": 1.2})
async def test_a_used_up_quota_says_when_it_comes_back(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")

    answer = await max_.slash("dream", prompt="another owl")

    assert whispered(answer).startswith(
        "This costs 0.983 units and you have 0.217 of 1.2 left; there will be enough again at 00:00 UTC"
    )


@pytest.mark.bot(queue={"per_user": 1})
async def test_a_full_queue_is_a_refusal(max_: Person) -> None:
    await begun(max_, "hang an owl")
    waiting = await max_.slash("dream", prompt="a fox")
    assert not waiting.message.ephemeral

    answer = await max_.slash("dream", prompt="a cat")

    assert "1" in whispered(answer)
    assert 2 == len(await max_.world.jobs_of(max_))


@pytest.mark.bot(queue={"cooldown_seconds": 3600.0})
async def test_a_second_dream_within_the_cooldown_is_a_refusal(max_: Person) -> None:
    await max_.slash("dream", prompt="an owl")

    answer = await max_.slash("dream", prompt="a fox")

    assert re.fullmatch(r"Please wait \d+ seconds before you ask again\.", whispered(answer))


async def test_a_picture_of_which_nothing_is_known_is_a_refusal(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")
    async with world.bot.store.transaction() as session:
        await session.run("DELETE FROM deliveries")
        await session.run("DELETE FROM messages")
        await session.run("DELETE FROM pictures")
        await session.run("DELETE FROM jobs")

    answer = await max_.click(message, "Again")

    assert "This picture is not available here. It may have been deleted." == whispered(answer)


async def test_what_the_engine_cannot_paint_is_said_in_the_message(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl nan")

    message = await max_.wait_for(answer.message, lambda m: "Nothing was charged." in m.text)
    assert ["Again", "Remix", "Delete"] == list(message.buttons)


async def test_a_mistake_of_ours_is_logged_under_an_id(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")
    async with world.bot.store.transaction() as session:
        await session.run("UPDATE pictures SET facts = '[]'")
    world.allow(r"failed \(id", "letter of job")

    answer = await max_.click(message, "Info")

    assert whispered(answer).startswith("Something went wrong. The error is logged (id ")


async def test_in_threads_everything_works(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", channel="owl studies")

    message = await max_.wait_for(answer.message, is_result)
    max_.react(message, "🔁")
    await max_.wait_for_message(lambda m: m.id > message.id and is_result(m), channel="owl studies")


async def test_in_direct_messages_everything_works(max_: Person, world: World) -> None:
    place = str(world.dm(max_).id)

    answer = await max_.slash("dream", prompt="an owl", channel=place)

    message = await max_.wait_for(answer.message, is_result)
    max_.react(message, "🔁")
    await max_.wait_for_message(lambda m: m.id > message.id and is_result(m), channel="dm")


@pytest.mark.bot(quota={"units": 1.2})
async def test_the_attachment_of_a_caller_who_may_not_ask_is_not_fetched(
    world: World, olive: Person, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = world.site.files.fetch
    monkeypatch.setattr(world.site.files, "fetch", lambda path, query: fetched.append(path) or fetch(path, query))
    attached = upload(picture("green"))

    async def said(**options: object) -> str:
        return whispered(await max_.slash("dream", image=attached, **options))

    assert "without the permission Send Messages" in await said(prompt="an owl", channel="quiet")
    assert "18+ channels" in await said(prompt="a nude owl")
    assert "Every part has a negative weight" in await said(prompt="an owl:-1")
    assert "the limit here is 250" in await said(prompt="an owl", steps=300)
    await dreamt(max_, "an owl")
    assert "there will be enough again" in await said(prompt="an owl")
    await olive.slash("admin block", user=max_.id, reason="floods")
    assert "floods" in await said(prompt="an owl")

    assert [] == fetched
    assert 1 == len(await world.jobs_of(max_))
