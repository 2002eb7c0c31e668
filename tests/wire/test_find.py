"""`/find` and More like this: by the words of prompts, by the look, by an attached picture; only what one may see."""

from __future__ import annotations

import asyncio
import re

import pytest

from bot.community.gallery.finder import EXPIRED
from tests.bot.core import count
from tests.wire.looks import child_of, deleted, dreamt, job_id, link, whispered
from tests.wire.people import Person, Shown, upload
from tests.wire.test_challenges import DAY
from tests.wire.test_elsewhere import second_server
from tests.wire.test_gallery import listed
from tests.wire.test_hostile import forged
from tests.wire.test_mydata import copied, forgotten
from tests.wire.world import World


async def find(person: Person, words: str = "", **options: object) -> Shown:
    given = {"words": words} if words else {}
    return (await person.slash("find", **given, **options)).message  # type: ignore[arg-type]


async def embedded(world: World, number: int) -> None:
    """Wait until so many pictures have vectors."""
    async with asyncio.timeout(10):
        while number != await count(world.bot.store, "picture_index", "vector IS NOT NULL"):
            await asyncio.sleep(0.02)


async def test_words_find_prompts_and_the_pages_survive_a_restart(world: World, max_: Person, mo: Person) -> None:
    for words in ("an owl", "a red fox", "a blue fox", "a red house"):
        await dreamt(max_, words)
    await embedded(world, 4)

    page = await find(mo, "red fox")

    assert page.ephemeral
    assert "a red fox" == listed(page)[0]
    assert "Found: “red fox”, page 1" in page.text
    assert "by words" in page.text
    await world.restart_bot()
    opened = (await mo.click(page, "1. a red fox")).message
    assert {"Star", "Upscale", "More like this"} <= set(opened.buttons)


@pytest.mark.bot(search={"perceptor": "off"})
async def test_articles_do_not_count_as_words_that_were_found(world: World, max_: Person) -> None:
    for words in ("a red fox", "an owl in the snow"):
        await dreamt(max_, words)

    assert ["an owl in the snow"] == listed(await find(max_, "a bird with an owl"))
    assert ["an owl in the snow"] == listed(await find(max_, "the owl of snow"))
    assert ["an owl in the snow", "a red fox"] == listed(await find(max_, "a"))


