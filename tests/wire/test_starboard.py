"""The starboard: one copy of each picture that enough others starred, in step with stars, deletions and restarts."""

from __future__ import annotations

import asyncio

import pytest

from bot.playground.server.world.entities import Channel, ChannelType, Overwrite
from bot.playground.server.world.permissions import Permission
from tests.bot.core import count
from tests.wire.looks import deleted, dreamt, job_id, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_favorites import starred
from tests.wire.test_hostile import forged
from tests.wire.test_mydata import forgotten
from tests.wire.world import World


async def board(olive: Person, stars: int = 1, channel: str = "gallery") -> None:
    """Make that channel the starboard."""
    await olive.slash("settings server", starboard=olive.world.channel(channel).id, stars=stars)


def entries(person: Person, channel: str = "gallery") -> list[Shown]:
    return [message for message in person.sees(channel) if "⭐ **" in message.text]


async def entry(person: Person, stars: int, channel: str = "gallery") -> Shown:
    """The only entry, once it shows so many stars."""
    await person.world.until(
        lambda: [f"⭐ **{stars}**"] == [message.text.partition(" ·")[0] for message in entries(person, channel)],
        what=f"an entry with {stars} stars",
        shown=lambda: repr(person.sees(channel)),
    )
    return entries(person, channel)[0]


async def settled(world: World) -> None:
    """Wait until the starboard has looked at every star."""
    async with asyncio.timeout(10):
        while (
            await count(world.bot.store, "star_changes")
            or await count(world.bot.store, "removals")
            or world.services.rounds._works["starboard"].task
        ):
            await asyncio.sleep(0.02)


