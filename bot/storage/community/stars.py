"""The table `stars`: pictures that people starred, in which server, and whether only a reaction says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import astuple, dataclass

from bot.storage.database import Session, Table, record


@dataclass(frozen=True, slots=True)
class Star:
    """A star of one person on one picture, given at *at* (unix seconds) in a server (None: elsewhere)."""

    job_id: str
    index: int
    user_id: int
    server_id: int | None
    by_reaction: bool
    at: float


class Stars(Table):
    """Queries of the table `stars`. Methods raise StoreError."""

    async def put(self, session: Session, star: Star) -> None:
        """Star a picture. Idempotent; a star given by button stays when a reaction is removed."""
        await session.run(
            "INSERT INTO stars VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " server_id = coalesce(excluded.server_id, server_id),"
            " by_reaction = min(by_reaction, excluded.by_reaction)",
            *astuple(star),
        )

    async def lift(self, job_id: str, index: int | None, user_id: int, *, by_reaction: bool = False) -> None:
        """Remove a person's star, or all on the job (None). *by_reaction*: only those that a reaction gave."""
        await self.database.run(
            "DELETE FROM stars WHERE job_id = ? AND idx = coalesce(?, idx) AND user_id = ? AND by_reaction >= ?",
            job_id,
            index,
            user_id,
            int(by_reaction),
        )

    async def forget(self, session: Session, job_id: str) -> None:
        """Remove all stars of a job, because it was taken down."""
        await session.run("DELETE FROM stars WHERE job_id = ?", job_id)

    async def of_job(self, job_id: str, session: Session | None = None) -> list[Star]:
        """All stars on a job, by picture, oldest first."""
        rows = await (session or self.database).all(
            "SELECT * FROM stars WHERE job_id = ? ORDER BY idx, at, user_id", job_id
        )
        return [record(Star, row) for row in rows]

    async def of_person(self, user_id: int) -> list[Star]:
        """All stars of this person, oldest first."""
        rows = await self.database.all("SELECT * FROM stars WHERE user_id = ? ORDER BY at, job_id, idx", user_id)
        return [record(Star, row) for row in rows]

    async def among(self, user_id: int, job_ids: Collection[str]) -> Counter[str]:
        """Job id → number of its pictures that this person starred."""
        return Counter(
            await self.database.column(
                "SELECT job_id FROM stars WHERE job_id IN (SELECT value FROM json_each(?)) AND user_id = ?",
                json.dumps(list(job_ids)),
                user_id,
            )
        )

    async def pictures_of(self, user_id: int, session: Session | None = None) -> int:
        """Number of pictures on disk that this person starred."""
        return await (session or self.database).number(
            "SELECT count(*) FROM stars JOIN pictures USING (job_id, idx) WHERE user_id = ? AND path IS NOT NULL",
            user_id,
        )

    async def bytes(self, session: Session) -> int:
        """Bytes on disk of all starred pictures."""
        return await session.number(
            "SELECT coalesce(sum(size), 0) FROM pictures WHERE path IS NOT NULL"
            " AND (job_id, idx) IN (SELECT job_id, idx FROM stars)"
        )
