"""Batches: one message, one sheet, and a choice of the best; no crash loses anything."""

from __future__ import annotations

import io
import os
import signal
from typing import Any

import pytest
from PIL import Image

from bot.playground.server.validation.components import walk
from tests.wire.looks import child_of, deleted, dreamt, is_enlarged, is_over, is_result, link, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.world import World

PICK, ENLARGE = "dream:pick:", "dream:enlarge:"
pytestmark = pytest.mark.bot(limits={"max_batch": 40}, environ={"DREAMBOT_FAKE_STEP": "0.01"})


def menu(message: Shown, begins: str) -> list[dict[str, Any]]:
    """The lines of a menu."""
    found = [c for c in walk(message.state.components) if str(c.get("custom_id", "")).startswith(begins)]
    return [dict(option) for option in found[0]["options"]] if found else []


async def choose(person: Person, message: Shown, begins: str, value: str) -> Answer:
    return await person.click(message, begins, [value])


async def batch(person: Person, prompt: str = "an owl", pictures: int = 12, **options: str) -> Shown:
    answer = await person.slash("dream", prompt=prompt, count=pictures, seed=100, **options)
    return await person.wait_for(answer.message, is_result, 30, what="the batch")


async def test_a_batch_ends_as_one_sheet_with_the_best_first(world: World, max_: Person) -> None:
    message = await batch(max_)

    [job] = await world.jobs_of(max_)
    grades = {picture.index: picture.facts["grade"] for picture in job.pictures}
    order = sorted(grades, key=lambda index: -grades[index])
    assert (12, "done") == (len(grades), job.state.value)
    assert [str(index) for index in order] == [line["value"] for line in menu(message, PICK)]
    assert menu(message, PICK) == menu(message, ENLARGE)
    best = " · ".join(str(index + 1) for index in order[:3])
    assert f"Best: {best}. Scored by primer-grader, which did not guide them." in message.text
    assert "seeds 100–111" in message.text
    assert ["Again", "Remix", "Info", "Vote", "Delete"] == list(message.buttons)
    assert (4 * 256, 3 * 256) < Image.open(io.BytesIO(message.pictures[0])).size < (4 * 300, 3 * 300)


async def test_what_is_painted_is_shown_on_the_way_and_nothing_is_painted_twice(world: World, max_: Person) -> None:
    message = await batch(max_, "slowly an owl", 9)

    shown = [look["embeds"][0]["description"] for look in message.history]
    assert any("4 of 9 painted" in text or "8 of 9 painted" in text for text in shown)
    assert [message.id] == [one.id for one in max_.sees()]
    assert 0.98304 * 9 == pytest.approx((await world.services.jobs.quota.balance(max_.id)).used)


