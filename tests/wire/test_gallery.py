"""`/gallery`: a server's pictures by time, stars, person and prompt; nothing that the reader could not see there."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from bot.playground.server.world.entities import Channel, ChannelType, Overwrite
from bot.playground.server.world.permissions import Permission
from tests.wire.looks import deleted, dreamt, is_result, job_id, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_elsewhere import second_server
from tests.wire.test_hostile import HIDDEN
from tests.wire.world import World


def listed(page: Shown) -> list[str]:
    """The words of the pictures on a page, in their order."""
    lines = [line for line in page.text.splitlines() if line.startswith("**")]
    return [line.partition(" · ")[2] for line in lines]


async def gallery(person: Person, **options: Any) -> Shown:
    return (await person.slash("gallery", **options)).message


@pytest.mark.slow
@pytest.mark.bot(queue={"per_user": 20})
async def test_pages_turn_both_ways_after_a_restart(world: World, max_: Person, mo: Person) -> None:
    for number in range(11):
        await dreamt(max_, f"owl {number}")
    page = await gallery(mo)
    assert [f"owl {number}" for number in range(10, 1, -1)] == listed(page)
    assert {"Next", "Most starred"} == set(page.buttons)
    with Image.open(io.BytesIO(page.files["gallery.webp"])) as sheet:
        assert sheet.width == sheet.height > 700
    await world.restart_bot()

    await mo.click(page, "Next")
    await mo.wait_for(page, lambda m: ["owl 1", "owl 0"] == listed(m))
    assert {"Back", "Most starred"} == set(page.buttons)
    await mo.click(page, "Back")
    await mo.wait_for(page, lambda m: "owl 10" in m.text)


async def test_the_most_starred_come_first_and_ones_own_star_does_not_count(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    owl, fox, cat = [await dreamt(max_, words) for words in ("an owl", "a fox", "a cat")]
    await dreamt(max_, "a dog")
    for person, picture in ((mo, owl), (olive, owl), (mo, fox), (max_, cat), (max_, fox)):
        await person.click(picture, "Star")

    page = await gallery(mo, order="starred")

    assert ["an owl", "a fox"] == listed(page)
    assert f"by {max_.mention} · ⭐ 2 · [message]({link(world, owl)})" in page.text
    await mo.click(page, "Newest")
    await mo.wait_for(page, lambda m: ["a dog", "a cat", "a fox", "an owl"] == listed(m))


async def test_a_person_and_words_narrow_the_gallery(world: World, max_: Person, mo: Person) -> None:
    await dreamt(max_, "a red fox:1 | fog:-0.5")
    await dreamt(mo, "A Röd foxglove tree")
    await dreamt(mo, "an owl")

    assert ["A Röd foxglove tree", "a red fox"] == listed(await gallery(mo, prompt="fox"))
    assert ["a red fox"] == listed(await gallery(mo, prompt="FOX red"))
    assert ["A Röd foxglove tree"] == listed(await gallery(mo, prompt="rod"))
    assert ["an owl", "A Röd foxglove tree"] == listed(await gallery(max_, by=mo.id))
    assert ["A Röd foxglove tree"] == listed(await gallery(max_, by=mo.id, prompt="fox"))
    assert "No picture here has “fog” in its prompt." == (await gallery(mo, prompt="fog")).text
    for words in ('"', "AND", "fox*", "a:b", "🦊", ") OR ("):
        assert "Something went wrong" not in (await gallery(mo, prompt=words)).text


async def test_an_upscaled_picture_is_found_by_its_prompt(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await max_.click(owl, "Upscale")
    await max_.wait_for_message(lambda m: m.id > owl.id and is_result(m))

    assert ["an owl", "an owl"] == listed(await gallery(max_, prompt="owl"))


async def test_a_picture_opens_with_buttons_that_work_in_another_channel(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(max_, "an owl", count=2)
    page = await gallery(mo, channel="gallery")

    opened = (await mo.click(page, "1. an owl")).message

    assert opened.ephemeral
    assert [f"{job_id(owl)}-2.png"] == list(opened.files)
    assert "Starred" in whispered(await mo.click(opened, "Star"))
    enlarged = await mo.click(opened, "Upscale")
    await mo.wait_for(enlarged.message, is_result)


async def test_nothing_hidden_is_listed_or_opened(world: World, max_: Person, mo: Person) -> None:
    elsewhere = await second_server(world)
    attic = Channel(world.site.ids.next(), ChannelType.TEXT, "attic", world.channel("studio").guild_id)
    attic.overwrites[mo.id] = Overwrite(mo.id, 1, deny=Permission.VIEW_CHANNEL)
    world.site.world.channels[attic.id] = attic
    await world.restart_bot()
    seen = await dreamt(max_, "an owl")
    gone = await dreamt(max_, "a deleted fox")
    hidden = [gone]
    for words, channel in (
        ("a private fox", str(world.dm(max_).id)),
        ("a foreign fox", elsewhere),
        ("a hidden fox", str(attic.id)),
        ("a late fox", "late-night"),
    ):
        hidden.append(await dreamt(max_, words, channel=channel))
    page = await gallery(mo)
    await deleted(max_, gone)

    assert ["an owl"] == listed(await gallery(mo))
    assert ["a hidden fox", "an owl"] == listed(await gallery(max_))
    assert ["a late fox", "an owl"] == listed(await gallery(mo, channel="late-night"))
    for picture in hidden:
        page.state.components[0]["components"][0]["options"][0]["value"] = f"{job_id(picture)}:0"
        assert HIDDEN == whispered(await mo.click(page, "dream:picture", [f"{job_id(picture)}:0"]))
    assert is_result(seen)


async def test_a_spoiler_makes_the_sheet_a_spoiler(world: World, max_: Person, olive: Person) -> None:
    await olive.slash("settings server", spoilers="always")
    await dreamt(max_, "an owl")

    page = await gallery(max_)

    assert ["SPOILER_gallery.webp"] == list(page.files)
    assert "image" not in page.state.embeds[0]
    assert ["SPOILER_"] == [name[:8] for name in (await max_.click(page, "1. an owl")).message.files]


async def test_in_a_direct_message_there_is_no_gallery(world: World, max_: Person) -> None:
    assert "gallery" not in [
        command["name"] for command in world.site.commands.all() if 1 in (command.get("contexts") or [0, 1])
    ]


async def test_each_picture_of_a_comparison_is_listed_by_its_own_prompt(world: World, max_: Person) -> None:
    answer = await max_.slash("compare", prompt="a [red|blue] fox")
    await max_.wait_for(answer.message, lambda m: "⭐ Star one image …" in m.text or is_result(m))

    assert {"a red fox", "a blue fox"} == set(listed(await gallery(max_)))
    assert ["a red fox"] == listed(await gallery(max_, prompt="red"))
