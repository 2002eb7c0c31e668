"""Atomic transactions, and numbered migrations."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import ShuttingDown, StoreError
from bot.storage.database import Database, unbroken


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "test.sqlite3", schema(tmp_path, "CREATE TABLE t (x INTEGER) STRICT;"))
    yield database
    await database.close()


def schema(folder: Path, *steps: str) -> Path:
    """A folder of numbered files."""
    place = folder / f"schema{len(steps)}"
    place.mkdir(exist_ok=True)
    for number, sql in enumerate(steps, start=1):
        (place / f"{number:04}_step.sql").write_text(sql)
    return place


async def values(database: Database) -> list[int]:
    async with database.reading() as session:
        return [row[0] for row in await session.all("SELECT x FROM t ORDER BY x")]


async def insert(database: Database, value: int, *, then: asyncio.Event | None = None) -> None:
    async with database.transaction() as session:
        await session.run("INSERT INTO t VALUES (?)", value)
        if then is not None:
            await then.wait()


async def test_a_transaction_is_committed_at_its_end(database: Database) -> None:
    await insert(database, 1)

    assert [1] == await values(database)


async def test_what_is_raised_inside_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await session.run("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    assert [] == await values(database)


async def test_a_task_cancelled_inside_rolls_back_and_frees_the_connection(database: Database) -> None:
    task = asyncio.create_task(insert(database, 1, then=asyncio.Event()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await insert(database, 2)
    assert [2] == await values(database)


async def test_wherever_a_task_is_cancelled_its_transaction_is_whole_or_nothing(database: Database) -> None:
    async def two() -> None:
        async with database.transaction() as session:
            await session.run("INSERT INTO t VALUES (1)")
            await session.run("INSERT INTO t VALUES (1)")

    for turns in range(40):
        task = asyncio.create_task(two())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert 0 == len(await values(database)) % 2


async def test_no_reader_sees_what_another_has_not_committed(database: Database) -> None:
    release = asyncio.Event()
    writer = asyncio.create_task(insert(database, 1, then=release))
    await asyncio.sleep(0.05)
    reader = asyncio.create_task(values(database))
    await asyncio.sleep(0.05)
    assert not reader.done()

    release.set()
    await writer
    assert [1] == await reader


async def test_a_transaction_inside_another_is_an_error_and_not_a_deadlock(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="pass its session on"):
            async with database.transaction():
                pass


async def test_a_session_can_be_handed_on(database: Database) -> None:
    async with database.transaction() as session, database.within(session) as same:
        assert session is same
    async with database.within(None) as own:
        await own.run("INSERT INTO t VALUES (1)")

    assert [1] == await values(database)


async def test_a_closed_database_says_that_the_bot_stops(database: Database) -> None:
    await database.close()

    for work in (database.one, database.run):
        with pytest.raises(ShuttingDown):
            await work("SELECT 1")


async def test_work_that_must_not_be_broken_is_finished_before_its_caller_is_cancelled() -> None:
    finished = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        finished.append(True)

    task = asyncio.create_task(unbroken(work()))
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [True] == finished


async def test_every_commit_is_on_disk(database: Database) -> None:
    async with database.reading() as session:
        settings = {
            name: (await session.all(f"PRAGMA {name}"))[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }

    assert {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1} == settings


async def test_new_migrations_run_once_in_order(tmp_path: Path) -> None:
    path, first = tmp_path / "db.sqlite3", "CREATE TABLE t (x INTEGER) STRICT;"
    await (await Database.open(path, schema(tmp_path, first))).close()
    later = schema(tmp_path, first, "INSERT INTO t VALUES (1);", "UPDATE t SET x = x + 1;")
    for _ in range(2):
        database = await Database.open(path, later)
        assert [2] == await values(database)
        await database.close()


async def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path, first = tmp_path / "db.sqlite3", "CREATE TABLE t (x INTEGER) STRICT;"
    await (await Database.open(path, schema(tmp_path, first))).close()
    with pytest.raises(StoreError, match="no such table: nowhere"):
        await Database.open(path, schema(tmp_path, first, "INSERT INTO t VALUES (1); DELETE FROM nowhere;"))

    database = await Database.open(path, schema(tmp_path, first))
    assert [] == await values(database)
    await database.close()


async def test_a_database_from_the_future_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    await (await Database.open(path)).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")

    with pytest.raises(
        StoreError, match=r"written by a newer dreambot \(its schema is number 99, this version knows \d+\)"
    ):
        await Database.open(path)


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    path.write_bytes(b"this is not a database, it only has its name" * 100)

    with pytest.raises(StoreError, match="file is not a database"):
        await Database.open(path)


async def test_a_database_that_another_program_holds_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.storage.database.BUSY_SECONDS", 0.05)
    database = await Database.open(tmp_path / "db.sqlite3", schema(tmp_path, "CREATE TABLE t (x INTEGER) STRICT;"))
    holder = sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="database is locked"):
        await insert(database, 1)
    holder.close()
    await insert(database, 2)
    assert [2] == await values(database)
    await database.close()
