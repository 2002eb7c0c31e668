"""Who keeps what: pictures that retention passes over. Anybody keeps a job, with all its pictures, for themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.storage.database import Database, Session


@dataclass(frozen=True, slots=True)
class Keep:
    """One job that somebody keeps, since *at* (unix seconds)."""

    job_id: str
    at: float


class Keeps:
    """The table `keeps`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, session: Session, job_id: str, user_id: int, now: float) -> None:
        """Keep it; repeating it changes nothing."""
        await session.run("INSERT INTO keeps VALUES (?, ?, ?) ON CONFLICT DO NOTHING", job_id, user_id, now)

    async def lift(self, job_id: str, user_id: int) -> None:
        """This person keeps it no longer."""
        async with self._database.transaction() as session:
            await session.run("DELETE FROM keeps WHERE job_id = ? AND user_id = ?", job_id, user_id)

    async def forget(self, session: Session, job_id: str) -> None:
        """It was taken away: nobody keeps it any longer."""
        await session.run("DELETE FROM keeps WHERE job_id = ?", job_id)

    async def keepers(self, job_id: str, session: Session | None = None) -> frozenset[int]:
        """Everybody who keeps it."""
        async with self._database.reading(session) as own:
            rows = await own.all("SELECT user_id FROM keeps WHERE job_id = ?", job_id)
        return frozenset(row[0] for row in rows)

    async def among(self, user_id: int, job_ids: Collection[str]) -> frozenset[str]:
        """Which of these jobs this person keeps."""
        marks = ", ".join("?" * len(job_ids))
        async with self._database.reading() as session:
            rows = await session.all(
                f"SELECT job_id FROM keeps WHERE user_id = ? AND job_id IN ({marks})",  # noqa: S608 - question marks
                user_id,
                *job_ids,
            )
        return frozenset(row[0] for row in rows)

    async def of_person(self, user_id: int) -> list[Keep]:
        """All that this person keeps, the longest kept first."""
        async with self._database.reading() as session:
            rows = await session.all("SELECT job_id, at FROM keeps WHERE user_id = ? ORDER BY at, job_id", user_id)
        return [Keep(*row) for row in rows]

    async def pictures_of(self, user_id: int, session: Session | None = None) -> int:
        """How many pictures on the disk this person keeps."""
        async with self._database.reading(session) as own:
            row = await own.one(
                "SELECT count(*) FROM keeps JOIN pictures USING (job_id) WHERE user_id = ? AND path IS NOT NULL",
                user_id,
            )
        return 0 if row is None else int(row[0])

    async def bytes(self, session: Session) -> int:
        """Disk that kept pictures take, whoever keeps them."""
        row = await session.one(
            "SELECT coalesce(sum(size), 0) FROM pictures"
            " WHERE path IS NOT NULL AND job_id IN (SELECT job_id FROM keeps)"
        )
        return 0 if row is None else int(row[0])