async def test_others_are_painted_while_a_batch_is_under_way(world: World, max_: Person, mo: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly owls", count=40)
    await max_.wait_for(answer.message, lambda m: "of 40 painted" in m.text)

    await dreamt(mo, "a fox")
    await dreamt(max_, "a cat")

    [_, big] = await world.jobs_of(max_)
    assert len(big.pictures) < 40
    await max_.click(answer.message, "Cancel")


async def test_a_batch_that_is_stopped_keeps_and_charges_what_is_painted(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly owls", count=30)
    await max_.wait_for(answer.message, lambda m: " 4 of 30 painted" in m.text, 20)

    await max_.click(answer.message, "Cancel")

    message = await max_.wait_for(answer.message, is_result)
    [job] = await world.jobs_of(max_)
    painted = len(job.pictures)
    assert 4 <= painted < 30
    assert f"Cancelled after {painted} of 30 pictures; you only pay for those." in message.text
    assert painted == len(menu(message, PICK))
    assert pytest.approx(0.98304 * painted) == (await world.services.jobs.quota.balance(max_.id)).used


@pytest.mark.parametrize("dies", ["bot", "engine"])
async def test_a_batch_survives(world: World, max_: Person, dies: str) -> None:
    answer = await max_.slash("dream", prompt="slowly owls", count=9)
    await max_.wait_for(answer.message, lambda m: "4 of 9 painted" in m.text, 20)
    before = {p.index: p.path.stat().st_mtime_ns for p in (await world.jobs_of(max_))[0].pictures}

    if dies == "bot":
        await world.restart_bot()
    else:
        os.kill(int(world.bot.engine.ready.pid), signal.SIGKILL)

    message = await max_.wait_for(answer.message, is_result, 30)
    [job] = await world.jobs_of(max_)
    after = {p.index: p.path.stat().st_mtime_ns for p in job.pictures}
    assert (9, before) == (len(after), {index: after[index] for index in before})
    assert 9 == len(menu(message, PICK))


async def test_one_of_them_is_shown_by_itself_with_the_usual_buttons_also_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await batch(max_)
    await world.restart_bot()

    shown = (await choose(mo, sheet, PICK, "6")).message

    assert ["Upscale", "Variation", "Again", "Remix", "Star", "Info", "More like this", "Delete"] == list(shown.buttons)
    assert f"Image 7 of [batch]({link(world, sheet)}) by {max_.mention}" in shown.text
    assert "seed 106 · 256×256" in shown.text
    [row] = await world.jobs_of(mo)
    [job] = await world.jobs_of(max_)
    assert row.pictures[0].path.read_bytes() == job.pictures[6].path.read_bytes()
    assert 0 == (await world.services.jobs.quota.balance(mo.id)).used
    assert f"Picture 7 is already shown: {link(world, shown)}" == whispered(await choose(max_, sheet, PICK, "6"))
    assert whispered(await max_.click(shown, "Info")).startswith("**an owl**")
    await mo.click(shown, "Upscale")
    assert is_enlarged(await child_of(mo, shown))
    await deleted(mo, shown)
    assert (True, False) == (shown.gone, sheet.gone)


@pytest.mark.bot(delivery={"press_seconds": 0.0})
async def test_one_of_them_whose_message_was_deleted_by_hand_is_shown_again(world: World, max_: Person) -> None:
    sheet = await batch(max_)
    shown = (await choose(max_, sheet, PICK, "6")).message
    await max_.wait_for(shown, is_result)
    world.delete_behind(shown)
    world.allow("10008")

    again = (await choose(max_, sheet, PICK, "6")).message

    await max_.wait_for(again, is_result)


async def test_upscaling_one_of_them_is_charged_to_the_person_who_chooses(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await batch(max_)

    await choose(mo, sheet, ENLARGE, "11")

    large = await child_of(mo, sheet)
    assert f"Upscaled 4× to 1024×1024: [image 12]({link(world, sheet)})" in large.text
    assert 0 < (await world.services.jobs.quota.balance(mo.id)).used


async def test_what_no_menu_offers_is_refused_and_again_is_a_batch_too(world: World, max_: Person) -> None:
    sheet = await batch(max_, pictures=5)
    menus = [c for c in walk(sheet.state.components) if str(c.get("custom_id", "")).startswith("dream:")]
    for value, said in (
        ("99", "there is no picture 100"),
        ("-1", "does not name an image"),
        ("x", "does not name an image"),
    ):
        for one in menus[:2]:
            one["options"] = [*one["options"], {"label": value, "value": value}]
        for begins in (PICK, ENLARGE):
            assert said in whispered(await choose(max_, sheet, begins, value))

    await max_.click(sheet, "Again")
    again = await max_.wait_for_message(lambda m: m.id > sheet.id and is_result(m), seconds=20)

    assert 5 == len(menu(again, PICK))


@pytest.mark.bot(limits={"max_batch": 0})
async def test_a_host_may_have_no_batches(max_: Person) -> None:
    said = whispered(await max_.slash("dream", prompt="an owl", count=5))
    assert "You can paint up to 4 pictures at once here." == said


async def test_too_many_are_refused_before_anything_is_charged(world: World, max_: Person) -> None:
    said = whispered(await max_.slash("dream", prompt="an owl", count=41))

    assert "You can paint up to 40 pictures at once here." == said
    assert [] == await world.jobs_of(max_)


async def test_words_without_a_judge_leave_the_order_of_the_guide(max_: Person) -> None:
    message = await batch(max_, "zzzz", 5, target_icon="owl")

    assert "Ranked by the CLIP that guided them" in message.text
    assert is_over(message)
