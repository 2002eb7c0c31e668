"""All that outlives a restart: one SQLite file and three folders of pictures, owned by one process at a time.

<data>/dreambot.lock        who works here
<data>/dreambot.sqlite3     everything else points into this
<data>/pictures/<year>/     what was painted
<data>/inputs/              what people attached
<data>/frames/              how pictures came to be; not in backups
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from bot.errors import StoreError
from bot.storage import files
from bot.storage.attachments import Inputs
from bot.storage.confirmations import Questions
from bot.storage.database import Database
from bot.storage.erasure import Farewells
from bot.storage.jobs import Jobs
from bot.storage.keeps import Keeps
from bot.storage.ledger import LedgerRows
from bot.storage.lock import FolderLock
from bot.storage.messages import Calls, Interactions, Messages, Presses
from bot.storage.moderation import Blocks
from bot.storage.outbox import Deliveries
from bot.storage.pictures import Pictures
from bot.storage.reports import Reports
from bot.storage.settings import Audit, Settings
from bot.storage.timelapses import Frames

DATABASE = "dreambot.sqlite3"


class Store:
    """The data folder, opened. Compound writes share one `transaction()`, whose session the repositories take."""

    def __init__(self, folder: Path, lock: FolderLock, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.transaction = database.transaction
        self._lock = lock
        self.pictures = Pictures(database, folder)
        self.jobs = Jobs(database, self.pictures)
        self.inputs = Inputs(database, folder)
        self.frames = Frames(folder)
        self.keeps = Keeps(database)
        self.ledger = LedgerRows(database)
        self.interactions = Interactions(database)
        self.messages = Messages(database)
        self.calls = Calls(database)
        self.presses = Presses(database)
        self.deliveries = Deliveries(database)
        self.settings = Settings(database)
        self.blocks = Blocks(database)
        self.reports = Reports(database)
        self.questions = Questions(database)
        self.farewells = Farewells(database, folder)
        self.audit = Audit(database)

    @classmethod
    async def open(cls, folder: Path) -> Store:
        """Take the folder's lock, migrate the database, sweep up after a crash. Raises FolderInUse or StoreError."""
        lock = FolderLock(folder)
        try:
            lock.acquire()
        except OSError as error:
            raise StoreError(f"The data folder {folder} cannot be used: {error.strerror or error}.") from error
        try:
            store = cls(folder, lock, await Database.open(folder / DATABASE))
        except BaseException:
            lock.release()
            raise
        await files.sweep_temporaries(folder)
        await store.inputs.sweep()
        await store.pictures.sweep()
        await store.frames.sweep(await store.jobs.ids())
        return store

    async def used_bytes(self) -> int:
        """Disk that pictures, attachments and the ways to pictures take."""
        return await self.pictures.kept_bytes() + await self.inputs.kept_bytes() + await self.frames.kept_bytes()

    async def close(self) -> None:
        """Close the database and let others have the folder. Idempotent."""
        await self.database.close()
        self._lock.release()

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
