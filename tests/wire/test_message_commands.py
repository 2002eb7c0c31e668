"""Message commands: a picture in any message as a start or a target, enlarged, remixed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import NotAllowed
from bot.models.job import owner_of
from bot.playground.server.actions.people import AttachedFile
from bot.playground.server.validation.components import walk
from bot.storage.confirmations import Confirmation
from engine.images.pictures import to_png
from tests.wire.looks import dreamt, is_enlarged, is_result, link, whispered
from tests.wire.people import PATIENCE, Person, Shown, upload
from tests.wire.test_favorites import job_id, stars
from tests.wire.test_remix import fields
from tests.wire.world import World


def picture(colour: str = "orange", size: tuple[int, int] = (64, 48)) -> bytes:
    return to_png(Image.new("RGB", size, colour))


def posted(world: World, person: Person, file: AttachedFile, text: str = "look") -> Shown:
    """A message of a person with a file."""
    channel = world.channel("studio").id
    return Shown(world.site.people.say(person.id, channel, text, [file]), person)


def held(world: World) -> list[Path]:
    """The stored attachments."""
    return list((world.folder / "inputs").glob("*"))


async def questions(world: World, person: Person) -> list[Confirmation]:
    """The held pictures of a person, once there are any."""
    store, mine = world.bot.store, owner_of(person.id)
    async with asyncio.timeout(PATIENCE):
        while not (
            ids := await store.database.column("SELECT id FROM questions WHERE owner = ? ORDER BY asked_at", mine)
        ):
            await asyncio.sleep(0.01)
    return [await store.confirmations.find(one) for one in ids]


async def test_a_result_is_a_start_and_the_child_names_its_parent(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl", size="256x192")

    opened = await mo.use_on(parent, "Use as start")
    assert {"prompt": "an owl", "similarity": "", "settings": "size=256x192"} == fields(opened.modal)
    sent = await mo.submit(opened, prompt="a fox", similarity=["most"])

    child = await mo.wait_for(sent.message, is_result)
    assert f"-# Started from [picture]({link(world, parent)}) by {max_.mention}" in child.text
    [job] = await world.jobs_of(mo)
    [original] = await world.jobs_of(max_)
    assert original.pictures[0].sha256 == job.request.init_image
    assert (256, 192) == (job.request.width, job.request.height)
    assert round(job.request.options.steps * 0.75) == job.request.options.skip_steps
    assert (original.id, 0) == (job.origin.parent_job, job.origin.parent_index)


async def test_a_result_is_a_target_with_a_weight_and_needs_no_words(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl", count=2)

    opened = await max_.use_on(parent, "Use as target")
    sent = await max_.submit(opened, prompt="", picture=["1"], weight="0.5")

    child = await max_.wait_for(sent.message, is_result)
    assert "Painted towards [image 2]" in child.text
    job, original = await world.jobs_of(max_)
    assert [(original.pictures[1].sha256, 0.5)] == [(part.image, part.weight) for part in job.request.prompts]

    await max_.submit(await max_.click(child, "Remix"), prompt="a fox")
    remix = await max_.wait_for_message(lambda m: m.id > child.id and is_result(m))
    assert "a fox" in remix.text
    assert ["a fox", original.pictures[1].sha256] == [
        part.text or part.image for part in (await world.jobs_of(max_))[0].request.prompts
    ]


@pytest.mark.parametrize(("command", "field"), [("Use as start", "init_image"), ("Use as target", ""), ("Remix", "")])
async def test_a_form_for_an_attached_picture_is_sent_after_a_restart(
    world: World, max_: Person, mo: Person, command: str, field: str
) -> None:
    message = posted(world, max_, upload(picture()))
    opened = await mo.use_on(message, command)
    await world.until(lambda: held(world), what="the attachment to be held")
    await world.restart_bot()

    sent = await mo.submit(opened, prompt="a fox")

    await mo.wait_for(sent.message, is_result)
    [job] = await world.jobs_of(mo)
    assert 1 == len(job.request.images)
    assert not field or getattr(job.request, field) == job.request.images[0]
    assert ("a fox", "") == (job.request.prompts[0].text, job.origin.parent_job)


async def test_a_form_that_is_too_old_says_so(world: World, max_: Person) -> None:
    opened = await max_.use_on(posted(world, max_, upload(picture())), "Use as start")
    await questions(world, max_)
    world.forward(700)

    assert "opened more than ten minutes ago" in whispered(await max_.submit(opened, prompt="a fox"))


async def test_the_form_of_another_person_is_refused(world: World, max_: Person, mo: Person) -> None:
    await max_.use_on(posted(world, max_, upload(picture())), "Use as start")
    [question] = await questions(world, max_)

    with pytest.raises(NotAllowed, match="Only the person who opened this form"):
        await world.services.held_pictures.take(question.id, mo.id)


async def test_an_attached_picture_is_enlarged_and_enlarged_again(world: World, max_: Person, mo: Person) -> None:
    message = posted(world, max_, upload(picture()))

    answer = await mo.use_on(message, "Upscale")
    enlarged = await mo.wait_for(answer.message, lambda m: is_result(m) and "upscaled 4×" in m.text)
    await world.restart_bot()
    answer = await mo.use_on(enlarged, "Upscale")
    await mo.wait_for(answer.message, is_enlarged)

    second, first = await world.jobs_of(mo)
    assert (64, 48, 256, 192) == (
        first.request.width,
        first.request.height,
        second.request.width,
        second.request.height,
    )


async def test_what_is_no_picture_is_refused_in_a_sentence(world: World, max_: Person) -> None:
    drawing, words = posted(world, max_, upload(b"<svg/>", "x.svg")), posted(world, max_, upload(b"words", "x.txt"))
    for command in ("Use as start", "Use as target", "Upscale", "Remix"):
        assert "This file is “image/svg+xml”." in whispered(await max_.use_on(drawing, command))
        assert "This message has no picture." in whispered(await max_.use_on(words, command))
    assert [] == await world.jobs_of(max_)


async def test_a_broken_picture_is_named_at_once_and_again_when_the_form_is_sent(world: World, max_: Person) -> None:
    message = posted(world, max_, upload(b"\x89PNG\r\n\x1a\nno"))
    opened = await max_.use_on(message, "Use as start")
    await world.until(lambda: opened.messages, what="words about the picture")

    assert "not a picture that can be opened" in opened.messages[0].text
    assert "not a picture that can be opened" in whispered(await max_.submit(opened, prompt="a fox"))


async def test_a_blocked_person_is_refused_before_the_picture_is_fetched(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await olive.slash("admin block", user=str(max_.id), reason="spam")
    message = posted(world, mo, upload(picture()))

    for command in ("Use as start", "Use as target", "Upscale"):
        assert "blocked you" in whispered(await max_.use_on(message, command))
    assert [] == held(world)


async def test_a_result_without_a_picture_is_refused(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="a nan owl")
    message = await max_.wait_for(answer.message, lambda m: "infinite" in m.text)

    assert "no finished picture" in whispered(await max_.use_on(message, "Use as start"))


@pytest.mark.parametrize(
    ("values", "said"), [({"weight": "much"}, "A weight is a number"), ({"settings": "steps=x"}, "steps")]
)
async def test_a_mistake_in_the_form_is_said_with_the_words(
    world: World, max_: Person, values: dict[str, str], said: str
) -> None:
    parent = await dreamt(max_, "an owl")
    sent = await max_.submit(await max_.use_on(parent, "Use as target"), prompt="a fox", **values)

    assert said in whispered(sent)
    assert "Your prompt, to copy:\n```\na fox\n```" in whispered(sent)


async def test_the_held_picture_goes_with_forget(world: World, max_: Person) -> None:
    await max_.use_on(posted(world, max_, upload(picture())), "Use as start")
    await world.until(lambda: held(world), what="the attachment to be held")

    await max_.click((await max_.slash("forget")).message, "Delete all my data")

    await world.until(lambda: not held(world), what="the attachment to be gone")


async def test_a_result_is_starred_from_its_menu_and_a_grid_asks_which(world: World, max_: Person, mo: Person) -> None:
    single, grid = await dreamt(max_, "an owl"), await dreamt(max_, "a fox", count=2)

    assert "Starred" in whispered(await mo.use_on(single, "Star"))
    asked = await mo.use_on(grid, "Star")
    [menu] = [part for part in walk(asked.messages[0].state.components) if part.get("options")]
    assert ["Image 1", "Image 2"] == [option["label"] for option in menu["options"]]
    assert "Starred" in whispered(await mo.click(asked.messages[0], menu["custom_id"], ["1"]))
    assert [(job_id(single), 0, mo.id), (job_id(grid), 1, mo.id)] == await stars(world)


async def test_a_vote_begins_from_the_menu_of_a_result_with_several_pictures(
    world: World, max_: Person, mo: Person
) -> None:
    single, grid = await dreamt(max_, "an owl"), await dreamt(max_, "a fox", count=2)
    theirs = posted(world, max_, upload(picture()))

    assert "at least two pictures" in whispered(await mo.use_on(single, "Vote"))
    assert "results of this bot only" in whispered(await mo.use_on(theirs, "Vote"))
    asked = await mo.use_on(grid, "Vote")
    await mo.click(asked.messages[0], "1 hour")

    await mo.wait_for_message(lambda message: {"A", "B"} <= set(message.buttons))
