"""What people have reported to moderators: one report per job, one voice per person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from bot.storage.database import Database, Session

ReportState: TypeAlias = Literal["open", "deleted", "blocked", "dismissed"]


@dataclass(frozen=True, slots=True)
class Voice:
    """One person's report of a job."""

    user_id: int
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was reported about one job. Its message is in *channel_id*, once *message_id* is known."""

    job_id: str
    server_id: int
    channel_id: int
    message_id: int | None
    shown_at: str
    state: ReportState
    closed_by: str
    at: float
    closed_at: float | None
    voices: tuple[Voice, ...] = ()


class Reports:
    """The tables `reports` and `report_voices`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, job_id: str, session: Session | None = None) -> Report | None:
        """The report of a job, with all voices, the first one first."""
        async with self._database.reading(session) as own:
            row = await own.one("SELECT * FROM reports WHERE job_id = ?", job_id)
            rows = await own.all(
                "SELECT user_id, reason, at FROM report_voices WHERE job_id = ? ORDER BY at, user_id", job_id
            )
        voices = tuple(Voice(*voice) for voice in rows)
        return None if row is None else replace(Report(*row), voices=voices)

    async def open(
        self, session: Session, job_id: str, server_id: int, channel_id: int, shown_at: str, now: float
    ) -> None:
        """Begin a report, if there is none."""
        await session.run(
            "INSERT INTO reports (job_id, server_id, channel_id, shown_at, state, at) VALUES (?, ?, ?, ?, 'open', ?)"
            " ON CONFLICT DO NOTHING",
            job_id,
            server_id,
            channel_id,
            shown_at,
            now,
        )

    async def add_voice(self, session: Session, job_id: str, voice: Voice) -> bool:
        """One more person; False if they have reported it before."""
        row = await session.one(
            "INSERT INTO report_voices VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            job_id,
            voice.user_id,
            voice.reason,
            voice.at,
        )
        return row is not None

    async def drop_voice(self, job_id: str, user_id: int) -> None:
        """Nobody could be told: this report was none. A report without voices goes too."""
        async with self._database.transaction() as session:
            await session.run("DELETE FROM report_voices WHERE job_id = ? AND user_id = ?", job_id, user_id)
            await session.run(
                "DELETE FROM reports WHERE job_id = ?1 AND NOT EXISTS (SELECT 1 FROM report_voices WHERE job_id = ?1)",
                job_id,
            )

    async def voices_since(self, session: Session, user_id: int, since: float) -> int:
        """How often this person has reported something lately."""
        row = await session.one("SELECT count(*) FROM report_voices WHERE user_id = ? AND at > ?", user_id, since)
        return 0 if row is None else int(row[0])

    async def posted(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Moderators can read it there; of a job that was forgotten meanwhile it has to be deleted."""
        async with self._database.transaction() as session:
            known = await session.one(
                "UPDATE reports SET channel_id = ?, message_id = ? WHERE job_id = ? RETURNING 1",
                channel_id,
                message_id,
                job_id,
            )
            if known is None:
                await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", channel_id, message_id)

    async def close(self, session: Session, job_id: str, state: ReportState, by: str, now: float) -> bool:
        """Deal with it; False if somebody has done so before."""
        row = await session.one(
            "UPDATE reports SET state = ?, closed_by = ?, closed_at = ?"
            " WHERE job_id = ? AND state = 'open' RETURNING 1",
            state,
            by,
            now,
            job_id,
        )
        return row is not None