async def test_enough_stars_of_others_make_one_entry_that_follows_them(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await board(olive, stars=2)
    owl = await dreamt(max_, "an owl")
    await starred(max_, owl)
    mo.react(owl, "⭐")
    await settled(world)
    assert [] == entries(mo)

    await starred(olive, owl)

    shown = await entry(mo, 2)
    assert f"by {max_.mention} · <#{world.channel('studio').id}> · [message](" in shown.text
    assert [f"{job_id(owl)}-1.png"] == list(shown.files)
    assert owl.pictures != shown.pictures or owl.id != shown.id
    mo.unreact(owl, "⭐")
    await entry(mo, 1)  # half of the threshold is left
    await world.restart_bot()
    assert "Starred" in whispered(await mo.click(shown, "Star"))
    assert shown.id == (await entry(mo, 2)).id
    assert [f"{job_id(owl)}-1.png"] == list(shown.files)


async def test_an_entry_without_enough_stars_goes_and_comes_back_as_a_new_one(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await board(olive)
    owl = await dreamt(max_, "an owl")
    mo.react(owl, "⭐")
    first = await entry(mo, 1)

    mo.unreact(owl, "⭐")

    await mo.wait_for(first, lambda m: m.gone)
    mo.react(owl, "⭐")
    assert first.id != (await entry(mo, 1)).id


async def test_a_reaction_on_the_entry_counts_and_is_taken_back(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await board(olive)
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    shown = await entry(mo, 1)

    olive.react(shown, "⭐")
    await entry(mo, 2)
    olive.unreact(shown, "⭐")

    await entry(mo, 1)


async def test_two_pictures_of_a_grid_have_two_entries(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await board(olive)
    grid = await dreamt(max_, "an owl", count=2)
    await mo.click(grid, "Image 1")
    await mo.click(grid, "Image 2")

    await world.until(lambda: 2 == len(entries(mo)))

    assert {f"{job_id(grid)}-1.png", f"{job_id(grid)}-2.png"} == {name for one in entries(mo) for name in one.files}


async def test_the_entry_goes_with_its_picture(world: World, olive: Person, max_: Person, mo: Person) -> None:
    world.allow("messages/[0-9]+ → 404")  # how a deletion by another person is noticed
    await board(olive)
    owl, fox, cat = [await dreamt(max_, words) for words in ("an owl", "a fox", "a cat")]
    for picture in (owl, fox, cat):
        await starred(mo, picture)
    await world.until(lambda: 3 == len(entries(mo)))

    await deleted(max_, owl)
    await world.until(lambda: 2 == len(entries(mo)))
    world.delete_behind(fox)  # the gateway does not say so; the next star notices it
    await starred(olive, fox)
    await world.until(lambda: 1 == len(entries(mo)))
    await forgotten(max_)
    await world.until(lambda: not entries(mo))

    assert 0 == await count(world.bot.store, "starboard")


async def test_a_deletion_by_another_person_is_noticed_in_time(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    world.allow("messages/[0-9]+ → 404")
    await board(olive)
    owl, fox = await dreamt(max_, "an owl"), await dreamt(max_, "a fox")
    for picture in (owl, fox):
        await starred(mo, picture)
    await world.until(lambda: 2 == len(entries(mo)))
    world.delete_behind(owl)

    for _ in range(3):
        await world.services.starboard.check_next()

    await world.until(lambda: 1 == len(entries(mo)))
    assert "a fox" in entries(mo)[0].text


async def test_a_picture_that_another_person_deleted_gets_no_entry(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    world.allow("messages/[0-9]+ → 404")
    await board(olive, stars=2)
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    info = (await olive.click(owl, "Info")).message
    world.delete_behind(owl)

    await forged(world, olive, info, f"dream:star:{job_id(owl)}:0")

    await settled(world)
    assert [] == entries(mo)
    assert 0 == await count(world.bot.store, "starboard")


async def test_an_entry_that_a_moderator_deletes_does_not_come_back(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await board(olive)
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    world.delete_behind(await entry(mo, 1))
    world.allow("messages/[0-9]+ → 404")

    await starred(olive, owl)
    await settled(world)
    await world.restart_bot()
    mo.react(owl, "⭐")
    await settled(world)

    assert [] == entries(mo)


async def test_what_is_private_hidden_or_adult_never_gets_there(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    attic = Channel(world.site.ids.next(), ChannelType.TEXT, "attic", world.channel("studio").guild_id)
    attic.overwrites[attic.guild_id or 0] = Overwrite(attic.guild_id or 0, 0, deny=Permission.VIEW_CHANNEL)
    attic.overwrites[max_.id] = Overwrite(max_.id, 1, allow=Permission.VIEW_CHANNEL)
    attic.overwrites[world.site.world.app.id] = Overwrite(world.site.world.app.id, 1, allow=Permission.VIEW_CHANNEL)
    world.site.world.channels[attic.id] = attic
    await world.restart_bot()
    await board(olive)
    hidden = await dreamt(max_, "a hidden owl", channel=str(attic.id))
    await starred(olive, hidden)
    late = await dreamt(max_, "a late owl", channel="late-night")
    await starred(mo, late)
    await starred(max_, await dreamt(max_, "a private owl", channel=str(world.dm(max_).id)))
    await settled(world)

    assert [] == entries(mo)
    await board(olive, channel="late-night")
    await starred(olive, late)
    assert "a late owl" in (await entry(mo, 2, "late-night")).text


async def test_a_busy_board_edits_within_the_budget(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await board(olive)
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)
    shown = await entry(mo, 1)
    for _ in range(10):
        olive.react(owl, "⭐")
        olive.unreact(owl, "⭐")
    olive.react(owl, "⭐")

    await entry(mo, 2)
    await settled(world)

    edits = [e for e in world.site.record.exchanges if e.method == "PATCH" and e.path.endswith(f"/{shown.id}")]
    assert 1 <= len(edits) <= 21


async def test_the_settings_name_the_board_and_refuse_what_is_no_channel_for_it(
    world: World, olive: Person, max_: Person
) -> None:
    await board(olive, stars=4)
    shown = whispered(await max_.slash("settings server"))
    assert f"Starboard: <#{world.channel('gallery').id}>, from 4 stars on" in shown
    world.take_permission(Permission.SEND_MESSAGES, "gallery")
    refused = await olive.slash("settings server", starboard=world.channel("gallery").id)
    assert "I cannot post starred pictures in" in whispered(refused)
    await olive.slash("settings server", no_starboard=True)
    assert "Starboard: off; set starboard to a channel" in whispered(await max_.slash("settings server"))


@pytest.mark.bot(delivery={"edit_seconds": 0.1})
async def test_a_spoiler_is_copied_as_one(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await olive.slash("settings server", spoilers="always")
    await board(olive)
    owl = await dreamt(max_, "an owl")
    await starred(mo, owl)

    shown = await entry(mo, 1)
    await starred(olive, owl)

    assert [f"{job_id(owl)}-1.png"] == list(shown.files)
    assert "image" not in (await entry(mo, 2)).state.embeds[0]
