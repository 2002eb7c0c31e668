"""The repositories: secrets that go, files that are durable, an outbox, and what is let go when."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.config.settings import Config
from bot.errors import FolderInUse, PictureGone, StoreError
from bot.jobs.admission import Submission
from bot.jobs.retention import Retention
from bot.models.audit import AuditFilter
from bot.models.job import JobState
from bot.storage import DATABASE, Store, files
from bot.storage.community.searches import MOST_KEPT, Search
from tests.bot.core import ANN, BOB, Core, config, count, dream, history, origin, running_core, upscale_of

DAY = 86_400.0


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path / "data") as core:
        yield core


async def painted(core: Core, user: int = ANN) -> str:
    """A finished job's id."""
    job = await core.ask(user)
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)
    return job.id


# Interactions


async def test_a_token_lives_for_fifteen_minutes(core: Core) -> None:
    job = await core.jobs.submit(Submission(dream(), origin(token="aW50ZXJhY3Rpb24")))

    assert "aW50ZXJhY3Rpb24" == await core.store.interactions.find(job.id, core.clock() + 899)
    assert "" == await core.store.interactions.find(job.id, core.clock() + 900)


async def test_a_token_is_in_no_row_or_representation(core: Core) -> None:
    job = await core.jobs.submit(Submission(dream(), origin(token="aW50ZXJhY3Rpb24")))
    row = await core.row(job.id)

    assert "" == row.origin.interaction_token
    assert "aW50ZXJhY3Rpb24" not in repr(job) + repr(row)


async def test_an_expired_token_is_gone_from_the_disk(core: Core) -> None:
    await core.jobs.submit(Submission(dream(), origin(token="aW50ZXJhY3Rpb24")))
    await Retention(core.settings, core.store).tidy(core.clock() + 901)
    async with core.store.database.reading() as session:
        await session.run("PRAGMA wal_checkpoint(TRUNCATE)")

    assert 0 == await count(core.store, "interactions")
    assert b"aW50ZXJhY3Rpb24" not in (core.folder / DATABASE).read_bytes()


async def test_a_job_without_an_interaction_has_no_token(core: Core) -> None:
    await core.ask()

    assert 0 == await count(core.store, "interactions")


# The outbox


async def test_a_delivery_is_pending_until_it_is_delivered(core: Core) -> None:
    job_id = await painted(core)
    assert [job_id] == [row.job_id for row in await core.store.deliveries.pending()]

    for _ in range(2):
        await core.store.deliveries.close(job_id, "result", core.clock())
    await core.store.deliveries.close(job_id, "result", core.clock(), "too late")
    assert [] == await core.store.deliveries.pending()
    found = await core.store.deliveries.find(job_id)
    assert found is not None
    assert "delivered" == found.state


async def test_what_cannot_be_delivered_stays_in_the_history(core: Core) -> None:
    job_id = await painted(core)
    await core.store.deliveries.close(job_id, "result", core.clock(), "the channel is gone")

    assert [] == await core.store.deliveries.pending()
    assert [job_id] == [job.id for job in await history(core.store, ANN)]


# Files


async def test_a_file_replaces_another_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "picture.png"
    await files.write_durably(path, b"one")
    await files.write_durably(path, b"two")

    assert b"two" == await files.read(path)
    assert ["picture.png"] == [entry.name for entry in path.parent.iterdir()]


async def test_a_file_that_cannot_be_written_is_an_error_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")

    with pytest.raises(StoreError, match="cannot be written: "):
        await files.write_durably(tmp_path / "in the way" / "picture.png", b"data")


async def test_the_data_folder_can_be_moved(tmp_path: Path) -> None:
    async with running_core(tmp_path / "old") as core:
        job_id = await painted(core)
        png = await core.store.pictures.png(job_id, 0)
    (tmp_path / "old").rename(tmp_path / "new")

    async with running_core(tmp_path / "new") as core:
        assert png == await core.store.pictures.png(job_id, 0)


async def test_a_name_that_is_no_hash_never_becomes_a_path(core: Core) -> None:
    with pytest.raises(ValueError, match="is not a SHA-256"):
        await core.store.attachments.read("../../etc/passwd")


# Retention


async def test_old_pictures_go_and_their_rows_stay(core: Core) -> None:
    old = await painted(core)
    core.clock.advance(2 * DAY)
    fresh = await painted(core)
    for job_id in (old, fresh):
        await core.store.deliveries.close(job_id, "result", core.clock())
    await Retention(config(retention={"pictures_days": 1.0}), core.store).tidy(core.clock())

    with pytest.raises(PictureGone, match="Picture 1 of job"):
        await core.store.pictures.png(old, 0)
    with pytest.raises(PictureGone, match="cannot be upscaled"):
        await upscale_of(core.jobs, core.store, old, 0)
    row = await core.row(old)
    assert (None, 256) == (row.pictures[0].path, row.pictures[0].width)
    assert await core.store.pictures.png(fresh, 0)


async def test_the_oldest_go_first_when_the_disk_budget_is_used_up(core: Core) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(await painted(core))
        await core.store.deliveries.close(jobs[-1], "result", core.clock())
        core.clock.advance(10)
    async with core.store.transaction() as session:
        await session.run("UPDATE pictures SET size = 400000")
    await Retention(config(retention={"pictures_megabytes": 1}), core.store).tidy(core.clock())

    assert [False, True, True] == [(await core.row(job)).pictures[0].path is not None for job in jobs]


