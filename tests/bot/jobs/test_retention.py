"""Retention: starred pictures stay, limits of stars, and the order of deletion."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.community.gallery.favorites import Favorites
from bot.config.settings import Config
from bot.errors import PictureGone, Refused
from bot.jobs.admission import Submission
from bot.jobs.retention import Retention
from bot.models.job import JobRow, JobState
from tests.bot.core import ANN, BOB, CID, Core, config, count, dream, invocation, running_core

DAY = 86_400.0
WAY = [{0: b"a" * 100_000}, {0: b"b" * 100_000}, {0: b"c" * 99_000}]
"""Three frames of 300 kB in total."""


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path / "data") as core:
        yield core


async def painted(core: Core, user: int = ANN, pictures: int = 1, size: int = 400_000) -> JobRow:
    """A finished job that was told of, whose pictures are said to have *size* bytes each."""
    core.clock.advance(10)
    job = await core.ask(user, dream(count=pictures))
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)
    await core.store.deliveries.close(job.id, "result", core.clock())
    async with core.store.transaction() as session:
        await session.run("UPDATE pictures SET size = ? WHERE job_id = ?", size, job.id)
    return await core.row(job.id)


@dataclass
class Sky:
    """Stars all pictures of a job."""

    core: Core
    favorites: Favorites

    async def star(self, job: JobRow, user: int) -> str:
        return await self.favorites.star(job, [picture.index for picture in job.pictures], invocation(user))

    async def unstar(self, job: JobRow, user: int) -> str:
        return await self.favorites.unstar(job, None, user)


def sky(core: Core, **retention: object) -> Sky:
    return Sky(core, Favorites(core.store, config(retention=retention).retention, core.clock))


async def tidied(core: Core, later: float = 0.0, **retention: object) -> None:
    await Retention(config(retention=retention), core.store).tidy(core.clock() + later)


async def here(core: Core, *jobs: JobRow) -> list[bool]:
    return [(await core.row(job.id)).on_disk > 0 for job in jobs]


# Keeping


async def test_a_starred_picture_does_not_expire_until_it_is_unstarred(core: Core) -> None:
    kept, other = await painted(core), await painted(core)
    await sky(core).star(kept, BOB)

    await tidied(core, 5 * DAY, pictures_days=1.0)
    assert [True, False] == await here(core, kept, other)
    await sky(core).unstar(kept, BOB)
    await tidied(core, 5 * DAY, pictures_days=1.0)

    assert [False] == await here(core, kept)


async def test_a_picture_is_deleted_only_when_no_one_keeps_it(core: Core) -> None:
    job = await painted(core)
    for person in (ANN, BOB):
        await sky(core).star(job, person)
    await sky(core).unstar(job, ANN)

    await tidied(core, 5 * DAY, pictures_days=1.0)

    assert [True] == await here(core, job)


async def test_the_attachment_of_what_is_kept_stays_too(core: Core) -> None:
    sha = hashlib.sha256(b"attached").hexdigest()
    job = await core.jobs.submit(Submission(dream(init_image=sha), (await painted(core)).origin, {sha: b"attached"}))
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)
    await sky(core).star(await core.row(job.id), ANN)

    await tidied(core, 5 * DAY, pictures_days=1.0)

    assert b"attached" == await core.store.attachments.read(sha)


async def test_one_person_keeps_so_many_pictures_and_no_more(core: Core) -> None:
    grid, single = await painted(core, pictures=3), await painted(core)
    mine = sky(core, keep_pictures=3)
    words = await mine.star(grid, ANN)
    assert "⭐ Starred. 3 of 3 stars used; see /favorites." == words

    with pytest.raises(Refused, match=r"You have starred 3 of 3 pictures. Unstar some first: /favorites"):
        await mine.star(single, ANN)

    assert words.replace("Starred", "Already starred") == await mine.star(grid, ANN)
    assert "1 of 3 stars used" in await mine.star(single, BOB)
    await mine.unstar(grid, ANN)
    assert "1 of 3 stars used" in await mine.star(single, ANN)


async def test_two_presses_at_once_do_not_keep_more_than_is_allowed(core: Core) -> None:
    jobs = [await painted(core) for _ in range(3)]
    mine = sky(core, keep_pictures=2)

    said = await asyncio.gather(*(mine.star(job, ANN) for job in jobs), return_exceptions=True)

    assert [Refused] == [type(one) for one in said if isinstance(one, Exception)]
    assert 2 == await core.store.stars.pictures_of(ANN)


async def test_one_star_keeps_one_picture_of_a_grid(core: Core) -> None:
    grid = await painted(core, pictures=3)
    await sky(core).favorites.star(grid, (1,), invocation(BOB))

    await tidied(core, 5 * DAY, pictures_days=1.0)

    assert [False, True, False] == [picture.path is not None for picture in (await core.row(grid.id)).pictures]


async def test_a_bot_without_stars_says_so(core: Core) -> None:
    with pytest.raises(Refused, match="Stars are turned off"):
        await sky(core, keep_pictures=0).star(await painted(core), ANN)


async def test_all_together_keep_half_of_the_room_and_a_refusal_leaves_nothing_behind(core: Core) -> None:
    first, second, third = [await painted(core) for _ in range(3)]
    small = sky(core, pictures_megabytes=2)
    await small.star(first, ANN)
    await small.star(second, BOB)

    with pytest.raises(Refused, match="use half of this bot's disk space"):
        await small.star(third, CID)

    assert 2 == await count(core.store, "stars")
    assert "1 of 1000" in await small.star(first, CID)  # what is kept already takes no more room


async def test_what_has_gone_cannot_be_kept(core: Core) -> None:
    job = await painted(core)
    await core.store.pictures.let_go(job.pictures[0])

    with pytest.raises(PictureGone, match="Only Discord has a copy"):
        await sky(core).star(job, ANN)


async def test_a_deleted_picture_loses_all_stars(core: Core) -> None:
    job = await painted(core)
    for person in (ANN, BOB):
        await sky(core).star(job, person)

    await core.jobs.discard(job.id, ANN)

    assert [] == await core.store.stars.of_job(job.id)


# What makes room


async def test_ways_to_pictures_go_first_then_attachments_then_pictures_and_at_last_what_is_kept(core: Core) -> None:
    kept, other = await painted(core), await painted(core)
    await sky(core).star(kept, BOB)
    await core.store.frames.keep(other.id, WAY)
    sha = hashlib.sha256(b"x" * 300_000).hexdigest()
    async with core.store.transaction() as session:
        await core.store.attachments.keep(session, kept.id, sha, b"x" * 300_000, core.clock())
        await session.run("DELETE FROM job_inputs")

    async def left() -> tuple[bool, bool, bool, bool]:
        there = await here(core, kept, other)
        return (await core.store.frames.has(other.id), bool(await core.store.attachments.read(sha)), there[1], there[0])

    async def budget(bytes_: int) -> None:
        core.clock.advance(10)
        async with core.store.transaction() as session:  # a budget is in megabytes: the pictures grow instead
            await session.run("UPDATE pictures SET size = ? WHERE path IS NOT NULL", bytes_)
        await tidied(core, pictures_megabytes=1)

    await budget(150_000)
    assert (True, True, True, True) == await left()
    await budget(300_000)
    assert (False, True, True, True) == await left()
    await budget(400_000)
    assert (False, False, True, True) == await left()
    await budget(600_000)
    assert (False, False, False, True) == await left()
    await budget(1_100_000)
    assert (False, False, False, False) == await left()


async def test_only_as_many_ways_go_as_are_needed_and_the_oldest_first(core: Core) -> None:
    jobs = [await painted(core, size=1000) for _ in range(4)]
    for age, job in enumerate(jobs):
        await core.store.frames.keep(job.id, WAY)
        os.utime(core.store.frames.path(job.id), (1000 + age, 1000 + age))

    await tidied(core, pictures_megabytes=1)

    assert [False, True, True, True] == [await core.store.frames.has(job.id) for job in jobs]
    assert [True] * 4 == await here(core, *jobs)


async def test_a_host_reads_in_the_log_that_something_kept_had_to_go(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    job = await painted(core, size=2_000_000)
    await sky(core).star(job, ANN)

    await tidied(core, pictures_megabytes=1)

    assert f"starred pictures exceed pictures_megabytes: deleting a starred picture of job {job.id}" in caplog.text


def test_by_default_a_person_may_star_a_thousand_pictures() -> None:
    assert 1000 == Config().retention.keep_pictures
