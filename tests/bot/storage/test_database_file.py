"""A database that is deleted, replaced, truncated or damaged under the running bot is noticed, and new jobs refused."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

import bot.operations.database_watch
from bot.errors import StoreError
from bot.operations.database_watch import CHECK_SECONDS, watch_database
from bot.storage import DATABASE
from bot.storage.database_file import open_read_only
from tests.bot.core import Core, running_core
from tests.bot.fakes import FakeClock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to touch an open database")


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path / "data") as core:
        await core.ask()
        async with core.store.database.reading() as session:
            await session.all("PRAGMA wal_checkpoint(TRUNCATE)")
        assert "" == await core.store.database.inspect(content=True)
        yield core


def delete(path: Path) -> None:
    path.rename(path.with_suffix(".aside"))


def replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def truncate(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(4096)


def damage(path: Path) -> None:
    with path.open("rb+") as file:
        file.seek(4096)
        file.write(b"\xff" * 3 * 4096)


def delete_journal(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def replace_journal(path: Path) -> None:
    """As a restore of the three files by hand does."""
    replace(path.with_name(f"{path.name}-wal"))


@pytest.mark.parametrize(
    ("harm", "content", "words"),
    [
        (delete, False, "is gone"),
        (replace, False, "was replaced while the bot runs"),
        (truncate, False, "was truncated"),
        (damage, True, "is damaged"),
        (delete_journal, False, "was deleted or replaced while the bot runs"),
        (replace_journal, False, "was deleted or replaced while the bot runs"),
    ],
)
async def test_harm_to_the_file_is_noticed_and_new_jobs_are_refused(
    core: Core, harm: Callable[[Path], None], content: bool, words: str
) -> None:
    harm(core.folder / DATABASE)

    assert words in await core.store.database.inspect(content=content)

    assert words in core.store.database.trouble
    with pytest.raises(StoreError, match=words):
        await core.ask()


async def test_what_is_in_a_journal_that_was_deleted_is_not_lost(core: Core) -> None:
    path = core.folder / DATABASE
    delete_journal(path)
    job = await core.ask()

    await core.store.database.inspect(content=False)

    with closing(open_read_only(path)) as another:  # makes a new journal
        assert [(job.id,)] == another.execute("SELECT id FROM jobs WHERE id = ?", [job.id]).fetchall()


async def test_a_file_that_is_put_back_is_taken_again(core: Core) -> None:
    path = core.folder / DATABASE
    delete(path)
    await core.store.database.inspect(content=False)
    path.with_suffix(".aside").rename(path)

    assert "" == await core.store.database.inspect(content=False)
    await core.ask()


async def test_the_watch_looks_every_minute_and_reads_everything_once_a_day(
    core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bot.operations.database_watch, "INSPECT_SECONDS", 0.001)
    looks: list[bool] = []
    seen = asyncio.Event()
    inspect = core.store.database.inspect

    async def noted(*, content: bool) -> str:
        looks.append(content)
        seen.set()
        return await inspect(content=content)

    monkeypatch.setattr(core.store.database, "inspect", noted)
    ticks = FakeClock(0.0)
    watching = asyncio.create_task(watch_database(core.store.database, ticks))

    async def until(done: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not done():
                seen.clear()
                await seen.wait()

    await until(lambda: len(looks) >= 3)
    ticks.advance(CHECK_SECONDS)
    await until(lambda: looks.count(True) == 2)
    delete(core.folder / DATABASE)
    await until(lambda: len(looks) >= 8 and bool(core.store.database.trouble))
    looks.clear()
    await until(lambda: len(looks) >= 3)
    watching.cancel()

    assert 1 == caplog.text.count("is gone")
