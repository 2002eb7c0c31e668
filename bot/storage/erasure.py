"""Everything of one person: read for `/mydata`, deleted in one transaction for `/forget`."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from bot.storage.database import Database, Session
from bot.storage.pictures import frames_path

FORGOTTEN = "forgotten"
"""Owner of the charges of forgotten people."""


class Erasure:
    """The tables `forgotten` and `removals`. Jobs are deleted here only."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database = database
        self._data = data

    async def counts(self, owner: str) -> tuple[int, int, int]:
        """(jobs, pictures on disk, unfinished jobs) of one person."""
        async with self._database.reading() as session:
            row = await session.one(
                "SELECT count(*), total(state IN ('queued', 'running')),"
                " (SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job_id WHERE owner = ?1 AND path IS NOT NULL)"
                " FROM jobs WHERE owner = ?1",
                owner,
            )
        assert row is not None
        return int(row[0]), int(row[2]), int(row[1])

    async def rows(self, owner: str) -> tuple[list[sqlite3.Row], list[sqlite3.Row], list[sqlite3.Row]]:
        """(jobs, pictures of these jobs, open questions) of one person, newest jobs first. Three queries."""
        async with self._database.reading() as session:
            jobs = await session.all("SELECT * FROM jobs WHERE owner = ? ORDER BY created_at DESC, rowid DESC", owner)
            pictures = await session.all(
                "SELECT job_id, path, facts FROM pictures JOIN jobs ON jobs.id = job_id WHERE owner = ?"
                " ORDER BY job_id, idx",
                owner,
            )
            questions = await session.all(
                "SELECT asked_at, request FROM questions WHERE owner = ? ORDER BY asked_at, id", owner
            )
        return jobs, pictures, questions

    async def files(self, owner: str) -> list[Path]:
        """Paths of all pictures and frames of one person."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT path FROM pictures JOIN jobs ON jobs.id = job_id WHERE owner = ? AND path IS NOT NULL", owner
            )
            jobs = await session.all("SELECT id FROM jobs WHERE owner = ?", owner)
        return await asyncio.to_thread(self._paths, rows, jobs)

    def _paths(self, pictures: list[sqlite3.Row], jobs: list[sqlite3.Row]) -> list[Path]:
        return [*(self._data / row[0] for row in pictures), *(frames_path(self._data, row[0]) for row in jobs)]

    async def alive(self, session: Session, owner: str) -> bool:
        row = await session.one("SELECT 1 FROM jobs WHERE owner = ? AND state IN ('queued', 'running')", owner)
        return row is not None

    async def forget(self, session: Session, owner: str, user_id: int, since: float, now: float) -> None:
        """Delete the person's jobs with all dependent rows, their settings, and their name in the ledger.

        Charges since *since* (unix seconds, the start of the quota window) keep the name until the window ends,
        because `/forget` must not refill the quota. The person's credit is set to zero.
        """
        await session.run(
            "INSERT OR IGNORE INTO removals"
            " SELECT channel_id, message_id FROM messages WHERE job_id IN (SELECT id FROM jobs WHERE owner = ?1)"
            " UNION SELECT channel_id, message_id FROM calls WHERE job_id IN (SELECT id FROM jobs WHERE owner = ?1)"
            " UNION SELECT channel_id, message_id FROM reports"
            "  WHERE job_id IN (SELECT id FROM jobs WHERE owner = ?1) AND message_id IS NOT NULL",
            owner,
        )
        await session.run("DELETE FROM jobs WHERE owner = ?", owner)
        await session.run("DELETE FROM settings WHERE scope = 'person' AND subject = ?", str(user_id))
        await session.run("DELETE FROM stars WHERE user_id = ?", user_id)
        await session.run("DELETE FROM searches WHERE user_id = ?", user_id)
        await session.run("DELETE FROM questions WHERE owner = ?", owner)
        await session.run("DELETE FROM ballots WHERE user_id = ?", user_id)
        await session.run("UPDATE votes SET starter_id = 0 WHERE starter_id = ?", user_id)
        await session.run("DELETE FROM report_voices WHERE user_id = ?", user_id)
        await session.run("UPDATE charges SET owner = ? WHERE owner = ? AND reserved_at < ?", FORGOTTEN, owner, since)
        await session.run("DELETE FROM credits WHERE owner = ? AND NOT (kind = 'reset' AND at >= ?)", owner, since)
        await session.run("UPDATE credits SET reason = '', by = '' WHERE owner = ?", owner)
        await session.run(
            "INSERT INTO credits (owner, kind, amount, at, by, reason)"
            " SELECT ?1, 'granted', sum(charged_credit), ?2, '', '' FROM charges WHERE owner = ?1"
            " HAVING sum(charged_credit) > 0",
            owner,
            now,
        )
        await session.run("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", owner, now)

    async def erase_names(self, before: float) -> None:
        """Remove the names of forgotten people from charges before *before* (unix seconds), which no longer count."""
        async with self._database.transaction() as session:
            await session.run(
                "UPDATE charges SET owner = ? WHERE owner IN (SELECT owner FROM forgotten)"
                " AND reserved_at < ? AND state <> 'reserved'"
                " AND reserved_at <= (SELECT at FROM forgotten WHERE forgotten.owner = charges.owner)",
                FORGOTTEN,
                before,
            )
            gone = (
                "SELECT owner FROM forgotten WHERE NOT EXISTS (SELECT 1 FROM charges"
                " WHERE charges.owner = forgotten.owner AND reserved_at <= forgotten.at)"
            )
            await session.run(
                f"DELETE FROM credits WHERE owner IN ({gone})"  # noqa: S608 - a constant
                " AND at <= (SELECT at FROM forgotten WHERE forgotten.owner = credits.owner)"
            )
            await session.run(f"DELETE FROM forgotten WHERE owner IN ({gone})")  # noqa: S608 - a constant

    async def to_remove(self, limit: int) -> list[tuple[int, int]]:
        """(channel id, message id) of up to *limit* messages that must still be deleted on Discord."""
        async with self._database.reading() as session:
            rows = await session.all("SELECT channel_id, message_id FROM removals LIMIT ?", limit)
        return [(row[0], row[1]) for row in rows]

    async def remove_later(self, session: Session, channel_id: int, message_id: int) -> None:
        await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", channel_id, message_id)

    async def removed(self, channel_id: int, message_id: int) -> None:
        """Take the message off the queue: it is deleted, or cannot be."""
        await self._database.run("DELETE FROM removals WHERE channel_id = ? AND message_id = ?", channel_id, message_id)
