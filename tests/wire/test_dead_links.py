"""Pictures whose messages were deleted on Discord leave gallery, search, favourites and lineage."""

from __future__ import annotations

import pytest

from tests.wire.looks import child_of, dreamt, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World

GONE = r"refused: GET .*100(08|03)"


async def listed(person: Person) -> list[str]:
    """What gallery, favourites and search say."""
    acts = (person.slash("gallery"), person.slash("favorites"), person.slash("find", words="owl"))
    return [whispered(await act) for act in acts]


@pytest.fixture
async def owls(world: World, max_: Person, mo: Person) -> tuple[Shown, Shown]:
    """Two pictures of Max that Mo has starred."""
    first, second = await dreamt(max_, "a red owl"), await dreamt(max_, "a blue owl")
    for owl in (first, second):
        await mo.click(owl, "Star")
    return first, second


async def test_a_deleted_message_takes_its_picture_out_of_all_lists(
    world: World, max_: Person, mo: Person, owls: tuple[Shown, Shown]
) -> None:
    world.allow(GONE)
    world.delete_behind(owls[0])

    for text in await listed(mo):
        assert "a blue owl" in text
        assert "a red owl" not in text and str(owls[0].id) not in text


async def test_each_message_is_asked_about_once(world: World, mo: Person, owls: tuple[Shown, Shown]) -> None:
    def asked() -> int:
        return sum(
            exchange.method == "GET" and f"/messages/{owls[0].id}" in exchange.path
            for exchange in world.site.record.exchanges
        )

    for _ in range(3):
        assert all("a red owl" in text for text in await listed(mo))

    assert 1 == asked()


async def test_a_deleted_channel_takes_all_its_pictures_along(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "a red owl", channel="gallery")
    await dreamt(max_, "a blue owl")
    await mo.click(owl, "Star")

    world.delete_channel("gallery")
    await world.until(lambda: all("gallery" != channel.name for channel in world.bot.get_all_channels()))

    gallery, favorites, found = await listed(mo)
    assert "a red owl" not in gallery + favorites + found
    assert "a blue owl" in gallery
    assert "a red owl" not in whispered(await max_.slash("find", words="owl"))


async def test_a_channel_that_was_deleted_while_the_bot_was_away_is_noticed(
    world: World, max_: Person, mo: Person
) -> None:
    owl, other = await dreamt(max_, "a red owl", channel="gallery"), await dreamt(max_, "a blue owl", channel="gallery")
    for one in (owl, other):
        await mo.click(one, "Star")
    world.allow(GONE)
    await world.stop_bot()
    world.delete_channel("gallery")
    await world.start_bot()

    assert "owl" not in whispered(await mo.slash("favorites"))
    async with world.bot.store.database.reading() as session:
        assert [] == await session.all("SELECT * FROM messages")


async def test_lineage_links_to_no_deleted_message(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "a red owl")
    await max_.click(owl, "Variation")
    child = await child_of(max_, owl)
    world.allow(GONE)
    world.delete_behind(owl)

    said = whispered(await max_.slash("lineage"))

    assert str(child.id) in said
    assert str(owl.id) not in said


async def test_discord_that_cannot_be_asked_hides_nothing(
    world: World, mo: Person, owls: tuple[Shown, Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.community.gallery.message_check.WAIT_SECONDS", 0.05)
    world.faults.server_error(r"GET /channels/\d+/messages/\d+", 503, times=4)

    for text in await listed(mo):
        assert "a red owl" in text and "a blue owl" in text
