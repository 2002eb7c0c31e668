"""Settings of servers and people, and the audit log of moderation."""

from __future__ import annotations

import json
import sqlite3
from typing import Literal, TypeAlias

from bot.models.audit import AuditEntry, AuditFilter
from bot.storage.database import Database, Session

Scope: TypeAlias = Literal["bot", "server", "channel", "person"]


class SettingsTable:
    """The table `settings`: JSON values by scope, subject (the id of a server, channel or person) and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, scope: Scope, subject: str = "", session: Session | None = None) -> dict[str, object]:
        async with self._database.reading(session) as own:
            rows = await own.all("SELECT key, value FROM settings WHERE scope = ? AND subject = ?", scope, subject)
        return {row["key"]: json.loads(row["value"]) for row in rows}

    async def everywhere(self, scope: Scope, key: str) -> dict[str, object]:
        """Subject → value of one key, for subjects that set it."""
        async with self._database.reading() as session:
            rows = await session.all("SELECT subject, value FROM settings WHERE scope = ? AND key = ?", scope, key)
        return {row["subject"]: json.loads(row["value"]) for row in rows}

    async def put(self, scope: Scope, subject: str, key: str, value: object, session: Session | None = None) -> None:
        """Set one value; None deletes it."""
        async with self._database.within(session) as own:
            if value is None:
                await own.run("DELETE FROM settings WHERE scope = ? AND subject = ? AND key = ?", scope, subject, key)
            else:
                await own.run(
                    "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?)", scope, subject, key, json.dumps(value)
                )

    async def clear(self, scope: Scope, subject: str, session: Session | None = None) -> None:
        async with self._database.within(session) as own:
            await own.run("DELETE FROM settings WHERE scope = ? AND subject = ?", scope, subject)


class Audit:
    """The table `audit`. Rows are only added."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        async with self._database.within(session) as own:
            await own.run(
                "INSERT INTO audit (at, actor, action, subject, details, server_id) VALUES (?, ?, ?, ?, ?, ?)",
                now,
                actor,
                action,
                subject,
                json.dumps(details, ensure_ascii=False),
                server_id,
            )

    async def newest(self, limit: int = 50, *, server_id: int | None = None) -> list[AuditEntry]:
        """The last entries of one server, or (None) of all, newest first."""
        return await self.page(AuditFilter(server_id), limit)

    async def page(
        self, wanted: AuditFilter, limit: int, beside: int | None = None, *, older: bool = True
    ) -> list[AuditEntry]:
        """Entries that match *wanted*, newest first: the last ones, or those next to the entry *beside*."""
        beyond = "" if beside is None else f"AND id {'<' if older else '>'} ?4"
        order = "DESC" if older or beside is None else ""
        async with self._database.reading() as session:
            rows = await session.all(
                f"{_AUDIT} {beyond} ORDER BY id {order} LIMIT ?5",
                *wanted.values,
                beside,
                limit,
            )
        found = [_entry(row) for row in rows]
        return found if order else found[::-1]

    async def count(self, wanted: AuditFilter) -> int:
        async with self._database.reading() as session:
            row = await session.one(f"SELECT count(*) FROM ({_AUDIT})", *wanted.values)  # noqa: S608 - a constant
        return 0 if row is None else int(row[0])


_AUDIT = """
    SELECT * FROM audit WHERE (?1 IS NULL OR server_id = ?1) AND (?2 = '' OR action = ?2)
    AND (?3 = '' OR ?3 IN (actor, subject, json_extract(details, '$.owner')))
"""


def _entry(row: sqlite3.Row) -> AuditEntry:
    return AuditEntry(row["at"], row["actor"], row["action"], row["subject"], json.loads(row["details"]), row["id"])
