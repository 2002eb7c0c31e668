"""Keep: a picture that somebody likes stays when older ones go; found again in `/history kept:True`."""

from __future__ import annotations

import pytest

from bot.jobs.retention import Retention
from tests.bot.core import config, count
from tests.wire.looks import deleted, dreamt, is_result, job_id, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_history import buttons, offered, opened, shown
from tests.wire.test_mydata import copied, forgotten
from tests.wire.world import World

DAY = 86_400.0


async def informed(person: Person, picture: Shown) -> Shown:
    return (await person.click(picture, "Info")).message


async def kept(person: Person, picture: Shown) -> Shown:
    """Keep *picture*; the message that was pressed."""
    info = await informed(person, picture)
    await person.click(info, "Save")
    return await person.wait_for(info, lambda m: "Unsave" in m.buttons)


def said(answer: Answer, pressed: Shown) -> list[str]:
    """What was whispered besides the message that was pressed."""
    return [message.content for message in answer.messages if message.id != pressed.id]


async def years_go_by(world: World) -> None:
    await Retention(config(retention={"pictures_days": 1.0}), world.bot.store).tidy(world.site.clock.now() + 900 * DAY)


async def test_what_is_kept_stays_over_a_restart_and_years_and_can_be_enlarged(
    world: World, max_: Person, mo: Person
) -> None:
    owl, fox = await dreamt(max_, "an owl"), await dreamt(max_, "a fox")
    info = await informed(mo, owl)
    assert "Saved: no; the oldest files are deleted when space is needed" in info.text

    answer = await mo.click(info, "Save")

    await mo.wait_for(info, lambda m: "Saved: by you" in m.text.splitlines())
    words = "Saved. 1 of 100 slots used."
    await world.until(lambda: [words] == said(answer, info))
    assert "Saved: by 1 other person" in (await informed(max_, owl)).text.splitlines()
    await world.restart_bot()
    await years_go_by(world)
    assert "has expired" in whispered(await mo.click(fox, "Upscale"))
    await mo.click(owl, "Upscale")
    await mo.wait_for_message(lambda m: m.id > fox.id and is_result(m))


async def test_what_one_keeps_is_found_in_the_history_whoever_painted_it(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(max_, "an owl", count=2)
    await dreamt(mo, "a fox")
    await kept(mo, owl)
    await world.restart_bot()

    mine = whispered(await mo.slash("history"))
    page = (await mo.slash("history", kept=True)).message

    assert "Your 1 job, newest first. Only you can see this.\n📌 2 of 100 saved pictures." in mine
    assert "2 of 100 saved pictures, from 1 job, newest first. Only you can see this." == page.content
    [embed] = page.state.embeds
    assert "**an owl**\nDone: 2 pictures · 📌 saved\n" in embed["description"]
    assert f"by {max_.mention} · [message](" in embed["description"]
    assert [f"{job_id(owl)}.webp"] == list(page.files)
    again = await shown(mo, page, job_id(owl))
    assert "Post here" not in again.buttons
    answer = await mo.click(again, "Again")
    await mo.wait_for(answer.message, is_result)


async def test_a_picture_seen_again_can_be_kept_there_and_let_go_and_stays_in_sight(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    again = await shown(max_, await opened(max_), job_id(owl))

    answer = await max_.click(again, "Save")
    await max_.wait_for(again, lambda m: "Unsave" in m.buttons and "Save" not in m.buttons)
    assert 1 == len(again.pictures)
    assert {"Upscale", "Info", "Post here"} <= set(again.buttons)
    await world.until(lambda: "1 of 100 slots used" in "".join(said(answer, again)))

    answer = await max_.click(again, "Unsave")
    await max_.wait_for(again, lambda m: "Save" in m.buttons and "Unsave" not in m.buttons)
    await world.until(lambda: "Removed from your saved pictures" in "".join(said(answer, again)))
    assert "You have no saved pictures yet." in whispered(await max_.slash("history", kept=True))


@pytest.mark.slow
async def test_pages_of_what_is_kept_turn_both_ways_after_a_restart(world: World, max_: Person) -> None:
    for number in range(7):
        owl = await dreamt(max_, f"owl {number}")
        if number != 3:
            await kept(max_, owl)
    page = (await max_.slash("history", kept=True)).message
    assert (5, {"Older"}) == (len(offered(page)), buttons(page))
    await world.restart_bot()

    await max_.click(page, "Older")
    await max_.wait_for(page, lambda m: "owl 0" in m.text)
    assert (1, {"Newer"}) == (len(offered(page)), buttons(page))
    await max_.click(page, "Newer")
    await max_.wait_for(page, lambda m: "owl 6" in m.text and "owl 3" not in m.text)


@pytest.mark.bot(retention={"keep_pictures": 1})
async def test_one_picture_too_many_is_refused_in_a_sentence_and_the_button_stays(max_: Person) -> None:
    await kept(max_, await dreamt(max_, "an owl"))
    info = await informed(max_, await dreamt(max_, "a fox"))

    words = whispered(await max_.click(info, "Save"))

    assert words.startswith("You have saved 1 of 1 picture, so 1 more will not fit.")
    assert "Save" in info.buttons


async def test_what_has_gone_offers_no_keeping_and_an_old_button_says_why(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    info = await informed(max_, owl)
    await years_go_by(world)

    assert "Only Discord has a copy, so it cannot be saved" in whispered(await max_.click(info, "Save"))
    later = await informed(max_, owl)
    assert "Save" not in later.buttons
    assert "Saved: no; the file has expired, and only Discord has a copy" in later.text


async def test_deleting_a_picture_ends_its_keeping(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await kept(mo, owl)
    page = (await mo.slash("history", kept=True)).message

    await deleted(max_, owl)

    assert 0 == await count(world.bot.store, "keeps")
    answer = await mo.click(page, "dream:history", [job_id(owl)])
    assert ["This picture is in another person's history."] == [m.text for m in answer.messages if m.id != page.id]


async def test_a_copy_of_ones_data_names_what_one_keeps_and_being_forgotten_ends_it(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(max_, "an owl")
    await kept(mo, owl)
    await kept(max_, owl)

    data, _ = await copied(mo)
    assert [job_id(owl)] == [one["job"] for one in data["keeps"]]
    await forgotten(mo)
    assert 1 == await count(world.bot.store, "keeps")
    await forgotten(max_)

    assert [0, 0] == [await count(world.bot.store, "keeps"), await count(world.bot.store, "pictures")]
    await max_.wait_for(owl, lambda m: m.gone)
