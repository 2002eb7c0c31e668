"""The menu under a single picture: extend, zoom out, crop, tile; before and after a restart."""

from __future__ import annotations

import pytest

from engine.images.opening import open_own
from tests.wire.looks import child_of, dreamt, is_result, job_id, link, whispered
from tests.wire.people import Person
from tests.wire.test_words import said
from tests.wire.world import World

CHOICES = {
    "Extend to the left": (384, 192),
    "Extend to the right": (384, 192),
    "Extend upwards": (256, 320),
    "Extend downwards": (256, 320),
    "Zoom out": (256, 192),
}


@pytest.mark.parametrize("label", CHOICES)
async def test_a_picture_is_extended_at_the_cost_of_who_asks(
    world: World, max_: Person, mo: Person, label: str
) -> None:
    parent = await dreamt(max_, "an owl", size="256x192")
    await world.restart_bot()

    await mo.click(parent, label)

    child = await child_of(mo, parent)
    [job] = await world.jobs_of(mo)
    assert CHOICES[label] == (job.request.width, job.request.height)
    assert {job.request.init_image, job.request.mask_image} == set(job.request.images)
    assert f"Extended from [picture]({link(world, parent)}) by {max_.mention}" in child.text
    assert CHOICES[label] == open_own(child.pictures[0]).size
    assert job.cost > 0


async def test_a_square_is_free_and_can_be_varied(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl", size="256x192")
    await mo.click(parent, "Crop to a square")
    child = await child_of(mo, parent)
    [job] = await world.jobs_of(mo)
    assert (0, "crop") == (job.cost, job.origin.kind)
    assert (192, 192) == open_own(child.pictures[0]).size
    assert "Cropped from" in child.text
    assert "Crop to a square" not in child.options

    await world.restart_bot()
    await mo.click(child, "Variation")
    varied = await child_of(mo, child)
    newest = (await world.jobs_of(mo))[0]
    assert (job.pictures[0].sha256, 192) == (newest.request.init_image, newest.request.width)
    tree = await said(mo, await mo.slash("lineage", link=link(world, varied)))
    assert "cropped" in tree.text


async def test_a_pattern_is_shown_to_one_person(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl", more="seamless=both")
    await world.restart_bot()
    message = (await mo.click(parent, "Show as a pattern")).message
    await mo.wait_for(message, lambda m: m.pictures)
    assert message.ephemeral
    assert (512, 512) == open_own(message.pictures[0]).size
    assert 1 == len(await world.jobs_of(max_))


async def test_what_does_not_fit_is_not_offered_or_said(world: World, max_: Person) -> None:
    wide = await dreamt(max_, "an owl", size="512x256")
    assert "at most 512 pixels wide here" in whispered(await max_.click(wide, "Extend to the left"))

    other = await dreamt(max_, "an owl", method="pixels")
    assert {"Show as a pattern"} == set(other.options)
    grid = await dreamt(max_, "an owl", count=2)
    assert "Zoom out" not in grid.options


@pytest.mark.bot(delivery={"press_seconds": 60.0})
async def test_a_second_press_does_nothing(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    await max_.click(parent, "Zoom out")
    again = await max_.click(parent, "Zoom out")
    assert "You have just pressed that" in whispered(again)
    await child_of(max_, parent)
    assert 2 == len(await world.jobs_of(max_))


@pytest.mark.bot(limits={"max_size": 256})
async def test_the_hosts_limit_is_said(max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    assert "at most 256 pixels" in whispered(await max_.click(parent, "Extend upwards"))


async def test_mature_words_of_the_original_stay_in_restricted_channels(world: World, max_: Person) -> None:
    """The words of a picture count for what is painted around it, also from the private view of /history."""
    first = await dreamt(max_, "a nude robot", channel="late-night")
    await max_.submit(await max_.use_on(first, "Use as start"), prompt="a fox")
    second = await max_.wait_for_message(lambda m: m.id > first.id and is_result(m), channel="late-night")

    page = (await max_.slash("history")).message
    opened = await max_.click(page, next(label for label in page.options))
    shown = await max_.wait_for(opened.message, lambda m: m.pictures)
    assert job_id(second) in next(iter(shown.files))
    assert "only allowed in 18+ channels" in whispered(await max_.click(shown, "Zoom out"))


@pytest.mark.bot(quota={"units": 1.2})
async def test_no_canvas_is_drawn_for_what_is_refused(
    world: World, max_: Person, mo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await dreamt(max_, "an owl")
    drawn: list[str] = []
    monkeypatch.setattr("bot.views.community.edges.outpaint", lambda *given: drawn.append(given[3]))

    assert "you have" in whispered(await max_.click(parent, "Zoom out"))
    await world.services.moderation.block(None, mo.id, max_.id, "spam")
    assert "has blocked you" in whispered(await mo.click(parent, "Extend upwards"))

    assert [] == drawn
