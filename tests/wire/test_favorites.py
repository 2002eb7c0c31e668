"""⭐ by button, menu and reaction: a starred picture stays when older ones go, and is found again in `/favorites`."""

from __future__ import annotations

import asyncio

import pytest

from bot.jobs.retention import Retention
from tests.bot.core import config, count
from tests.wire.looks import deleted, dreamt, is_result, job_id, whispered
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_elsewhere import second_server
from tests.wire.test_hostile import HIDDEN, forged
from tests.wire.test_mydata import copied, forgotten
from tests.wire.world import World

DAY = 86_400.0


async def starred(person: Person, picture: Shown, button: str = "Star") -> str:
    """Star *picture*; what the person is told."""
    return whispered(await person.click(picture, button))


async def years_go_by(world: World) -> None:
    await Retention(config(retention={"pictures_days": 1.0}), world.bot.store).tidy(world.site.clock.now() + 900 * DAY)


async def stars(world: World) -> list[tuple[str, int, int]]:
    """(job, picture, person) of every star."""
    async with world.bot.store.database.reading() as session:
        return [tuple(row) for row in await session.all("SELECT job_id, idx, user_id FROM stars ORDER BY at, idx")]


async def until_stars(world: World, *expected: tuple[str, int, int]) -> None:
    """Wait until there are these stars and no others."""
    async with asyncio.timeout(10):
        while list(expected) != await stars(world):
            await asyncio.sleep(0.01)


async def favorites(person: Person, **options: str) -> Answer:
    return await person.slash("favorites", **options)


async def test_a_starred_picture_stays_over_a_restart_and_years_and_can_be_upscaled(
    world: World, max_: Person, mo: Person
) -> None:
    owl, fox = await dreamt(max_, "an owl"), await dreamt(max_, "a fox")

    assert "⭐ Starred. 1 of 1000 stars used; see /favorites." == await starred(mo, owl)
    assert "⭐ Already starred. 1 of 1000 stars used; see /favorites." == await starred(mo, owl)

    await world.restart_bot()
    assert "Starred: by 1 other person" in (await max_.click(owl, "Info")).message.text
    await years_go_by(world)
    assert "has expired" in whispered(await max_.click(fox, "Upscale"))
    await mo.click(owl, "Upscale")
    await mo.wait_for_message(lambda m: m.id > fox.id and is_result(m))


async def test_favorites_list_what_one_starred_and_open_it_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    owl, _ = await dreamt(max_, "an owl"), await dreamt(mo, "a fox")
    await starred(mo, owl)
    page = (await favorites(mo)).message
    assert "Your favourites, page 1" in page.text
    assert "**1** · an owl\n" in page.text
    assert f"by {max_.mention} · ⭐ 1 · [message](" in page.text
    assert ["gallery.webp"] == list(page.files)
    await world.restart_bot()

    opened = (await mo.click(page, "1. an owl")).message

    assert opened.ephemeral
    assert [f"{job_id(owl)}-1.png"] == list(opened.files)
    assert {"Unstar", "Upscale", "Variation", "Info"} <= set(opened.buttons)
    assert "Your star is removed." in whispered(await mo.click(opened, "Unstar"))
    assert "You have no starred pictures" in whispered(await favorites(mo))


@pytest.mark.bot(limits={"max_count": 10})
async def test_one_picture_of_a_grid_is_starred_by_its_number(world: World, max_: Person, mo: Person) -> None:
    small, large = await dreamt(max_, "an owl", count=3), await dreamt(max_, "a fox", count=6)

    assert "Starred" in whispered(await mo.click(small, "Image 2"))
    menu = (await mo.click(large, "⭐ Star one …")).message
    await world.restart_bot()
    assert "Starred" in whispered(await mo.click(menu, "Image 6"))

    assert [(job_id(small), 1, mo.id), (job_id(large), 5, mo.id)] == await stars(world)


async def test_one_picture_of_a_batch_is_starred_by_its_number(world: World, max_: Person, mo: Person) -> None:
    batch = await dreamt(max_, "an owl", count=6)
    await world.restart_bot()

    assert "Starred" in whispered(await mo.click(batch, "dream:stars", ["5"]))

    assert [(job_id(batch), 5, mo.id)] == await stars(world)


