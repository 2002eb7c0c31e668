"""The family of a result: who sees what of it, its limits, and its drawing."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.community.lineage.access import ResultAccess
from bot.community.lineage.drawing import NARROWEST, ROW, family_tree
from bot.community.lineage.family import DOWN, PER_ROW, UP, Families, Family, Relative
from bot.interactions.context import Invocation
from bot.models.job import JobRow, JobState, Kind, Origin, owner_of
from bot.storage import Store
from bot.storage.jobs import MOST_CHILDREN
from bot.views.community.lineage import lineage_payload
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.protocol.messages import Picture
from tests.bot import samples
from tests.bot.core import forgotten
from tests.prepared_database import open_store

HERE, SECRET, ELSEWHERE = 20, 21, 90
"""Channels: where the viewer is, a hidden one of the same server, one of another server."""
VIEWER, OTHER = 1, 2
PLACES = ("here", "secret", "elsewhere", "private")
CHANNELS = {"here": (10, HERE), "secret": (10, SECRET), "elsewhere": (11, ELSEWHERE), "private": (None, 77)}


def viewer(user_id: int = VIEWER) -> Invocation:
    return Invocation(
        user_id=user_id,
        user_name="Vera",
        channel_id=HERE,
        guild_id=10,
        roles=(),
        moderator=False,
        allowed=discord.Permissions.all(),
        in_thread=False,
        resident=True,
    )


def png(name: str) -> bytes:
    colour = tuple(hashlib.sha256(name.encode()).digest()[:3])
    return to_png(Image.new("RGB", (32, 24), colour))


async def stored(
    store: Store, name: str, place: str = "here", user_id: int = OTHER, parent: str = "", kind: Kind = "remix",
    *, init: str = "", spoiler: bool = False, shown: bool = True,
) -> JobRow:  # fmt: skip
    """A finished job called *name*, with one picture, and a message in its place."""
    guild, channel = CHANNELS[place]
    origin = Origin(
        channel_id=channel, user_id=user_id, user_name=f"author of {name}", guild_id=guild, server_id=10,
        kind=kind if parent else "dream", parent_job=parent, spoiler=spoiler,
    )  # fmt: skip
    job = samples.job(f"prompt of {name}")
    request = job.request.model_copy(update={"init_image": init})
    job = replace(job, id=name, origin=origin, owner=owner_of(user_id), request=request)
    async with store.transaction() as session:
        await store.jobs.insert(session, job)
        await store.ancestry.insert(session, job)
        await store.jobs.start(session, name, 1, samples.NOW)
        made = Picture(name, 1, 0, png(name), {"width": 32, "height": 24})
        await store.pictures.insert(session, made, await store.pictures.keep(job, made), samples.NOW)
        await store.jobs.end(session, name, 1, JobState.DONE, samples.NOW)
    if shown:
        await store.messages.link(name, channel, int.from_bytes(name.encode()[:6], "big"), samples.NOW)
    found = await store.jobs.find(name)
    assert found is not None
    return found


@pytest.fixture
async def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with await open_store(tmp_path) as opened:
        yield opened


def family_of(store: Store) -> Families:
    return Families(store, ResultAccess(store))


def looks(family: Family) -> dict[str, str]:
    return {one.key: one.look for one in family.members}


async def test_parents_children_and_their_lines_are_found(store: Store) -> None:
    await stored(store, "grand")
    await stored(store, "parent", parent="grand", kind="variation")
    root = await stored(store, "root", parent="parent")
    await stored(store, "child", parent="root", kind="upscale")

    family = await family_of(store).of(root, viewer())

    assert {-2: ["grand"], -1: ["parent"], 0: ["root"], 1: ["child"]} == {
        generation: [one.key for one in row] for generation, row in family.generations.items()
    }
    assert {("grand", "parent"), ("parent", "root"), ("root", "child")} == set(family.lines)
    assert (1, 1) == await store.ancestry.remixes("root")


async def test_a_picture_that_a_request_names_is_a_parent_without_a_button(store: Store) -> None:
    other = await stored(store, "other")
    await stored(store, "button")
    root = await stored(store, "root", parent="button", init=other.pictures[0].sha256)

    family = await family_of(store).of(root, viewer())

    assert {"other", "button"} == {one.key for one in family.generations[-1]}
    assert {"init", "remix"} == {one.relation for one in await store.ancestry.parents(["root"])}


@pytest.mark.parametrize(("place", "look"), [("secret", "private"), ("elsewhere", "private"), ("private", "private")])
async def test_an_ancestor_of_another_place_is_a_grey_box(store: Store, place: str, look: str) -> None:
    await stored(store, "grand")
    await stored(store, "parent", place, parent="grand")
    root = await stored(store, "root", parent="parent")

    assert {"root": "shown", "parent": look} == looks(await family_of(store).of(root, viewer()))
    assert "grand" in looks(await family_of(store).of(root, viewer(OTHER)))  # its owner sees it all


async def test_a_deleted_ancestor_is_a_grey_box_and_a_failed_one_is_left_out(store: Store) -> None:
    await stored(store, "parent")
    root = await stored(store, "root", parent="parent")
    async with store.transaction() as session:
        await session.run("DELETE FROM jobs WHERE id = 'parent'")
    assert {"root": "shown", "parent": "deleted"} == looks(await family_of(store).of(root, viewer()))

    again = await stored(store, "again", parent="failed")
    failed = replace(samples.job(), id="failed")
    async with store.transaction() as session:
        await store.jobs.insert(session, failed)
        await store.jobs.end(session, "failed", None, JobState.FAILED, samples.NOW)
    assert {"again": "shown"} == looks(await family_of(store).of(again, viewer()))


async def test_a_spoiler_is_named_but_not_drawn(store: Store) -> None:
    await stored(store, "parent", spoiler=True)
    root = await stored(store, "root", parent="parent")
    assert {"root": "shown", "parent": "covered"} == looks(await family_of(store).of(root, viewer()))


async def test_of_many_children_the_last_box_counts_the_others(store: Store) -> None:
    root = await stored(store, "root")
    for number in range(PER_ROW + 3):
        await stored(store, f"child{number}", parent="root")
    row = (await family_of(store).of(root, viewer())).generations[1]
    assert (PER_ROW, 4) == (len(row), row[-1].others)


async def test_forgetting_the_child_forgets_how_it_was_made(store: Store) -> None:
    await stored(store, "parent")
    await stored(store, "child", user_id=VIEWER, parent="parent")
    assert ["parent"] == [one.parent for one in await store.ancestry.of_owner(owner_of(VIEWER))]
    await forgotten(store, VIEWER, samples.NOW)
    assert ([], []) == (await store.ancestry.of_owner(owner_of(VIEWER)), await store.ancestry.parents(["child"]))


JOBS = st.lists(
    st.tuples(
        st.sampled_from(PLACES), st.sampled_from((VIEWER, OTHER)), st.integers(0, 8), st.booleans(), st.booleans()
    ),
    min_size=2,
    max_size=9,
)


@given(JOBS)
@settings(max_examples=25)
async def test_hidden_ancestors_show_no_words_names_or_pictures(
    jobs: list[tuple[str, int, int, bool, bool]],
) -> None:
    """Every job descends from an earlier one; some are deleted, and some have no message any more."""
    with tempfile.TemporaryDirectory() as folder:
        async with await open_store(Path(folder)) as store:
            names, hidden = list[str](), set[str]()
            for number, (place, user_id, parent, deleted, shown) in enumerate(jobs):
                name = f"job{number}"
                ancestor = names[parent % len(names)] if names else ""
                await stored(store, name, place, user_id, parent=ancestor, shown=shown)
                names.append(name)
                if deleted or (user_id != VIEWER and not (place == "here" and shown)):
                    hidden.add(name)
            async with store.transaction() as session:
                for name, (_, _, _, deleted, _) in zip(names, jobs, strict=True):
                    if deleted:
                        await session.run("DELETE FROM jobs WHERE id = ?", name)
            for name in set(names) - hidden:
                root = await store.jobs.find(name)
                assert root is not None
                family = await family_of(store).of(root, viewer())
                assert not hidden & {one.key for one in family.members if one.job is not None}
                embed = lineage_payload(family, b"").embeds[0]
                said = embed.description or ""
                for one in hidden:
                    assert f"prompt of {one}" not in said
                assert len(said) <= 4096


def test_the_tree_is_drawn_with_gold_around_the_result_and_grey_boxes_without_pictures() -> None:
    job = samples.done()
    members = (
        Relative("p", -1, "private"),
        Relative("d", -1, "deleted"),
        Relative("r", 0, "shown", job),
        Relative("c", 1, "shown", job, relation="upscale"),
        Relative("m", 1, "more", others=3),
    )
    family = Family("r", members, (("p", "r"), ("d", "r"), ("r", "c")))
    tree = open_own(family_tree(family, {"r": png("r"), "c": png("c")}, {"r": "Ж" * 50, "c": "Max"}))
    assert (NARROWEST, 20 + 3 * ROW) == tree.size
    colours = {colour for _, colour in tree.getcolors(1_000_000) or ()}
    assert tuple(hashlib.sha256(b"r").digest()[:3]) in colours
    assert (240, 181, 65) in colours


async def test_of_thousands_of_children_only_some_are_read(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        root = await stored(store, "root")
        for number in range(3):
            await stored(store, f"child{number}", parent="root")
        async with store.transaction() as session:
            await session.run(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 300)"
                " INSERT INTO ancestry SELECT 'child1', 'parent' || n, 0, 'remix' FROM numbers"
            )
        parents = [f"parent{number}" for number in range(1, 301)]

        assert MOST_CHILDREN == len(await store.ancestry.children(parents))
        assert 3 == len((await Families(store, ResultAccess(store)).of(root, viewer())).members) - 1


def test_the_list_of_the_largest_family_fits_into_an_embed() -> None:
    job = samples.done(prompt="*" * 300)
    origin = replace(job.origin, guild_id=10**19 - 1, channel_id=10**19 - 1, user_id=10**19 - 1)
    job = replace(job, origin=origin, message_id=10**19 - 1)
    members = [Relative(f"{row} {place}", row, "shown", job, relation="remix")
               for row in range(-UP, DOWN + 1) for place in range(PER_ROW if row else 1)]  # fmt: skip
    for family in (members, members[:12], members[:2]):
        text = lineage_payload(Family(family[0].key, tuple(family), ()), b"").embeds[0].description or ""

        assert len(text) <= 4096
        assert len(family) == len(text.splitlines())
