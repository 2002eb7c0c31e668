"""The tables `charges` (one row per job) and `credits`. `bot.policy.quota` decides about windows and limits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from bot.storage.database import Session, Table, record


@dataclass(frozen=True, slots=True)
class Charge:
    """What one job reserves or has cost, in pixel steps."""

    job_id: str
    owner: str
    state: Literal["reserved", "charged", "refunded"]
    reserved: int
    from_credit: int
    charged: int
    charged_credit: int
    reserved_at: float

    @property
    def counted(self) -> int:
        """Pixel steps that count against the allowance."""
        if self.state == "reserved":
            return self.reserved - self.from_credit
        return self.charged - self.charged_credit


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one owner, in pixel steps. *used* and *held* count since the start of a window, *credit* always."""

    used: int
    held: int
    credit: int
    oldest: float | None
    """Unix seconds of the oldest charge in the window, or None."""


class LedgerRows(Table):
    """The tables `charges` and `credits`."""

    async def totals(self, session: Session, owner: str, since: float) -> Totals:
        """Sums since *since* (unix seconds)."""
        window = await session.one(
            "SELECT coalesce(sum(charged - charged_credit), 0),"
            " coalesce(sum(iif(state = 'reserved', reserved - from_credit, 0)), 0), min(reserved_at)"
            " FROM charges WHERE owner = ? AND reserved_at >= ? AND state <> 'refunded'",
            owner,
            since,
        )
        credit = await session.number(
            "SELECT (SELECT coalesce(sum(amount), 0) FROM credits WHERE owner = ?1)"
            " - (SELECT coalesce(sum(iif(state = 'reserved', from_credit, charged_credit)), 0)"
            "    FROM charges WHERE owner = ?1 AND from_credit > 0)",
            owner,
        )
        assert window is not None
        return Totals(used=window[0], held=window[1], oldest=window[2], credit=credit)

    async def of_server(self, session: Session, server_id: int, since: float) -> int:
        """Pixel steps that all members of a server used or hold since *since*, credit included."""
        return await session.number(
            "SELECT coalesce(sum(iif(state = 'reserved', reserved, charged)), 0)"
            " FROM charges WHERE guild_id = ? AND reserved_at >= ?",
            server_id,
            since,
        )

    async def free_since(self, session: Session, owner: str, since: float) -> int:
        """Number of jobs since *since* that cost nothing; those that failed or never began are left out."""
        return await session.number(
            "SELECT count(*) FROM charges LEFT JOIN jobs ON jobs.id = job_id"
            " WHERE charges.owner = ? AND reserved_at >= ? AND reserved = 0 AND (jobs.id IS NULL"
            " OR (jobs.state <> 'failed' AND (jobs.state <> 'cancelled' OR started_at IS NOT NULL)))",
            owner,
            since,
        )

    async def servers_since(self, session: Session, owner: str, since: float) -> set[int | None]:
        """The servers where that person has asked for jobs since *since*; None stands for other places."""
        return set(
            await session.column(
                "SELECT DISTINCT guild_id FROM charges WHERE owner = ? AND reserved_at >= ?", owner, since
            )
        )

    async def calendars(self, session: Session, servers: Collection[int] | None = None) -> dict[int, dict[str, object]]:
        """Server → its settings of the time zone, for *servers* (None: all) that have some."""
        rows = await session.all(
            "SELECT subject, key, value FROM settings WHERE scope = 'server'"
            " AND key IN ('timezone', 'timezone_from', 'timezone_day')"
            " AND (?1 IS NULL OR subject IN (SELECT CAST(value AS TEXT) FROM json_each(?1)))",
            None if servers is None else json.dumps(list(servers)),
        )
        found: dict[int, dict[str, object]] = {}
        for row in rows:
            found.setdefault(int(row["subject"]), {})[row["key"]] = json.loads(row["value"])
        return found

    async def counted_since(self, session: Session, owner: str, since: float) -> list[Charge]:
        """Charges since *since* that were not refunded, oldest first."""
        rows = await session.all(
            "SELECT * FROM charges WHERE owner = ? AND reserved_at >= ? AND state <> 'refunded' ORDER BY reserved_at",
            owner,
            since,
        )
        return [record(Charge, row) for row in rows]

    async def last_reset(self, session: Session, owner: str) -> float | None:
        row = await session.one("SELECT max(at) FROM credits WHERE owner = ? AND kind = 'reset'", owner)
        return None if row is None else row[0]

    async def find(self, session: Session, job_id: str) -> Charge | None:
        row = await session.one("SELECT * FROM charges WHERE job_id = ?", job_id)
        return None if row is None else record(Charge, row)

    async def reserve(
        self, session: Session, job_id: str, owner: str, guild_id: int | None, amount: int, from_credit: int, now: float
    ) -> None:
        await session.insert(
            "charges",
            job_id=job_id,
            owner=owner,
            guild_id=guild_id,
            state="reserved",
            reserved=amount,
            from_credit=from_credit,
            reserved_at=now,
        )

    async def close(self, session: Session, job_id: str, now: float, charged: int = 0, charged_credit: int = 0) -> None:
        """Close the job's reservation if it is open: charge these pixel steps, 0 for a refund."""
        await session.run(
            "UPDATE charges SET state = ?, charged = ?, charged_credit = ?, closed_at = ?"
            " WHERE job_id = ? AND state = 'reserved'",
            "charged" if charged else "refunded",
            charged,
            charged_credit,
            now,
            job_id,
        )

    async def credit(
        self,
        session: Session,
        owner: str,
        kind: Literal["granted", "reset"],
        amount: int,
        now: float,
        by: str,
        why: str,
    ) -> None:
        """Note *amount* pixel steps at *now* (unix seconds); 0 for a reset. What jobs use of them is in `charges`."""
        await session.insert("credits", owner=owner, kind=kind, amount=amount, at=now, by=by, reason=why)

    async def lines(self, session: Session, owner: str, limit: int) -> list[sqlite3.Row]:
        """Newest rows of both tables: at, kind, amount, job_id, note."""
        return await session.all(
            "SELECT coalesce(closed_at, reserved_at) AS at, state AS kind,"
            " iif(state = 'charged', charged, reserved) AS amount, job_id, '' AS note"
            " FROM charges WHERE owner = ?1"
            " UNION ALL SELECT at, kind, amount, '', reason FROM credits WHERE owner = ?1"
            " ORDER BY at DESC LIMIT ?2",
            owner,
            limit,
        )
