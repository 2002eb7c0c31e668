"""`/history`: one's own pictures, found again, shown again, posted again."""

from __future__ import annotations

import asyncio

import pytest

from bot.playground.server.validation.components import walk
from bot.playground.server.world.permissions import Permission
from tests.wire.looks import begun, deleted, dreamt, is_enlarged, is_over, is_result, job_id, link, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.world import World


async def opened(person: Person, **where: str) -> Shown:
    """The newest page."""
    answer = await person.slash("history", **where)
    assert answer.message.ephemeral
    return answer.message


def offered(page: Shown) -> list[str]:
    """The jobs in the page's menu."""
    return [option["value"] for c in walk(page.state.components) for option in c.get("options") or []]


def buttons(page: Shown) -> set[str]:
    return {label for label in page.buttons if label in ("Older", "Newer")}


async def shown(person: Person, page: Shown, job: str) -> Shown:
    """One job of the page, seen by its owner alone."""
    answer = await person.click(page, "dream:history", [job])
    return next(message for message in answer.messages if message.id != page.id)


async def owed(world: World, job: str) -> bool:
    """Whether the end of a job is still on its way."""
    row = await world.bot.store.deliveries.find(job)
    return row is None or row.state == "pending"


@pytest.mark.slow
async def test_a_person_without_pictures_reads_how_to_begin(max_: Person) -> None:
    assert "You have not painted anything yet. `/help start` shows the first steps." == whispered(
        await max_.slash("history")
    )


async def test_the_newest_come_first_with_state_cost_and_a_thumbnail(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    failed = await max_.slash("dream", prompt="a broken owl")
    await max_.wait_for(failed.message, is_over)
    await begun(max_, "hang a fox")

    page = await opened(max_)

    first, second, third = page.state.embeds
    assert "Your 3 jobs, newest first. Only you can see this." == page.content
    assert "**hang a fox**\nRunning\n" in first["description"]
    assert "0.98 units held" in first["description"]
    assert "**a broken owl**\nFailed: " in second["description"]
    assert "nothing charged" in second["description"]
    assert "**an owl**\nDone: 1 picture\n" in third["description"]
    assert f"0.98 units · [message]({link(world, owl)}) · job {job_id(owl)}" in third["description"]
    assert [f"{job_id(owl)}.webp"] == list(page.files)
    assert f"/{job_id(owl)}.webp" in page.raw["embeds"][2]["thumbnail"]["url"]


async def test_an_upscaled_picture_is_listed_by_its_prompt(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    large = (await max_.click(owl, "Upscale")).message
    await max_.wait_for(large, is_enlarged)
    await max_.slash("find", words="owl")  # brings the index up to date

    page = await opened(max_)

    assert "**an owl, upscaled 4×**" in page.raw["embeds"][0]["description"]
    assert "1. an owl, upscaled 4×" in page.options


async def test_pages_turn_both_ways_after_a_restart_too(world: World, max_: Person) -> None:
    for number in range(7):
        await dreamt(max_, f"owl {number}")
    page = await opened(max_)
    newest = offered(page)
    assert (5, {"Older"}) == (len(newest), buttons(page))
    await world.restart_bot()

    await max_.click(page, "Older")
    await max_.wait_for(page, lambda m: "owl 1" in m.text)
    assert (2, {"Newer"}) == (len(offered(page)), buttons(page))
    await max_.click(page, "Newer")

    await max_.wait_for(page, lambda m: "owl 6" in m.text)
    assert newest == offered(page)


async def test_one_of_them_is_shown_again_with_buttons_that_work(max_: Person) -> None:
    owl = await dreamt(max_, "an owl", count=2)

    again = await shown(max_, await opened(max_), job_id(owl))

    assert again.ephemeral
    assert 1 == len(again.pictures)
    assert {
        "U1",
        "U2",
        "V1",
        "V2",
        "Again",
        "Remix",
        "⭐ Star one …",
        "Post here",
    } == set(again.buttons)
    answer = await max_.click(again, "Again")
    await max_.wait_for(answer.message, is_result)


async def test_it_can_be_posted_where_one_is_now_and_deleted_there(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    again = await shown(max_, await opened(max_, channel="gallery"), job_id(owl))

    posted = (await max_.click(again, "Post here")).message

    assert is_result(posted)
    assert not posted.ephemeral
    mo.react(posted, "🔁")
    await mo.wait_for_message(lambda m: m.id > posted.id and is_result(m), channel="gallery")
    await deleted(max_, posted)
    assert posted.gone
    assert not owl.gone


@pytest.mark.slow
@pytest.mark.bot(delivery={"press_seconds": 60.0})
async def test_pressing_post_twice_posts_once(max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    again = await shown(max_, await opened(max_), job_id(owl))

    await max_.click(again, "Post here")
    second = await max_.click(again, "Post here")

    assert "You have just pressed that; the result will follow." == whispered(second)


@pytest.mark.slow
async def test_where_the_bot_may_not_write_nothing_is_posted(max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    again = await shown(max_, await opened(max_, channel="quiet"), job_id(owl))

    answer = await max_.click(again, "Post here")

    assert "I cannot post pictures here without the permission Send Messages." in whispered(answer)


async def test_what_could_not_be_delivered_is_found_here(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, lambda m: "▰" in m.text)
    world.site.world.users[max_.id].takes_dms = False
    world.allow("50001", "50013", "50007", "50027", "could not be delivered")
    world.take_permission(Permission.VIEW_CHANNEL)
    world.expire_tokens()
    jobs = await world.jobs_of(max_)

    async with asyncio.timeout(10):
        while await owed(world, jobs[0].id):
            await asyncio.sleep(0.01)
    page = await opened(max_, channel="gallery")
    assert "Done: 1 picture, but I could not post it in its channel. Open it below." in page.text

    again = await shown(max_, page, jobs[0].id)

    assert 1 == len(again.pictures)
    assert "could not post" not in (await opened(max_, channel="gallery")).text


async def test_no_one_sees_the_history_of_another_person(max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    fox = await dreamt(mo, "a fox")
    page = await opened(max_)
    for component in walk(page.state.components):  # a client that lies about what was chosen
        for option in component.get("options") or []:
            option["value"] = job_id(fox)

    answer: Answer = await max_.click(page, "dream:history", [job_id(fox)])

    assert ["This picture is in another person's history."] == [m.text for m in answer.messages if m.id != page.id]
    assert job_id(owl) != job_id(fox)


async def test_results_by_direct_message_need_no_right_to_post_here(max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await max_.slash("settings mine", private=True)
    again = await shown(max_, await opened(max_, channel="quiet"), job_id(owl))

    await max_.click(again, "Upscale")

    await max_.wait_for_message(is_enlarged, channel="dm")
    assert "Remix" == (await max_.click(again, "Remix")).modal["title"]
