"""Attachments, which requests name by SHA-256: files under `<data>/inputs/`, kept while a job needs them."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path

from bot.storage import files
from bot.storage.database import Database, Session, Table

FOLDER = "inputs"
_BATCH = 50
"""Attachments that one transaction deletes; longer ones would block other tasks."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Attachments(Table):
    """The tables `inputs`, `job_inputs` and `question_inputs`, and their folder."""

    def __init__(self, database: Database, data: Path) -> None:
        super().__init__(database)
        self._data = data

    async def keep(self, session: Session, job_id: str, sha256: str, data: bytes, now: float) -> None:
        """Store an attachment of a job: first the file, durably, then its row."""
        await self._write(session, sha256, data, now)
        await self.link(session, job_id, sha256)

    async def link(self, session: Session, job_id: str, sha256: str) -> None:
        await session.run("INSERT OR IGNORE INTO job_inputs VALUES (?, ?)", job_id, sha256)

    async def hold(self, session: Session, question_id: str, sha256: str, data: bytes | None, now: float) -> None:
        """Store an attachment that a confirmation question needs; *data* None: it is stored already."""
        if data is not None:
            await self._write(session, sha256, data, now)
        if await self.has(session, sha256):  # otherwise it is a finished picture
            await session.run("INSERT OR IGNORE INTO question_inputs VALUES (?, ?)", question_id, sha256)

    async def _write(self, session: Session, sha256: str, data: bytes, now: float) -> None:
        await files.write_durably(self._path(sha256), data)
        await session.run("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?)", sha256, len(data), now)

    async def has(self, session: Session, sha256: str) -> bool:
        return await session.any("SELECT 1 FROM inputs WHERE sha256 = ?", sha256)

    async def read(self, sha256: str) -> bytes | None:
        """The attachment's bytes, or None. Raises StoreError."""
        return await files.read(self._path(sha256))

    async def kept_bytes(self) -> int:
        return await self.database.number("SELECT coalesce(sum(size), 0) FROM inputs")

    async def let_go(self, before: float, most_bytes: float = math.inf) -> int:
        """Delete attachments older than *before* (unix seconds) that no question, unfinished or starred job needs.

        Oldest first, until *most_bytes* are free; returns the bytes freed.
        """
        freed = 0
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT sha256, size FROM inputs WHERE created_at < ? AND NOT EXISTS ("
                " SELECT 1 FROM job_inputs JOIN jobs ON jobs.id = job_id WHERE job_inputs.sha256 = inputs.sha256"
                " AND (state IN ('queued', 'running') OR job_id IN (SELECT job_id FROM stars)))"
                " AND sha256 NOT IN (SELECT sha256 FROM question_inputs)"
                " ORDER BY created_at LIMIT ?",
                before,
                _BATCH,
            )
            for sha256, size in rows:
                if freed < most_bytes:
                    await session.run("DELETE FROM job_inputs WHERE sha256 = ?", sha256)
                    await session.run("DELETE FROM inputs WHERE sha256 = ?", sha256)
                    # Inside the transaction, so that no submission of the same picture comes between row and file.
                    await files.remove(self._path(sha256))
                    freed += size
        return freed

    async def drop_unneeded(self) -> None:
        async with self.database.transaction() as session:
            hashes = await session.column(
                "DELETE FROM inputs WHERE sha256 NOT IN (SELECT sha256 FROM job_inputs)"
                " AND sha256 NOT IN (SELECT sha256 FROM question_inputs) RETURNING sha256"
            )
            for sha256 in hashes:
                # Inside the transaction, so that no submission of the same picture comes between row and file.
                await files.remove(self._path(sha256))

    async def sweep(self) -> None:
        """Delete files without a row, which a crash during a submission leaves. Raises StoreError."""
        found = await asyncio.to_thread(self._files)
        known = set(await self.database.column("SELECT sha256 FROM inputs"))
        await files.remove(*(path for path in found if path.name not in known))

    def _files(self) -> list[Path]:
        folder = self._data / FOLDER
        with files.disk_errors(folder, "read"):
            return list(folder.iterdir()) if folder.is_dir() else []

    def _path(self, sha256: str) -> Path:
        # The name becomes part of a path, so it must be a hash.
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is not a SHA-256")
        return self._data / FOLDER / sha256
