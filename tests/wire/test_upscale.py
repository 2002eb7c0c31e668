"""A finished picture is enlarged: by button or reaction, once per picture, also after a restart."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from bot.playground.server.world.json_types import Json
from tests.wire.looks import begun, child_of, deleted, dreamt, is_enlarged, job_id, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World


def width(message: Shown) -> int:
    return Image.open(io.BytesIO(message.pictures[0])).width


async def test_the_button_enlarges_and_says_what(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    answer = await max_.click(parent, "Upscale")

    child = await max_.wait_for(answer.message, is_enlarged)
    upscaled = f"**an owl**\n-# Upscaled 4× to 1024×1024: [picture]({link(world, parent)})"
    assert f"{upscaled} · requested by {max_.mention}" in child.text
    assert 1024 == width(child)
    assert ["Upscale", "Star", "Info", "More like this", "Delete"] == list(child.buttons)


async def test_the_reaction_does_the_same_as_a_reply(max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    max_.react(parent, "⬆️")

    child = await child_of(max_, parent)
    assert str(parent.id) == child.raw["message_reference"]["message_id"]
    assert 1024 == width(child)


async def test_another_person_may_too_and_the_child_names_the_author(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")

    answer = await mo.click(parent, "Upscale")

    child = await mo.wait_for(answer.message, is_enlarged)
    assert f" by {max_.mention} · requested by {mo.mention}" in child.text
    [job] = await world.jobs_of(mo)
    assert 0 < job.cost == (await world.services.jobs.quota.balance(mo.id)).used


@pytest.mark.parametrize(("emoji", "index"), [("2️⃣", 1), ("3️⃣", 2)])
async def test_on_a_grid_a_digit_chooses_the_picture(world: World, max_: Person, emoji: str, index: int) -> None:
    parent = await dreamt(max_, "an owl", count=3)

    max_.react(parent, emoji)

    await child_of(max_, parent)
    child, original = await world.jobs_of(max_)
    assert (original.pictures[index].sha256,) == child.request.images


async def test_on_a_grid_the_arrow_takes_the_picture_that_clip_likes_best(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl", count=3, seed=5)

    max_.react(parent, "⬆️")

    await child_of(max_, parent)
    child, original = await world.jobs_of(max_)
    best = max(original.pictures, key=lambda picture: (picture.facts["clip_score"], -picture.index))
    assert (best.sha256,) == child.request.images


async def test_a_picture_is_enlarged_once_and_later_presses_lead_there(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")
    first = await max_.click(parent, "Upscale")
    await max_.wait_for(first.message, is_enlarged)

    second = await mo.click(parent, "Upscale")

    assert f"This picture is already upscaled: {link(world, first.message)}" == whispered(second)
    assert [] == await world.jobs_of(mo)


async def test_an_enlargement_that_was_deleted_by_hand_is_shown_once_more_and_costs_nothing(
    world: World, max_: Person, mo: Person
) -> None:
    parent = await dreamt(max_, "an owl")
    first = (await max_.click(parent, "Upscale")).message
    await max_.wait_for(first, is_enlarged)
    large = next(iter(first.files.values()))
    world.delete_behind(first)
    world.allow("10008")

    second = (await mo.click(parent, "Upscale")).message

    await mo.wait_for(second, is_enlarged)
    assert f"Upscaled 4× to 1024×1024: [picture]({link(world, parent)}) by {max_.mention}" in second.text
    assert large == next(iter(second.files.values()))
    assert 0 == (await world.services.jobs.quota.balance(mo.id)).used
    third = await max_.click(parent, "Upscale")
    assert f"This picture is already upscaled: {link(world, second)}" == whispered(third)


async def test_no_link_leads_to_another_persons_direct_messages(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")
    await max_.slash("settings mine", private=True)
    told = await max_.click(parent, "Upscale")
    private = await max_.wait_for_message(is_enlarged, channel="dm")

    shown = (await mo.click(parent, "Upscale")).message

    await mo.wait_for(shown, is_enlarged)
    assert mo.id == (await world.services.jobs.find(job_id(shown))).origin.user_id
    assert f"/{private.id}" in whispered(told)
    again = await max_.click(parent, "Upscale")
    assert "This picture is already upscaled: " in whispered(again)


async def test_what_is_being_enlarged_in_private_is_named_without_a_link(
    world: World, max_: Person, mo: Person
) -> None:
    parent = await dreamt(max_, "an owl")
    await max_.slash("settings mine", private=True)
    await begun(mo, "hang a fox")
    await max_.click(parent, "Upscale")

    said = whispered(await mo.click(parent, "Upscale"))

    assert "This picture is being upscaled in another channel." in said


@pytest.mark.bot(delivery={"press_seconds": 0.0})
async def test_an_enlargement_of_which_nothing_is_left_is_painted_again(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")
    first = (await max_.click(parent, "Upscale")).message
    await max_.wait_for(first, is_enlarged)
    [picture] = (await world.services.jobs.find(job_id(first))).pictures
    await world.bot.store.pictures.let_go(picture)
    world.delete_behind(first)
    world.allow("10008")

    second = (await mo.click(parent, "Upscale")).message

    await mo.wait_for(second, is_enlarged)
    assert 0 < (await world.services.jobs.quota.balance(mo.id)).used


@pytest.mark.bot(delivery={"press_seconds": 60.0})
async def test_two_presses_at_the_same_moment_are_one(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")

    await asyncio.gather(max_.click(parent, "Upscale"), mo.click(parent, "Upscale"))

    assert 1 == len(await world.services.store.jobs.children(job_id(parent)))


@pytest.mark.bot(delivery={"press_seconds": 0.0})
async def test_what_was_deleted_can_be_enlarged_again(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    first = await max_.click(parent, "Upscale")
    await deleted(max_, await max_.wait_for(first.message, is_enlarged))

    second = await max_.click(parent, "Upscale")

    await max_.wait_for(second.message, is_enlarged)


async def test_buttons_and_reactions_of_old_messages_work_after_a_restart(world: World, max_: Person) -> None:
    one, two = await dreamt(max_, "an owl"), await dreamt(max_, "a fox")
    await world.restart_bot()

    answer = await max_.click(one, "Upscale")
    await max_.wait_for(answer.message, is_enlarged)
    max_.react(two, "⬆️")

    await max_.wait_for_message(lambda m: is_enlarged(m) and m.raw["message_reference"]["message_id"] == str(two.id))


async def test_reactions_made_while_the_bot_was_away_are_done_once_when_it_is_back(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    await world.stop_bot()

    max_.react(parent, "⬆️")
    await world.start_bot()
    await child_of(max_, parent)
    await world.restart_bot()
    await dreamt(max_, "a fox")

    assert 1 == len(await world.services.store.jobs.children(job_id(parent)))


@pytest.mark.bot(limits={"max_upscaled": 300})
async def test_a_picture_that_is_large_enough_is_refused_in_words(max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    answer = await max_.click(parent, "Upscale")

    assert "This picture is already 256×256; the limit here is 300 pixels a side." == whispered(answer)


CHOICE = {"environ": {"DREAMBOT_FAKE_UPSCALERS": "lanczos,primer,realesrgan-x4plus,my-faces"}}


def choices(form: Json) -> dict[str, list[str]]:
    """Custom id → what can be chosen."""
    parts = [label["component"] for label in form["components"]]
    return {part["custom_id"]: [option["value"] for option in part["options"]] for part in parts}


@pytest.mark.bot(**CHOICE, limits={"max_upscaled": 1024})
async def test_where_the_engine_has_more_the_button_asks_which_and_how_far(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    opened = await max_.click(parent, "Upscale")

    assert {
        "upscaler": ["auto", "lanczos", "primer", "realesrgan-x4plus", "my-faces"],
        "scale": ["1.5", "2", "3", "4"],
    } == choices(opened.modal)
    answer = await max_.submit(opened, upscaler="my-faces", scale="2")
    child = await max_.wait_for(answer.message, is_enlarged)
    assert 512 == width(child)
    [job, _] = await world.jobs_of(max_)
    assert ("my-faces", 2) == (job.request.upscaler, job.request.scale)


BLENDS = [f"realesr-general@{share}" for share in ("0.75", "0.5", "0.25")]
PAIR = {"environ": {"DREAMBOT_FAKE_UPSCALERS": "lanczos,realesr-general,realesr-general-wdn"}}


@pytest.mark.bot(**PAIR)
async def test_two_nets_of_a_blend_offer_strengths_of_noise_removal_and_half_sizes(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    opened = await max_.click(parent, "Upscale")

    offered = choices(opened.modal)["upscaler"]
    assert ["auto", "lanczos", "realesr-general", "realesr-general-wdn", *BLENDS] == offered
    child = await max_.wait_for((await max_.submit(opened, upscaler=BLENDS[1], scale="1.5")).message, is_enlarged)
    assert 384 == width(child) and "Upscaled 1.5× to 384×384" in child.text
    [job, _] = await world.jobs_of(max_)
    assert (BLENDS[1], 1.5) == (job.request.upscaler, job.request.scale)


@pytest.mark.bot(environ={"DREAMBOT_FAKE_UPSCALERS": "lanczos,realesr-general"})
@pytest.mark.parametrize("name", ["realesr-general@0.5", "realesr-general@7", "lanczos@0.5"])
async def test_a_blend_needs_two_files_of_the_same_net(world: World, max_: Person, name: str) -> None:
    parent = await dreamt(max_, "an owl")
    opened = await max_.click(parent, "Upscale")
    assert ["auto", "lanczos", "realesr-general"] == choices(opened.modal)["upscaler"]
    opened.modal["components"][0]["component"]["options"].append({"label": name, "value": name})

    said = whispered(await max_.submit(opened, upscaler=name))

    assert "cannot be used here" in said and "Available: lanczos, realesr-general." in said


@pytest.mark.bot(**CHOICE)
async def test_left_as_it_is_the_form_takes_the_best_also_after_a_restart(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl", count=2)
    opened = await max_.click(parent, "U2")
    await world.restart_bot()

    answer = await max_.submit(opened)

    assert 1024 == width(await max_.wait_for(answer.message, is_enlarged))
    job, original = await world.jobs_of(max_)
    assert job.request.upscaler in ("realesrgan-x4plus", "auto"), "the engine may be starting still"
    assert (4, (original.pictures[1].sha256,)) == (job.request.scale, job.request.images)


@pytest.mark.bot(**CHOICE)
async def test_a_reaction_takes_the_best_without_a_form(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")

    max_.react(parent, "⬆️")

    await child_of(max_, parent)
    assert "realesrgan-x4plus" == (await world.jobs_of(max_))[0].request.upscaler