async def test_pictures_that_others_were_made_from_are_deleted_last(core: Core) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(await painted(core))
        await core.store.deliveries.close(jobs[-1], "result", core.clock())
        core.clock.advance(10)
    enlarged = await core.jobs.submit(
        Submission(await upscale_of(core.jobs, core.store, jobs[0], 0), origin(kind="upscale", parent=jobs[0]))
    )
    await core.jobs.cancel(enlarged.id, ANN)
    async with core.store.transaction() as session:
        await session.run("UPDATE pictures SET size = 400000")
    await Retention(config(retention={"pictures_megabytes": 1}), core.store).tidy(core.clock())

    assert [True, False, True] == [(await core.row(job)).pictures[0].path is not None for job in jobs]


async def test_files_that_no_row_names_are_swept_up_once_their_job_is_over(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        done, cancelled = await painted(core), await core.ask(BOB)
        await core.handed(cancelled.id)
        await core.jobs.cancel(cancelled.id, BOB)
        running = await core.ask(BOB)
    [kept] = tmp_path.rglob("*.png")
    left = {name: kept.with_name(f"{name}-0.png") for name in (cancelled.id, running.id, "unknown000")}
    for path in left.values():
        path.write_bytes(b"png")

    async with running_core(tmp_path, engine_up=False) as core:
        assert [False, True, True] == [path.exists() for path in left.values()]
        assert await core.store.pictures.png(done, 0)


async def test_what_a_job_waits_for_is_kept(core: Core) -> None:
    undelivered, source = await painted(core, ANN), await painted(core, BOB)
    await core.store.deliveries.close(source, "result", core.clock())
    core.engine.ready = None
    await core.jobs.submit(Submission(await upscale_of(core.jobs, core.store, source, 0), origin(kind="upscale")))
    await Retention(config(retention={"pictures_days": 1.0}), core.store).tidy(core.clock() + 5 * DAY)

    assert [True, True] == [(await core.row(job)).pictures[0].path is not None for job in (undelivered, source)]


async def test_attachments_go_when_no_living_job_needs_them(core: Core) -> None:
    sha = hashlib.sha256(b"attached").hexdigest()
    job = await core.jobs.submit(Submission(dream(init_image=sha), origin(), {sha: b"attached"}))
    upkeep = Retention(config(retention={"pictures_days": 1.0}), core.store)
    await upkeep.tidy(core.clock() + 5 * DAY)
    assert b"attached" == await core.store.attachments.read(sha)

    await core.jobs.cancel(job.id, ANN)
    await upkeep.tidy(core.clock() + 5 * DAY)
    assert await core.store.attachments.read(sha) is None
    with pytest.raises(PictureGone):
        await core.jobs.submit(Submission(dream(init_image=sha), origin()))


# Settings, audit, the lock


async def test_settings_are_kept_by_scope_and_subject(core: Core) -> None:
    settings = core.store.settings
    await settings.put("server", "400", "channels", [1, 2])
    await settings.put("person", "400", "size", "256x256")
    await settings.put("server", "400", "channels", [3])
    await settings.put("server", "400", "gone", True)
    await settings.put("server", "400", "gone", None)

    assert {"channels": [3]} == await settings.all("server", "400")
    assert {"size": "256x256"} == await settings.all("person", "400")


async def test_a_clock_that_is_set_back_repeats_no_reaction_and_blocks_no_button(core: Core) -> None:
    presses, now, week = core.store.presses, core.clock(), 7 * 86_400.0
    assert await presses.first("reaction:1:up:2", now, week)
    assert await presses.first("up:a:0", now, 10.0)

    assert not await presses.first("reaction:1:up:2", now - 3600, week)
    assert await presses.first("up:a:0", now - 3600, 10.0)
    assert not await presses.first("up:a:0", now - 3600, 10.0)


async def test_the_audit_is_newest_first(core: Core) -> None:
    for action in ("pause", "resume"):
        await core.store.audit.add("discord:1", action, "queue", core.clock(), reason="maintenance")

    assert [("resume", {"reason": "maintenance"}), ("pause", {"reason": "maintenance"})] == [
        (entry.action, entry.details) for entry in await core.store.audit.page(AuditFilter(), 50)
    ]


async def test_a_folder_is_free_again_after_closing(tmp_path: Path) -> None:
    async with await Store.open(tmp_path):
        with pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
            await Store.open(tmp_path)
    async with await Store.open(tmp_path):
        pass


async def test_a_folder_that_cannot_be_used_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"data folder .* cannot be used"):
        await Store.open(tmp_path / "file")


async def test_a_refused_open_does_not_keep_the_lock(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database " * 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match="not a database"):
            await Store.open(tmp_path)


def test_the_default_configuration_keeps_pictures_for_ever() -> None:
    assert 0 == Config().retention.pictures_days


async def test_of_each_person_only_the_latest_searches_are_kept(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        for number in range(MOST_KEPT + 3):
            await store.searches.put(Search(f"search{number:04}", 1, "all", "owls", None, "", None, float(number)))
        await store.searches.put(Search("other00000", 2, "all", "owls", None, "", None, 0.0))

        assert [float(number) for number in range(3, MOST_KEPT + 3)] == [
            one.at for one in await store.searches.of_person(1)
        ]
        assert 1 == len(await store.searches.of_person(2))
