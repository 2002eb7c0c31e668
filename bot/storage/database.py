"""One SQLite connection for the whole bot: transactions that cancellation cannot tear, and numbered migrations."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import aiosqlite

from bot.errors import ShuttingDown, StoreError
from bot.storage.database_file import DatabaseFile
from bot.storage.files import PRIVATE_FILE, disk_errors, make_private

T = TypeVar("T")
P = ParamSpec("P")
BUSY_SECONDS = 5.0
_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
PRAGMA trusted_schema = OFF;
"""


class Queries(ABC):
    """Statements of SQL, each with values for its parameters. Methods raise StoreError."""

    @abstractmethod
    async def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement and return its rows (of a change: those of its RETURNING clause)."""

    async def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row, or None."""
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    async def any(self, sql: str, *values: object) -> bool:
        """Whether there is a row."""
        return bool(await self.all(sql, *values))

    async def column(self, sql: str, *values: object) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in await self.all(sql, *values)]

    async def number(self, sql: str, *values: object) -> int:
        """The whole number that a query computes."""
        [row] = await self.all(sql, *values)
        return int(row[0])


class Session(Queries):
    """Runs statements while the connection is held. `Database` makes sessions."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with _sqlite_errors():
            return list(await self._connection.execute_fetchall(sql, values))

    async def run(self, sql: str, *values: object) -> None:
        """Run one statement and drop its rows."""
        await self.all(sql, *values)

    async def insert(self, table: str, **row: object) -> None:
        """Insert one row. *table* and the columns are part of the statement: never take them from outside."""
        places = ", ".join("?" * len(row))
        await self.all(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608


class Database(Queries):
    """The connection, and the lock that gives it to one task at a time. Made by `open`."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._session = Session(connection)
        self._path = path.absolute()
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._file = DatabaseFile(path)
        self._write_error = ""
        self._closed = False

    @classmethod
    async def open(cls, path: Path, migrations: Traversable | None = None) -> Database:
        """Open or create the file and bring its schema up to date. Raises StoreError."""
        await asyncio.to_thread(_make_private, path)
        with _sqlite_errors():
            connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            with _sqlite_errors():
                await connection.executescript(_PRAGMAS)
            await _migrate(connection, path, migrations or files("bot.storage") / "schema")
            return cls(connection, path)
        except BaseException:
            await connection.close()
            raise

    async def snapshot(self) -> Database:
        """The content as it is now, read-only, on a second connection: long reads delay no other statement.

        The caller closes it. Raises StoreError.
        """
        with _sqlite_errors():
            connection = await aiosqlite.connect(f"{self._path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            with _sqlite_errors():
                await connection.execute_fetchall("BEGIN")
                await connection.execute_fetchall("SELECT 1 FROM sqlite_schema")
            return Database(connection, self._path)
        except BaseException:
            await connection.close()
            raise

    @property
    def trouble(self) -> str:
        """Why the last write failed, or how the file is damaged; empty if all is well."""
        return self._file.damage or self._write_error

    def require_intact(self) -> None:
        """Raise StoreError if the file was found deleted, replaced, truncated or damaged."""
        if self._file.damage:
            raise StoreError(self._file.damage)

    async def inspect(self, *, content: bool) -> str:
        """Look at the file, and with *content* for damage inside it; returns what is wrong, or an empty text."""
        found = await asyncio.to_thread(self._file.inspect, content=content)
        if self._file.wal_lost:
            with suppress(StoreError):
                async with self.reading() as session:
                    await session.all("PRAGMA wal_checkpoint(TRUNCATE)")
        return found

    async def close(self) -> None:
        """Wait for the current holder, then close. Idempotent."""
        async with self._lock:
            self._closed = True
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """BEGIN IMMEDIATE … COMMIT; an exception inside rolls back.

        If the task is cancelled, the transaction is committed or rolled back before the cancellation continues.
        """
        async with self._held():
            try:
                await unbroken(self._session.run("BEGIN IMMEDIATE"))
                yield self._session
                await unbroken(self._session.run("COMMIT"))
                self._write_error = ""
            except BaseException as error:
                if isinstance(error, StoreError):
                    self._write_error = str(error)
                if self._connection.in_transaction:
                    await unbroken(self._session.run("ROLLBACK"))
                raise

    async def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        async with self.reading() as session:
            return await session.all(sql, *values)

    async def run(self, sql: str, *values: object) -> None:
        """Run one statement in a transaction of its own. Raises StoreError; RuntimeError inside another transaction."""
        async with self.transaction() as session:
            await session.run(sql, *values)

    @asynccontextmanager
    async def reading(self, session: Session | None = None) -> AsyncIterator[Session]:
        """Reads without writes in between: in the caller's *session*, or in a new one."""
        if session is not None:
            yield session
        else:
            async with self._held():
                yield self._session

    @asynccontextmanager
    async def within(self, session: Session | None) -> AsyncIterator[Session]:
        """The caller's transaction, or a new one."""
        if session is not None:
            yield session
        else:
            async with self.transaction() as own:
                yield own

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if self._holder is task and task is not None:
            raise RuntimeError("this task is already in a transaction: pass its session on")
        async with self._lock:
            if self._closed:
                raise ShuttingDown("The bot is restarting; please try again in a minute.")
            self._holder = task
            try:
                yield
            finally:
                self._holder = None


def record(kind: Callable[..., T], row: sqlite3.Row | Mapping[str, Any], **own: object) -> T:
    """A dataclass of that *kind*: *own* fields, and the others from the columns of *row* with the same names.

    The field `index` is the column `idx`. Flags, stored as 0 and 1, become bools. Fields without a column keep their
    defaults.
    """
    columns = frozenset(row.keys())
    read = {name: row[column] for name, column, _ in _columns(kind) if name not in own and column in columns}
    flags = {name: bool(read[name]) for name, _, is_flag in _columns(kind) if is_flag and name in read}
    return kind(**read | flags | own)


@functools.cache
def _columns(kind: Any) -> list[tuple[str, str, bool]]:
    """(name, column, whether it is a flag) of each field of a dataclass."""
    return [(one.name, "idx" if one.name == "index" else one.name, one.type == "bool") for one in fields(kind)]


class Table:
    """The queries of one or more tables. Methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self.database = database


async def unbroken(work: Awaitable[T]) -> T:
    """Await *work* to its end even if the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    interrupted: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted from (None if task.cancelled() else task.exception())
    return task.result()


def uninterrupted(work: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a function that runs to its end even if its caller is cancelled: see `unbroken`."""

    @functools.wraps(work)
    async def run(*args: P.args, **named: P.kwargs) -> T:
        return await unbroken(work(*args, **named))

    return run


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    """Turn errors of sqlite3 into StoreErrors. IntegrityErrors stay, because they are programming errors."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise StoreError(f"The database cannot be used: {error}.{_remedy(error)}") from error


_REMEDIES = {
    sqlite3.SQLITE_FULL: " The disk of this machine is full; nothing is lost. Free some space.",
    sqlite3.SQLITE_READONLY: " Its file or folder is write-protected; the bot's user must be allowed to write there.",
    sqlite3.SQLITE_IOERR: " The disk of this machine fails or became read-only; the system's log says why.",
    sqlite3.SQLITE_CANTOPEN: " Its folder cannot be reached, or the bot has too many open files.",
    sqlite3.SQLITE_BUSY: " Another program holds it; please try again in a moment.",
    sqlite3.SQLITE_CORRUPT: " Restore it from a backup: python -m bot restore.",
    sqlite3.SQLITE_NOTADB: " Move it away to start with an empty one, or restore a backup: python -m bot restore.",
}
"""By SQLite's primary result code (https://sqlite.org/rescode.html)."""


def _remedy(error: sqlite3.DatabaseError) -> str:
    return _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")


def _make_private(path: Path) -> None:
    """Create the file for this user only; SQLite gives `-wal` and `-shm` the same mode."""
    with disk_errors(path, "created"):
        if not path.exists():
            path.touch(PRIVATE_FILE)
    for name in ("", "-wal", "-shm"):
        make_private(path.with_name(path.name + name))


def newest_schema() -> int:
    return _steps(files("bot.storage") / "schema")[-1][0]


def _steps(folder: Traversable) -> list[tuple[int, Traversable]]:
    found = ((int(file.name.split("_")[0]), file) for file in folder.iterdir() if file.name.endswith(".sql"))
    return sorted(found, key=lambda step: step[0])


async def _migrate(connection: aiosqlite.Connection, path: Path, folder: Traversable) -> None:
    """Run every numbered file above PRAGMA user_version, each in one transaction with the new number."""
    steps = _steps(folder)
    with _sqlite_errors():
        rows = list(await connection.execute_fetchall("PRAGMA user_version"))
    present, newest = int(rows[0][0]), steps[-1][0]
    if present > newest:
        raise StoreError(
            f"{path} was written by a newer dreambot (its schema is number {present}, this version knows {newest}). "
            "Install the newer version, or restore a backup from before the upgrade."
        )
    for number, file in steps:
        if number > present:
            await _run_step(connection, number, file.read_text(encoding="utf-8"))


async def _run_step(connection: aiosqlite.Connection, number: int, sql: str) -> None:
    with _sqlite_errors():
        try:
            await connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
        except BaseException:
            if connection.in_transaction:
                await connection.execute_fetchall("ROLLBACK")
            raise
