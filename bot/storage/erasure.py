"""Everything of one person: read for `/mydata`, deleted in short transactions for `/forget`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bot.storage.database import Database, Session, Table
from bot.storage.pictures import frames_path

FORGOTTEN = "forgotten"
"""Owner of the charges of forgotten people."""


class Erasure(Table):
    """The tables `forgetting`, `forgotten` and `removals`. Jobs are deleted here only."""

    def __init__(self, database: Database, data: Path) -> None:
        super().__init__(database)
        self._data = data

    async def counts(self, owner: str) -> tuple[int, int, int]:
        """(jobs, pictures on disk, unfinished jobs) of one person."""
        row = await self.database.one(
            "SELECT count(*), total(state IN ('queued', 'running')),"
            " (SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job_id WHERE owner = ?1 AND path IS NOT NULL)"
            " FROM jobs WHERE owner = ?1",
            owner,
        )
        assert row is not None
        return int(row[0]), int(row[2]), int(row[1])

    async def rows(self, owner: str) -> tuple[list[sqlite3.Row], list[sqlite3.Row], list[sqlite3.Row]]:
        """(jobs, pictures of these jobs, open questions) of one person, newest jobs first. Three queries."""
        async with self.database.reading() as session:
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

    async def begin(self, owner: str, user_id: int, now: float) -> None:
        """Note that everything of this person is to be deleted; from now on they get no new job."""
        await self.database.run("INSERT OR IGNORE INTO forgetting VALUES (?, ?, ?)", owner, user_id, now)

    async def begun(self) -> list[tuple[str, int]]:
        """(owner, user id) of all people whose data is not deleted yet."""
        return [(row[0], row[1]) for row in await self.database.all("SELECT owner, user_id FROM forgetting")]

    async def is_begun(self, session: Session, owner: str) -> bool:
        return await session.any("SELECT 1 FROM forgetting WHERE owner = ?", owner)

    async def next_jobs(self, owner: str, limit: int) -> tuple[list[str], list[Path]]:
        """Ids of up to *limit* finished jobs of one person, and the paths of their pictures and frames."""
        async with self.database.reading() as session:
            ids = await session.column(
                "SELECT id FROM jobs WHERE owner = ? AND state NOT IN ('queued', 'running')"
                " ORDER BY created_at LIMIT ?",
                owner,
                limit,
            )
            pictures = await session.column(
                "SELECT path FROM pictures WHERE job_id IN (SELECT value FROM json_each(?)) AND path IS NOT NULL",
                json.dumps(ids),
            )
        return ids, [*(self._data / path for path in pictures), *(frames_path(self._data, one) for one in ids)]

    async def delete_jobs(self, job_ids: Sequence[str]) -> None:
        """Delete these jobs with all dependent rows, and queue their messages for deletion."""
        ids = "SELECT value FROM json_each(?1)"
        async with self.database.transaction() as session:
            await session.run(
                "INSERT OR IGNORE INTO removals"  # noqa: S608 - a constant
                f" SELECT channel_id, message_id FROM messages WHERE job_id IN ({ids})"
                f" UNION SELECT channel_id, message_id FROM calls WHERE job_id IN ({ids})"
                f" UNION SELECT channel_id, message_id FROM reports WHERE job_id IN ({ids}) AND message_id IS NOT NULL",
                json.dumps(job_ids),
            )
            for job_id in job_ids:
                # A copy of a deleted copy shows the original: a blind vote on that hides both.
                await session.run(
                    "UPDATE jobs SET (parent_job, parent_index) = (gone.parent_job, gone.parent_index)"
                    " FROM jobs AS gone WHERE gone.id = ?1 AND gone.kind IN ('pick', 'upscale', 'crop')"
                    " AND gone.parent_job <> '' AND jobs.parent_job = ?1 AND jobs.parent_job <> ''",
                    job_id,
                )
            await session.run(f"DELETE FROM jobs WHERE id IN ({ids})", json.dumps(job_ids))  # noqa: S608 - a constant

    async def delete_stars(self, user_id: int, limit: int) -> bool:
        """Remove up to *limit* stars of one person; False if there was none."""
        async with self.database.transaction() as session:
            return await session.any(
                "DELETE FROM stars WHERE (job_id, idx, user_id) IN"
                " (SELECT job_id, idx, user_id FROM stars WHERE user_id = ? LIMIT ?) RETURNING 1",
                user_id,
                limit,
            )

    async def unname_charges(self, owner: str, since: float, limit: int) -> bool:
        """Remove the name from up to *limit* charges before *since* (unix seconds); False if there was none."""
        async with self.database.transaction() as session:
            return await session.any(
                "UPDATE charges SET owner = ? WHERE job_id IN"
                " (SELECT job_id FROM charges WHERE owner = ? AND reserved_at < ? LIMIT ?) RETURNING 1",
                FORGOTTEN,
                owner,
                since,
                limit,
            )

    async def has_jobs(self, session: Session, owner: str) -> bool:
        return await session.any("SELECT 1 FROM jobs WHERE owner = ?", owner)

    async def forget(self, session: Session, owner: str, user_id: int, since: float, now: float) -> None:
        """Delete what is left of a person without jobs: settings, stars, searches, votes, the name in the ledger.

        Charges since *since* (unix seconds, the start of the quota window) keep the name until the window ends,
        because `/forget` must not refill the quota. The person's credit is set to zero.
        """
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
        await session.run("DELETE FROM forgetting WHERE owner = ?", owner)

    async def erase_names(self, before: float) -> None:
        """Remove the names of forgotten people from charges before *before* (unix seconds), which no longer count."""
        async with self.database.transaction() as session:
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
        rows = await self.database.all("SELECT channel_id, message_id FROM removals LIMIT ?", limit)
        return [(row[0], row[1]) for row in rows]

    async def remove_later(self, session: Session, channel_id: int, message_id: int) -> None:
        await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", channel_id, message_id)

    async def removed(self, channel_id: int, message_id: int) -> None:
        """Take the message off the queue: it is deleted, or cannot be."""
        await self.database.run("DELETE FROM removals WHERE channel_id = ? AND message_id = ?", channel_id, message_id)
