"""Saved jobs: retention deletes their pictures last. Every person saves jobs for themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.storage.database import Database, Session


@dataclass(frozen=True, slots=True)
class Keep:
    """A job that a person saved at *at* (unix seconds)."""

    job_id: str
    at: float


class Keeps:
    """The table `keeps`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, session: Session, job_id: str, user_id: int, now: float) -> None:
        """Save a job. Idempotent."""
        await session.run("INSERT INTO keeps VALUES (?, ?, ?) ON CONFLICT DO NOTHING", job_id, user_id, now)

    async def lift(self, job_id: str, user_id: int) -> None:
        async with self._database.transaction() as session:
            await session.run("DELETE FROM keeps WHERE job_id = ? AND user_id = ?", job_id, user_id)

    async def forget(self, session: Session, job_id: str) -> None:
        """Remove all saves of a job, because it was taken down."""
        await session.run("DELETE FROM keeps WHERE job_id = ?", job_id)

    async def keepers(self, job_id: str, session: Session | None = None) -> frozenset[int]:
        async with self._database.reading(session) as own:
            rows = await own.all("SELECT user_id FROM keeps WHERE job_id = ?", job_id)
        return frozenset(row[0] for row in rows)

    async def among(self, user_id: int, job_ids: Collection[str]) -> frozenset[str]:
        marks = ", ".join("?" * len(job_ids))
        async with self._database.reading() as session:
            rows = await session.all(
                f"SELECT job_id FROM keeps WHERE user_id = ? AND job_id IN ({marks})",  # noqa: S608 - question marks
                user_id,
                *job_ids,
            )
        return frozenset(row[0] for row in rows)

    async def of_person(self, user_id: int) -> list[Keep]:
        """All saves of this person, oldest first."""
        async with self._database.reading() as session:
            rows = await session.all("SELECT job_id, at FROM keeps WHERE user_id = ? ORDER BY at, job_id", user_id)
        return [Keep(*row) for row in rows]

    async def pictures_of(self, user_id: int, session: Session | None = None) -> int:
        """Number of pictures on disk that this person saved."""
        async with self._database.reading(session) as own:
            row = await own.one(
                "SELECT count(*) FROM keeps JOIN pictures USING (job_id) WHERE user_id = ? AND path IS NOT NULL",
                user_id,
            )
        return 0 if row is None else int(row[0])

    async def bytes(self, session: Session) -> int:
        row = await session.one(
            "SELECT coalesce(sum(size), 0) FROM pictures"
            " WHERE path IS NOT NULL AND job_id IN (SELECT job_id FROM keeps)"
        )
        return 0 if row is None else int(row[0])
