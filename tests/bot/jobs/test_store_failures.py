"""The disk is full, the database held or write-protected, the clock is set: all ends are defined, nothing is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import retry as patience
from bot.embeds.job import took
from bot.errors import NoRoom, StoreError
from bot.interactions.message_api import asked_at
from bot.jobs.retention import ClockMonitor, Retention
from bot.models.job import JobState
from bot.storage import DATABASE
from bot.storage.database import _sqlite_errors
from bot.text import duration
from tests.bot.core import ANN, BOB, Core, config, count, dream, running_core
from tests.bot.fakes import FakeClock

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a second try."""
    monkeypatch.setattr(patience, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr("bot.storage.database.BUSY_SECONDS", 0.05)


@asynccontextmanager
async def full(core: Core) -> AsyncIterator[None]:
    """SQLite gets no more pages, as on a full disk."""
    async with core.store.database.reading() as session:
        pages = (await session.all("PRAGMA page_count"))[0][0]
        await session.all(f"PRAGMA max_page_count = {pages}")
    yield
    async with core.store.database.reading() as session:
        await session.all("PRAGMA max_page_count = 1000000")


@asynccontextmanager
async def write_protected(core: Core) -> AsyncIterator[None]:
    async with core.store.database.reading() as session:
        await session.all("PRAGMA query_only = ON")
    yield
    async with core.store.database.reading() as session:
        await session.all("PRAGMA query_only = OFF")


@asynccontextmanager
async def held(core: Core) -> AsyncIterator[None]:
    """Another program writes, and does not end."""
    other = sqlite3.connect(core.folder / DATABASE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


TROUBLES = [(write_protected, "write-protected"), (held, "Another program holds it")]
Trouble = Callable[[Core], "asynccontextmanager[None]"]


@pytest.mark.parametrize(("trouble", "words"), TROUBLES)
async def test_what_cannot_be_written_down_is_refused_in_words_and_works_again_afterwards(
    tmp_path: Path, trouble: Trouble, words: str
) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        async with trouble(core):
            with pytest.raises(StoreError, match=words):
                await core.ask()
        job = await core.ask()

        assert [job.id] == [queued.id for queued, _ in core.jobs.registry.waiting()]
        assert (1, 1) == (await count(core.store, "jobs"), await count(core.store, "charges"))


@pytest.mark.parametrize(("trouble", "words"), TROUBLES)
async def test_a_picture_finished_meanwhile_fails_in_words_and_an_end_is_booked_when_it_can_be(
    tmp_path: Path, trouble: Trouble, words: str
) -> None:
    async with running_core(tmp_path, slots=2) as core:
        painted, other = await core.ask(ANN), await core.ask(BOB)
        await core.handed(painted.id)
        core.engine.picture(painted.id)
        await core.handed(other.id)
        await core.until(lambda: bool(core.jobs.registry.row(painted.id).pictures))  # type: ignore[union-attr]
        async with trouble(core):
            core.engine.result(painted.id)
            core.engine.fail(other.id, "NotFinite", "It broke.")
            await asyncio.sleep(0.2)
            assert {painted.id, other.id} == {job.id for job in core.jobs.registry.running()}

        await core.until_state(painted.id, JobState.DONE)
        await core.until_state(other.id, JobState.FAILED)
        assert painted.cost == (await core.jobs.quota.balance(ANN)).used
        assert 0 == (await core.jobs.quota.balance(BOB)).used


async def test_on_a_full_disk_a_request_is_refused_in_words_and_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = config(queue={"per_user": 1000}, quota={"units": 0.0})
    async with running_core(tmp_path, settings, engine_up=False) as core:
        taken = 0
        async with full(core):
            with pytest.raises(StoreError, match="The disk of this machine is full; nothing is lost"):
                while True:  # what is free inside the file is used up first
                    await core.ask(ANN, dream("a fox " * 150))
                    taken += 1
        assert (taken, taken) == (await count(core.store, "jobs"), await count(core.store, "charges"))
        await core.ask(ANN, dream("a fox " * 150))
        assert taken + 1 == len(core.jobs.registry.waiting())


async def test_a_disk_that_fills_up_fails_the_job_and_charges_no_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        with monkeypatch.context() as context:
            context.setattr("bot.storage.files.os.fsync", no_space)
            core.engine.picture(job.id)
            row = await core.until_state(job.id, JobState.FAILED)

        assert "could not be stored." in row.error_text
        assert 0 == (await core.jobs.quota.balance(ANN)).used
        assert [] == list((tmp_path / "pictures").rglob("*.*"))


@pytest.mark.parametrize("trouble", [write_protected, held])
async def test_a_picture_that_cannot_be_stored_for_a_moment_is_not_lost(tmp_path: Path, trouble: Trouble) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        async with trouble(core):
            core.engine.paint(job.id)
            await core.until(lambda: bool(list((tmp_path / "pictures").rglob("*.png"))))
        await core.until_state(job.id, JobState.DONE)

        assert await core.store.pictures.png(job.id, 0)


async def test_a_picture_waits_for_a_disk_that_comes_back_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a remount, or while there is no free file descriptor."""
    fsync, tries = os.fsync, 0

    def read_only(file: int) -> None:
        nonlocal tries
        if (tries := tries + 1) < 5:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        fsync(file)

    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        monkeypatch.setattr("bot.storage.files.os.fsync", read_only)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)

        assert await core.store.pictures.png(job.id, 0)


async def test_a_nearly_full_disk_takes_nothing_new_and_paints_what_waits(tmp_path: Path) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        job = await core.ask()
        await core.crash()
    async with running_core(tmp_path, config(retention={"free_megabytes": 10**9})) as core:
        with pytest.raises(NoRoom, match="nearly full"):
            await core.ask(BOB)
        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)


async def test_a_folder_on_which_nothing_can_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / DATABASE).mkdir()

    with pytest.raises(StoreError, match="The database cannot be used: unable to open database file"):
        async with running_core(tmp_path):
            pass


# Clocks


@pytest.mark.parametrize("jump", [-400 * DAY, -HOUR, HOUR, 400 * DAY])
async def test_a_clock_that_is_set_delays_no_job_and_loses_nothing(tmp_path: Path, jump: float) -> None:
    settings = config(queue={"cooldown_seconds": 60.0, "running_per_user": 2}, retention={"pictures_days": 30.0})
    async with running_core(tmp_path, settings, slots=2) as core:
        first = await core.ask()
        await core.handed(first.id)
        core.clock.advance(61 + jump)
        core.engine.paint(first.id)
        await core.until_state(first.id, JobState.DONE)
        await core.store.deliveries.close(first.id, "result", core.clock())
        second = await core.ask()
        await core.handed(second.id)
        core.engine.paint(second.id)
        await core.until_state(second.id, JobState.DONE)
        await core.jobs._tidy_once()

        assert first.cost + second.cost >= (await core.jobs.quota.balance(ANN)).used > 0
        assert [True, True] == [bool(await core.store.pictures.png(job.id, 0)) for job in (first, second)]
        assert all(place.starts >= 0 for _, place in core.jobs.registry.waiting())


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_how_long_jobs_take_is_not_learnt_from_a_clock_that_was_set(tmp_path: Path, jump: float) -> None:
    """A machine that sleeps looks the same: the clock jumps and the monotonic one does not."""
    clock, ticks = FakeClock(), FakeClock(0.0)
    async with running_core(tmp_path, clock=clock, ticks=ticks) as core:
        job = await core.ask()
        await core.handed(job.id)
        clock.advance(jump)
        ticks.advance(4.0)
        core.engine.paint(job.id)
        done = await core.until_state(job.id, JobState.DONE)

        assert duration(4.0) == took(done)
        assert pytest.approx(4.0) == core.jobs.registry.expect(job.request).likely

    async with running_core(tmp_path, clock=clock, ticks=FakeClock(0.0), engine_up=False) as core:
        assert pytest.approx(4.0) == core.jobs.registry.expect(job.request).likely
        waiting = await core.ask()
        place = core.jobs.registry.place(waiting.id)
        assert place is not None and place.earliest <= clock() + 4.0 <= place.latest < clock() + 60


def test_nothing_goes_for_its_age_until_the_clock_has_gone_evenly_for_an_hour() -> None:
    ticks = FakeClock(50.0)
    steadiness = ClockMonitor(ticks)
    now = 1_800_000_000.0
    assert not steadiness.steady(now)
    for clock, passed, expected in [
        (0.0, 1800, False),
        (1.0, 1801, True),
        (400 * DAY, 60, False),
        (400 * DAY, HOUR, True),
    ]:
        ticks.advance(passed)
        assert expected is steadiness.steady(now + clock + ticks.now - 50.0)


async def test_a_round_without_trust_in_the_clock_deletes_no_picture(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)
        await core.store.deliveries.close(job.id, "result", core.clock())
        upkeep = Retention(config(retention={"pictures_days": 1.0}), core.store)

        await upkeep.tidy(core.clock() + 400 * DAY, by_age=False)
        assert await core.store.pictures.png(job.id, 0)
        await upkeep.tidy(core.clock() + 400 * DAY)
        assert [] == list((tmp_path / "pictures").rglob("*.png"))


def test_a_lost_message_is_looked_for_from_when_discord_says_it_was_asked_for() -> None:
    interaction_id = (1_700_000_000_000 - 1_420_070_400_000) << 22

    assert 1_700_000_000 == asked_at(1_700_003_600.0, interaction_id)
    assert 1_600_000_000 == asked_at(1_600_000_000.0, interaction_id)
    assert 1_700_003_600 == asked_at(1_700_003_600.0, None)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(sqlite3.SQLITE_IOERR_WRITE, "fails or became read-only"), (sqlite3.SQLITE_CANTOPEN, "too many open files")],
)
def test_a_disk_that_fails_is_said_with_what_to_look_at(code: int, remedy: str) -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code

    with pytest.raises(StoreError, match=remedy), _sqlite_errors():
        raise error
