"""The outbox: final updates and pings that Discord must still get. A row is written with the end of its job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.storage.database import Database, Session

Purpose: TypeAlias = Literal["result", "ping"]
DeliveryState: TypeAlias = Literal["pending", "delivered", "undeliverable", "dropped"]


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One row. *purpose*: the final update of the job's message, or the short reply that pings its owner."""

    job_id: str
    purpose: Purpose
    state: DeliveryState
    tries: int
    not_before: float
    """Unix seconds of the next try."""
    error: str
    """Why the last try failed, or why none is made."""
    created_at: float
    closed_at: float | None


class Deliveries:
    """The table `deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, job_id: str, purpose: Purpose, now: float) -> None:
        """Add a row, once per job and purpose."""
        await session.run(
            "INSERT INTO deliveries (job_id, purpose, state, created_at) VALUES (?, ?, 'pending', ?)"
            " ON CONFLICT DO NOTHING",
            job_id,
            purpose,
            now,
        )

    async def pending(self) -> list[OutboxEntry]:
        """Open rows, oldest first; results before pings of the same time."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT * FROM deliveries WHERE state = 'pending' ORDER BY created_at, purpose DESC, job_id"
            )
        return [OutboxEntry(*row) for row in rows]

    async def find(self, job_id: str, purpose: Purpose = "result") -> OutboxEntry | None:
        async with self._database.reading() as session:
            row = await session.one("SELECT * FROM deliveries WHERE job_id = ? AND purpose = ?", job_id, purpose)
        return None if row is None else OutboxEntry(*row)

    async def tried(self, job_id: str, purpose: Purpose, error: str, not_before: float) -> None:
        """Note a failed try; the next is at *not_before* (unix seconds)."""
        async with self._database.transaction() as session:
            await session.run(
                "UPDATE deliveries SET tries = tries + 1, error = ?, not_before = ?"
                " WHERE job_id = ? AND purpose = ? AND state = 'pending'",
                error,
                not_before,
                job_id,
                purpose,
            )

    async def delivered(self, job_id: str, purpose: Purpose, now: float) -> None:
        """Close the row: Discord has it. Idempotent."""
        await self._close(job_id, purpose, "delivered", "", now)

    async def undeliverable(self, job_id: str, purpose: Purpose, error: str, now: float) -> None:
        """Close the row: no channel, or no permission. The picture stays in its owner's history."""
        await self._close(job_id, purpose, "undeliverable", error, now)

    async def shown(self, job_id: str, now: float) -> None:
        """Mark an undeliverable result as delivered, because its owner saw it in the history."""
        async with self._database.transaction() as session:
            await session.run(
                "UPDATE deliveries SET state = 'delivered', closed_at = ?"
                " WHERE job_id = ? AND purpose = 'result' AND state = 'undeliverable'",
                now,
                job_id,
            )

    async def drop(self, session: Session, job_id: str, now: float) -> None:
        await session.run(
            "UPDATE deliveries SET state = 'dropped', closed_at = ? WHERE job_id = ? AND state = 'pending'", now, job_id
        )

    async def _close(self, job_id: str, purpose: Purpose, state: DeliveryState, error: str, now: float) -> None:
        async with self._database.transaction() as session:
            await session.run(
                "UPDATE deliveries SET state = ?, error = ?, closed_at = ?"
                " WHERE job_id = ? AND purpose = ? AND state = 'pending'",
                state,
                error,
                now,
                job_id,
                purpose,
            )
