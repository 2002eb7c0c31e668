"""While a blind vote is open, the sheet above it hides its labels too; afterwards it is as before."""

from __future__ import annotations

import asyncio
import json

from tests.bot.core import count
from tests.wire.looks import deleted, dreamt, nothing_is_owed
from tests.wire.people import Person, Shown
from tests.wire.test_compare import experiment, parse_comparison
from tests.wire.test_mydata import forgotten
from tests.wire.test_votes import ended, vote_on
from tests.wire.world import World

HIDDEN = "labels are hidden until it ends"


def is_covered(sheet: Shown) -> bool:
    return HIDDEN in sheet.text


def look(sheet: Shown) -> tuple[str, list[bytes], set[str], set[str]]:
    return sheet.text, sheet.pictures, set(sheet.buttons), set(sheet.options)


async def covered(person: Person, sheet: Shown) -> Shown:
    return await person.wait_for(sheet, is_covered, what="the sheet to hide its labels")


async def nothing_covered(world: World) -> None:
    async with asyncio.timeout(10):
        while await count(world.bot.store, "covered_sheets"):
            await asyncio.sleep(0.02)


async def test_the_sheet_hides_its_labels_until_the_vote_ends(world: World, max_: Person, mo: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels steps=20", seed=9)
    before = look(sheet)
    vote = await vote_on(mo, sheet)

    await covered(max_, sheet)

    assert f"/{vote.id})" in sheet.text
    assert {} == sheet.options and {"Again", "Info", "Vote", "Delete"} == set(sheet.buttons)
    assert [] == [word for word in ("draft", "pixels", "CLIP", "seed") if word in json.dumps(sheet.raw)]
    assert before[1] != sheet.pictures

    await ended(world, mo, vote)
    await max_.wait_for(sheet, lambda m: not is_covered(m), what="the labels to come back")
    assert before == look(sheet)
    await nothing_covered(world)


async def test_the_sheet_does_not_tell_the_order_of_a_list(world: World, max_: Person) -> None:
    sheet = await experiment(max_, "a [red|blue] fox", "style=[ink|watercolour] steps=5")
    vote = await vote_on(max_, sheet)
    await covered(max_, sheet)

    assert "red\\|blue" in sheet.text
    assert vote.pictures == sheet.pictures


async def test_a_vote_over_a_grid_keeps_its_buttons(world: World, max_: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=4, seed=5)
    before = look(sheet)
    vote = await vote_on(max_, sheet)

    await covered(max_, sheet)
    assert "seed" not in sheet.text
    assert before[1:] == look(sheet)[1:]

    await ended(world, max_, vote)
    await max_.wait_for(sheet, lambda m: before == look(m), what="the sheet as before")


async def test_labels_return_when_the_vote_ends_while_the_bot_is_away(world: World, max_: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    before = look(sheet)
    await vote_on(max_, sheet)
    await covered(max_, sheet)

    await world.stop_bot()
    world.forward(601)
    await world.start_bot()

    await max_.wait_for(sheet, lambda m: before == look(m), what="the labels to come back")


async def test_labels_return_when_the_vote_is_deleted_on_discord(world: World, max_: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    before = look(sheet)
    vote = await vote_on(max_, sheet, "24 hours")
    await covered(max_, sheet)
    world.allow(r"refused: GET .*10008")
    world.delete_behind(vote)

    await world.services.votes.check_next()

    await max_.wait_for(sheet, lambda m: before == look(m), what="the labels to come back")


async def test_the_covered_sheet_says_which_vote_is_open(world: World, max_: Person, mo: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    await vote_on(max_, sheet)
    await covered(max_, sheet)
    question = (await mo.click(sheet, "Vote")).message

    answer = await mo.click(question, "1 hour")

    await world.until(lambda: any("already open here" in one.text for one in answer.messages))


async def test_a_sheet_that_is_gone_or_refused_delays_no_other(world: World, max_: Person, mo: Person) -> None:
    gone, kept = [await parse_comparison(max_, "draft", "pixels", seed=seed) for seed in (9, 10)]
    votes = [await vote_on(mo, sheet) for sheet in (gone, kept)]
    for sheet in (gone, kept):
        await covered(max_, sheet)
    world.allow(r"refused: PATCH .*10008")
    world.delete_behind(gone)

    for vote in votes:
        await mo.click(vote, "A")
    world.forward(601)

    await max_.wait_for(kept, lambda m: not is_covered(m), what="the labels to come back")
    await nothing_covered(world)
    for vote in votes:
        await mo.wait_for(vote, lambda m: "Winner" in m.text)


async def test_who_forgets_takes_the_covered_sheet_along(world: World, max_: Person, mo: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    await vote_on(mo, sheet)
    await covered(mo, sheet)

    await forgotten(max_)

    assert 0 == await count(world.bot.store, "covered_sheets")
    await mo.wait_for(sheet, lambda m: m.gone)


async def test_pictures_of_an_open_vote_do_not_expire(world: World, max_: Person) -> None:
    sheet = await dreamt(max_, "an owl", count=2)
    vote = await vote_on(max_, sheet)
    await nothing_is_owed(world, 10)
    assert [] == await world.bot.store.pictures.aged(1e12, 10)

    await ended(world, max_, vote)
    assert 2 == len(await world.bot.store.pictures.aged(1e12, 10))


async def test_a_deleted_sheet_is_forgotten(world: World, max_: Person) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    vote = await vote_on(max_, sheet)
    await covered(max_, sheet)

    await deleted(max_, sheet)

    await max_.wait_for(vote, lambda m: m.gone, what="the vote to go with its pictures")