async def test_a_search_may_be_limited_to_what_was_painted_lately(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl at night")
    world.forward(8 * DAY)
    beach = await dreamt(max_, "an owl on a beach")
    await embedded(world, 2)
    [(name, png)] = beach.files.items()

    recent = await find(max_, "owl", painted=7 * DAY)
    longer = await find(max_, "owl", painted=14 * DAY)
    like = await find(max_, picture=upload(png, name), painted=DAY)
    none = await find(max_, "owl", painted=DAY, **{"in": "favorites"})

    assert ["an owl on a beach"] == listed(recent) == listed(like)
    assert "Found: “owl”, painted in the last 7 days, page 1" in recent.text
    assert {"an owl on a beach", "an owl at night"} == set(listed(longer))
    assert "Nothing found among the pictures that you can see here, painted in the last 24 hours." in none.text


@pytest.mark.slow
@pytest.mark.bot(queue={"per_user": 20})
async def test_results_have_pages(world: World, max_: Person) -> None:
    for number in range(11):
        await dreamt(max_, f"owl {number}")
    page = await find(max_, "owl")
    assert 9 == len(listed(page))
    await world.restart_bot()

    await max_.click(page, "Next")
    await max_.wait_for(page, lambda m: ["owl 1", "owl 0"] == listed(m)[:2] or 2 == len(listed(m)))
    await max_.click(page, "Back")
    await max_.wait_for(page, lambda m: 9 == len(listed(m)))


async def test_words_of_no_prompt_are_said_to_be_found_by_the_look_alone(world: World, max_: Person) -> None:
    for seed in range(1, 5):  # the fake engine's vectors are random, so some resemble the text
        await dreamt(max_, "an owl", seed=seed)
    await embedded(world, 4)

    by_look, by_words = await find(max_, "a fox"), await find(max_, "an owl")

    assert "No prompt has these words. The pictures are sorted by what they look like." in by_look.text
    assert "by look" in by_look.text
    assert "No prompt has" not in by_words.text


async def test_more_like_this_finds_the_same_look_under_other_words(world: World, max_: Person, mo: Person) -> None:
    """The fake engine paints by prompt and seed, and embeds by pixels: only a repetition looks the same."""
    owl = await dreamt(max_, "an owl", seed=7)
    await dreamt(max_, "a fox", seed=7)
    twin = await dreamt(mo, "an owl", seed=7)
    await embedded(world, 3)
    await world.restart_bot()

    for page in (
        (await mo.click(owl, "More like this")).message,
        (await mo.use_on(owl, "More like this")).message,
    ):
        first = page.text.splitlines()[1:3]
        assert first[0].endswith("an owl")
        assert re.search(rf"\[message\]\({re.escape(link(world, twin))}\) · <t:\d+:R> · by look \(1\.00\)$", first[1])
        assert link(world, owl) not in page.text


async def test_an_attached_picture_finds_what_looks_like_it(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await dreamt(max_, "a fox")
    await embedded(world, 2)
    [(name, png)] = owl.files.items()

    page = await find(mo, picture=upload(png, name))

    assert "Pictures that resemble yours, page 1" in page.text
    assert "an owl" == listed(page)[0]
    said = world.site.people.say(mo.id, world.channel("studio").id, "look", [upload(png, "one.png")])
    assert "an owl" == listed((await mo.use_on(Shown(said, mo), "More like this")).message)[0]
    assert "Type words or attach a picture" in (await find(mo)).text
    assert "cannot be" in (await find(mo, picture=upload(png[:60], "broken.png"))).text


async def test_a_search_may_be_narrowed_to_ones_own_and_to_favorites(world: World, max_: Person, mo: Person) -> None:
    mine, other = await dreamt(max_, "a fox"), await dreamt(mo, "a red fox")
    await dreamt(max_, "a private fox", channel=str(world.dm(max_).id))
    await max_.click(other, "Star")
    await embedded(world, 3)

    found = {
        place: set(listed(await find(max_, "fox", **{"in": place}))) for place in ("all", "mine", "server", "favorites")
    }

    assert {"a fox", "a red fox", "a private fox"} == found["all"]
    assert {"a fox", "a private fox"} == found["mine"]
    assert {"a fox", "a red fox"} == found["server"]
    assert {"a red fox"} == found["favorites"]
    assert {"a fox", "a private fox"} == set(listed(await find(max_, "fox", channel=str(world.dm(max_).id))))
    assert mine.id != other.id


async def test_nothing_hidden_is_found_by_words_or_look(world: World, max_: Person, mo: Person) -> None:
    elsewhere = await second_server(world)
    owl = await dreamt(mo, "an owl")
    for words, channel in (
        ("a private owl", str(world.dm(max_).id)),
        ("a foreign owl", elsewhere),
        ("a late owl", "late-night"),
    ):
        await dreamt(max_, words, channel=channel)
    gone = await dreamt(max_, "a deleted owl")
    await embedded(world, 5)
    await deleted(max_, gone)

    assert ["an owl"] == listed(await find(mo, "owl"))
    assert "Nothing found" in (await mo.click(owl, "More like this")).message.text
    assert {"a late owl", "an owl"} == set(listed(await find(mo, "owl", channel="late-night")))
    assert ["a foreign owl"] == listed(await find(mo, "owl", channel=elsewhere, **{"in": "server"}))


async def test_a_search_of_another_person_or_of_yesterday_is_not_continued(
    world: World, max_: Person, mo: Person
) -> None:
    await dreamt(max_, "an owl")
    await find(max_, "owl")
    async with world.bot.store.database.reading() as session:
        [row] = await session.all("SELECT id FROM searches")
    mine = await dreamt(mo, "a fox")

    for search in (row[0], "zzzzzzzzzz"):
        assert EXPIRED == whispered(await forged(world, mo, mine, f"dream:found:{search}:0"))


async def test_words_that_the_perceptor_cannot_read_search_prompts_only(world: World, max_: Person) -> None:
    await dreamt(max_, "xyzzy plugh owl")
    await embedded(world, 1)

    page = await find(max_, "xyzzy")

    assert "does not know these words, so only prompts were searched" in page.text
    assert ["xyzzy plugh owl"] == listed(page)


@pytest.mark.bot(search={"perceptor": "off"})
async def test_without_a_perceptor_words_are_searched(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")

    for words in ("owl", "OWL", "\ud83d owl", 'an "owl"', "owl\x00", "ow", "owl OR"):
        assert ["an owl"] == listed(await find(max_, words)), words
    for words in ("🦊", "...", ") OR (", "\u202e"):
        assert "Nothing found" in (await find(max_, words)).text, words
    assert "This bot does not compare pictures." in whispered(await max_.click(owl, "More like this"))
    assert 0 == await count(world.bot.store, "picture_index", "vector IS NOT NULL")


async def test_what_a_variation_looks_like_is_its_own(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    await max_.click(owl, "Variation")
    child = await child_of(max_, owl)
    await embedded(world, 2)

    ids = await world.bot.store.picture_index.embedded_ids("primer-grader")
    first, second = [row.vector for row in await world.bot.store.picture_index.vectors(ids)]
    assert first != second
    assert {job_id(owl), job_id(child)} == {row.id for row in await world.jobs_of(max_)}


async def test_a_copy_of_ones_data_has_searches_and_vectors_and_being_forgotten_deletes_them(
    world: World, max_: Person, mo: Person
) -> None:
    await dreamt(max_, "an owl")
    await dreamt(mo, "a fox")
    await embedded(world, 2)
    await find(max_, "owl", **{"in": "mine"})
    table = world.services.embedder._table

    data, _ = await copied(max_)
    assert [("owl", "mine")] == [(one["words"], one["in"]) for one in data["searches"]]
    [indexed] = data["search_index"]
    assert ("an owl", "primer-grader", False) == (indexed["words"], indexed["perceptor"], indexed["adult"])
    rows = await world.bot.store.picture_index.vectors(table.pictures.tolist())
    [vector] = [row.vector for row in rows if row.owner == max_.id]
    assert vector in table._vectors.path.read_bytes()
    await forgotten(max_)

    store = world.bot.store
    assert [1, 1, 0, 0] == [
        await count(store, name) for name in ("picture_index", "picture_words", "searches", "unlisted")
    ]
    assert 1 == len(table.pictures)
    assert vector not in table._vectors.path.read_bytes()
