"""Everything that survives a restart: one SQLite file and three folders of files, used by one process at a time.

<data>/dreambot.lock        the lock, with the process id
<data>/dreambot.sqlite3     jobs, charges, messages, settings; every file below has a row here
<data>/pictures/<year>/     finished pictures
<data>/inputs/              attachments, by SHA-256
<data>/search/              vectors of pictures, a cache; backups leave them out
<data>/frames/              previews for timelapses; backups leave them out

May import: bot.models, bot.errors, bot.retry, engine.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

from bot.errors import StoreError
from bot.storage import attachments, files, pictures
from bot.storage.attachments import Attachments
from bot.storage.community.challenges import BlindPictures, ChallengeRows
from bot.storage.community.covered_sheets import CoveredSheetRows
from bot.storage.community.picture_index import PictureIndex
from bot.storage.community.searches import Searches
from bot.storage.community.starboard import StarboardRows
from bot.storage.community.stars import Stars
from bot.storage.community.styles import StyleRows
from bot.storage.community.votes import VoteRows
from bot.storage.confirmations import Confirmations
from bot.storage.database import Database
from bot.storage.erasure import Erasure
from bot.storage.jobs import Ancestry, Jobs
from bot.storage.ledger import LedgerRows
from bot.storage.lock import FolderLock
from bot.storage.messages import Deliveries, InteractionTokens, JobMessages, Pings, Presses
from bot.storage.moderation import Audit, Blocks, Reports, SettingsTable
from bot.storage.pictures import Frames, Pictures

log = logging.getLogger(__name__)

DATABASE = "dreambot.sqlite3"


class Store:
    """The opened data folder. Repositories take the session of one `transaction()`, so that writes are atomic."""

    def __init__(self, folder: Path, lock: FolderLock, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.transaction = database.transaction
        self._lock = lock
        self.pictures = Pictures(database, folder)
        self.jobs = Jobs(database, self.pictures)
        self.attachments = Attachments(database, folder)
        self.frames = Frames(folder)
        self.stars = Stars(database)
        self.starboard = StarboardRows(database)
        self.searches = Searches(database)
        self.picture_index = PictureIndex(database, folder)
        self.ledger = LedgerRows(database)
        self.interactions = InteractionTokens(database)
        self.messages = JobMessages(database)
        self.pings = Pings(database)
        self.presses = Presses(database)
        self.deliveries = Deliveries(database)
        self.settings = SettingsTable(database)
        self.blocks = Blocks(database)
        self.reports = Reports(database)
        self.confirmations = Confirmations(database)
        self.erasure = Erasure(database, folder)
        self.audit = Audit(database)
        self.votes = VoteRows(database)
        self.blind_pictures = BlindPictures(database)
        self.covered_sheets = CoveredSheetRows(database)
        self.styles = StyleRows(database)
        self.ancestry = Ancestry(database)
        self.challenges = ChallengeRows(database)

    @classmethod
    async def open(cls, folder: Path) -> Store:
        """Lock the folder, migrate the database, delete what a crash left. Raises FolderInUse or StoreError.

        A failure releases everything that was opened. Files that cannot be deleted are logged and stay.
        """
        lock = FolderLock(folder)
        try:
            lock.acquire()
        except OSError as error:
            raise StoreError(f"The data folder {folder} cannot be used: {error.strerror or error}.") from error
        try:
            for name in (attachments.FOLDER, pictures.FOLDER, pictures.FRAMES_FOLDER):
                files.make_private(folder / name)
            store = cls(folder, lock, await Database.open(folder / DATABASE))
        except BaseException:
            lock.release()
            raise
        try:
            await store._sweep()
        except BaseException:
            await store.close()
            raise
        return store

    async def _sweep(self) -> None:
        known = await self.jobs.ids()
        sweeps: tuple[Awaitable[None], ...] = (
            files.sweep_temporaries(self.folder),
            self.attachments.sweep(),
            self.pictures.sweep(),
            self.frames.sweep(known),
        )
        for sweep in sweeps:
            try:
                await sweep
            except StoreError as error:
                log.warning("Leftover files stay: %s", error)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Store]:
        """The tables as they are now, for long reads; see `Database.snapshot`. Raises StoreError."""
        database = await self.database.snapshot()
        try:
            yield Store(self.folder, self._lock, database)
        finally:
            await database.close()

    async def used_bytes(self) -> int:
        """Bytes on disk of pictures, attachments and frames. Raises StoreError."""
        return await self.pictures.kept_bytes() + await self.attachments.kept_bytes() + await self.frames.kept_bytes()

    async def close(self) -> None:
        """Close the database and unlock the folder. Idempotent."""
        try:
            await self.database.close()
        finally:
            self._lock.release()

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