async def test_a_reaction_stars_the_best_picture_and_removing_it_removes_the_star(
    world: World, max_: Person, mo: Person
) -> None:
    owl, grid = await dreamt(max_, "an owl"), await dreamt(max_, "a fox", count=2)
    mo.react(owl, "⭐")
    mo.react(grid, "⭐")
    await until_stars(world, (job_id(owl), 0, mo.id), (job_id(grid), 0, mo.id))
    await starred(mo, owl)

    mo.unreact(owl, "⭐")
    mo.unreact(grid, "⭐")

    await until_stars(world, (job_id(owl), 0, mo.id))  # also starred by button


async def test_stars_go_with_reactions_that_a_moderator_clears(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    for emoji in (None, "⭐"):
        owl = await dreamt(max_, "an owl")
        mo.react(owl, "⭐")
        await until_stars(world, (job_id(owl), 0, mo.id))
        await starred(olive, owl)

        world.site.posting.clear_reactions(owl.state, emoji)

        await until_stars(world, (job_id(owl), 0, olive.id))
        await world.services.favorites.unstar(await world.services.jobs.find(job_id(owl)), None, olive.id)


async def test_reactions_given_and_removed_while_the_bot_was_away_count(world: World, max_: Person, mo: Person) -> None:
    owl, fox = await dreamt(max_, "an owl"), await dreamt(max_, "a fox")
    mo.react(owl, "⭐")
    await until_stars(world, (job_id(owl), 0, mo.id))
    await world.stop_bot()
    mo.unreact(owl, "⭐")
    mo.react(fox, "⭐")

    await world.start_bot()

    await until_stars(world, (job_id(fox), 0, mo.id))


@pytest.mark.bot(retention={"keep_pictures": 1})
async def test_one_star_too_many_is_refused_in_a_sentence(max_: Person) -> None:
    await starred(max_, await dreamt(max_, "an owl"))

    words = await starred(max_, await dreamt(max_, "a fox"))

    assert "You have starred 1 of 1 picture. Unstar some first: /favorites." == words


async def test_an_expired_picture_cannot_be_starred(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await years_go_by(world)

    assert "Only Discord has a copy, so it cannot be starred" in await starred(max_, owl)


async def test_deleting_a_picture_removes_it_from_everyones_favorites(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    page = (await favorites(mo)).message

    await deleted(max_, owl)

    assert [] == await stars(world)
    assert HIDDEN == whispered(await mo.click(page, "1. an owl"))


async def test_buttons_and_pages_of_earlier_versions_star_whole_jobs(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl", count=2)
    mine = await dreamt(mo, "a fox")

    assert "Starred" in whispered(await forged(world, mo, mine, f"dream:keep:{job_id(owl)}"))
    assert [(job_id(owl), 0, mo.id), (job_id(owl), 1, mo.id)] == await stars(world)
    await forged(world, mo, mine, f"dream:letgo:{job_id(owl)}")
    assert [] == await stars(world)


async def test_adult_favorites_are_listed_in_restricted_channels_only(world: World, max_: Person, mo: Person) -> None:
    robot = await dreamt(max_, "a nude robot", channel="late-night")
    await starred(mo, robot)

    assert "You have no starred pictures that can be shown here." in whispered(await favorites(mo))
    assert "nude" in whispered(await favorites(mo, channel="late-night"))


async def test_a_private_picture_of_another_person_cannot_be_starred(world: World, max_: Person, mo: Person) -> None:
    secret = await dreamt(max_, "a secret owl", channel=str(world.dm(max_).id))
    mine = await dreamt(mo, "an owl")

    for action in ("star", "keep", "unstar", "starone"):
        assert HIDDEN == whispered(await forged(world, mo, mine, f"dream:{action}:{job_id(secret)}"))
    assert [] == await stars(world)


async def test_a_star_of_another_server_lists_only_ones_own(world: World, max_: Person, mo: Person) -> None:
    elsewhere = await second_server(world)
    owl = await dreamt(max_, "an owl", channel=elsewhere)
    await starred(max_, owl)

    assert "an owl" in whispered(await favorites(max_))
    assert "an owl" not in whispered(await favorites(mo))


async def test_a_copy_of_ones_data_names_the_stars_and_being_forgotten_removes_them(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    await starred(max_, owl)

    data, _ = await copied(mo)
    assert [(job_id(owl), 1)] == [(one["job"], one["picture"]) for one in data["stars"]]
    await forgotten(mo)
    assert [(job_id(owl), 0, max_.id)] == await stars(world)
    await forgotten(max_)

    store = world.bot.store
    assert [0] * 4 == [await count(store, table) for table in ("stars", "pictures", "picture_index", "picture_words")]
