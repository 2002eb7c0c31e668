"""Blocks of people, reports of pictures (one per job, one voice per person), settings, the audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal, TypeAlias

from bot.models.audit import AuditEntry, AuditFilter
from bot.storage.database import Session, Table, record

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


class Blocks(Table):
    """The table `blocks`."""

    async def put(self, session: Session, block: Block) -> None:
        await session.run("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)", *astuple(block))

    async def lift(self, session: Session, server_id: int, user_id: int) -> bool:
        """Delete a block; False if none exists."""
        return await session.any(
            "DELETE FROM blocks WHERE server_id = ? AND user_id = ? RETURNING 1", server_id, user_id
        )

    async def find(
        self, user_id: int, server_id: int | None, now: float, session: Session | None = None
    ) -> Block | None:
        """The block that applies to this person there at *now*; a block in all servers goes first."""
        row = await (session or self.database).one(
            "SELECT * FROM blocks WHERE user_id = ? AND server_id IN (0, ?)"
            " AND (until IS NULL OR until > ?) ORDER BY server_id",
            user_id,
            server_id or EVERYWHERE,
            now,
        )
        return None if row is None else Block(*row)

    async def of_server(self, server_id: int, now: float) -> list[Block]:
        """Blocks of that server at *now*, newest first."""
        rows = await self.database.all(
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
    voices: tuple[Voice, ...] = ()


class Reports(Table):
    """The tables `reports` and `report_voices`."""

    async def find(self, job_id: str, session: Session | None = None) -> Report | None:
        """The report of a job with its voices, oldest first; None without a report."""
        async with self.database.reading(session) as own:
            row = await own.one("SELECT * FROM reports WHERE job_id = ?", job_id)
            rows = await own.all(
                "SELECT user_id, reason, at FROM report_voices WHERE job_id = ? ORDER BY at, user_id", job_id
            )
        voices = tuple(Voice(*voice) for voice in rows)
        return None if row is None else record(Report, row, voices=voices)

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
        return await session.any(
            "INSERT INTO report_voices VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            job_id,
            voice.user_id,
            voice.reason,
            voice.at,
        )

    async def drop_voice(self, job_id: str, user_id: int) -> None:
        """Delete a voice, and the report if that was its last one: the moderators could not be told."""
        async with self.database.transaction() as session:
            await session.run("DELETE FROM report_voices WHERE job_id = ? AND user_id = ?", job_id, user_id)
            await session.run(
                "DELETE FROM reports WHERE job_id = ?1 AND NOT EXISTS (SELECT 1 FROM report_voices WHERE job_id = ?1)",
                job_id,
            )

    async def voices_since(self, session: Session, user_id: int, since: float) -> int:
        """Number of reports by this person since *since* (unix seconds)."""
        return await session.number("SELECT count(*) FROM report_voices WHERE user_id = ? AND at > ?", user_id, since)

    async def posted(self, job_id: str, channel_id: int, message_id: int) -> None:
        async with self.database.transaction() as session:
            known = await session.any(
                "UPDATE reports SET channel_id = ?, message_id = ? WHERE job_id = ? RETURNING 1",
                channel_id,
                message_id,
                job_id,
            )
            if not known:
                await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", channel_id, message_id)

    async def close(self, session: Session, job_id: str, state: ReportState, by: str, now: float) -> bool:
        """Close an open report; False if it was closed before."""
        return await session.any(
            "UPDATE reports SET state = ?, closed_by = ?, closed_at = ?"
            " WHERE job_id = ? AND state = 'open' RETURNING 1",
            state,
            by,
            now,
            job_id,
        )


Scope: TypeAlias = Literal["bot", "server", "channel", "person"]


class SettingsTable(Table):
    """The table `settings`: JSON values by scope, subject (the id of a server, channel or person) and key."""

    async def all(self, scope: Scope, subject: str = "", session: Session | None = None) -> dict[str, object]:
        rows = await (session or self.database).all(
            "SELECT key, value FROM settings WHERE scope = ? AND subject = ?", scope, subject
        )
        return {row["key"]: json.loads(row["value"]) for row in rows}

    async def each(
        self, subjects: Sequence[tuple[Scope, str]], session: Session | None = None
    ) -> list[dict[str, object]]:
        """What `all` returns for each (scope, subject), by one query."""
        rows = await (session or self.database).all(
            "SELECT settings.* FROM settings JOIN json_each(?)"
            " ON scope = json_extract(json_each.value, '$[0]') AND subject = json_extract(json_each.value, '$[1]')",
            json.dumps(subjects),
        )
        found = {subject: dict[str, object]() for subject in subjects}
        for row in rows:
            found[row["scope"], row["subject"]][row["key"]] = json.loads(row["value"])
        return [found[subject] for subject in subjects]

    async def everywhere(self, scope: Scope, key: str) -> dict[str, object]:
        """Subject → value of one key, for subjects that set it."""
        rows = await self.database.all("SELECT subject, value FROM settings WHERE scope = ? AND key = ?", scope, key)
        return {row["subject"]: json.loads(row["value"]) for row in rows}

    async def put(self, scope: Scope, subject: str, key: str, value: object, session: Session | None = None) -> None:
        """Set one value; None deletes it."""
        async with self.database.within(session) as own:
            if value is None:
                await own.run("DELETE FROM settings WHERE scope = ? AND subject = ? AND key = ?", scope, subject, key)
            else:
                await own.run(
                    "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?)", scope, subject, key, json.dumps(value)
                )

    async def clear(self, scope: Scope, subject: str) -> None:
        await self.database.run("DELETE FROM settings WHERE scope = ? AND subject = ?", scope, subject)


class Audit(Table):
    """The table `audit`. Rows are only added."""

    async def add(
        self,
        actor: str,
        action: str,
        subject: str,
        now: float,
        session: Session | None = None,
        *,
        server_id: int | None = None,
        **details: object,
    ) -> None:
        """Record that *actor* did *action* to *subject*, in a server or (None) as a host in all servers."""
        async with self.database.within(session) as own:
            noted = json.dumps(details, ensure_ascii=False)
            await own.insert(
                "audit", at=now, actor=actor, action=action, subject=subject, details=noted, server_id=server_id
            )

    async def page(
        self, wanted: AuditFilter, limit: int, beside: int | None = None, *, older: bool = True
    ) -> list[AuditEntry]:
        """Entries that match *wanted*, newest first: the last ones, or those next to the entry *beside*."""
        beyond = "" if beside is None else f"AND id {'<' if older else '>'} ?4"
        order = "DESC" if older or beside is None else ""
        rows = await self.database.all(
            f"{_AUDIT} {beyond} ORDER BY id {order} LIMIT ?5",
            *astuple(wanted),
            beside,
            limit,
        )
        found = [record(AuditEntry, row, details=json.loads(row["details"])) for row in rows]
        return found if order else found[::-1]

    async def count(self, wanted: AuditFilter) -> int:
        return await self.database.number(f"SELECT count(*) FROM ({_AUDIT})", *astuple(wanted))  # noqa: S608 - a constant


_AUDIT = """
    SELECT * FROM audit WHERE (?1 IS NULL OR server_id = ?1) AND (?2 = '' OR action = ?2)
    AND (?3 = '' OR ?3 IN (actor, subject, json_extract(details, '$.owner')))
"""
