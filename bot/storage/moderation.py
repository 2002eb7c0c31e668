"""Blocks of people, and reports of pictures: one report per job, one voice per person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from bot.storage.database import Database, Session

EVERYWHERE = 0
"""The server id of a block in all servers."""
ReportState: TypeAlias = Literal["open", "deleted", "blocked", "dismissed"]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of one person in one server. Times are unix seconds; *until* None: until it is lifted."""

    server_id: int
    user_id: int
    actor: str
    reason: str
    at: float
    until: float | None


class Blocks:
    """The table `blocks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, session: Session, block: Block) -> None:
        await session.run(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            block.server_id,
            block.user_id,
            block.actor,
            block.reason,
            block.at,
            block.until,
        )

    async def lift(self, session: Session, server_id: int, user_id: int) -> bool:
        """Delete a block; False if none exists."""
        row = await session.one(
            "DELETE FROM blocks WHERE server_id = ? AND user_id = ? RETURNING 1", server_id, user_id
        )
        return row is not None

    async def find(
        self, user_id: int, server_id: int | None, now: float, session: Session | None = None
    ) -> Block | None:
        """The block that applies to this person there at *now*; a block in all servers goes first."""
        async with self._database.reading(session) as own:
            row = await own.one(
                "SELECT * FROM blocks WHERE user_id = ? AND server_id IN (0, ?)"
                " AND (until IS NULL OR until > ?) ORDER BY server_id",
                user_id,
                server_id or EVERYWHERE,
                now,
            )
        return None if row is None else Block(*row)

    async def of_server(self, server_id: int, now: float) -> list[Block]:
        """Blocks of that server at *now*, newest first."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT * FROM blocks WHERE server_id = ? AND (until IS NULL OR until > ?) ORDER BY at DESC",
                server_id,
                now,
            )
        return [Block(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Voice:
    user_id: int
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Report:
    """All reports of one job. The moderators' message is *message_id* in *channel_id*; None before it is posted."""

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
        """The report of a job with its voices, oldest first; None if there is none."""
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
        """Insert a report; an existing one stays."""
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
        """Add a person's report; False if they have reported the job before."""
        row = await session.one(
            "INSERT INTO report_voices VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            job_id,
            voice.user_id,
            voice.reason,
            voice.at,
        )
        return row is not None

    async def drop_voice(self, job_id: str, user_id: int) -> None:
        """Delete a voice, and the report if that was its last one: the moderators could not be told."""
        async with self._database.transaction() as session:
            await session.run("DELETE FROM report_voices WHERE job_id = ? AND user_id = ?", job_id, user_id)
            await session.run(
                "DELETE FROM reports WHERE job_id = ?1 AND NOT EXISTS (SELECT 1 FROM report_voices WHERE job_id = ?1)",
                job_id,
            )

    async def voices_since(self, session: Session, user_id: int, since: float) -> int:
        """Number of reports by this person since *since* (unix seconds)."""
        row = await session.one("SELECT count(*) FROM report_voices WHERE user_id = ? AND at > ?", user_id, since)
        return 0 if row is None else int(row[0])

    async def posted(self, job_id: str, channel_id: int, message_id: int) -> None:
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
        """Close an open report; False if it was closed before."""
        row = await session.one(
            "UPDATE reports SET state = ?, closed_by = ?, closed_at = ?"
            " WHERE job_id = ? AND state = 'open' RETURNING 1",
            state,
            by,
            now,
            job_id,
        )
        return row is not None
