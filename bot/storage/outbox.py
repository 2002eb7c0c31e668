"""The outbox: what still has to be said on Discord. A row is written with a job's end and closed when it is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.storage.database import Database, Session

Purpose: TypeAlias = Literal["result", "ping"]
DeliveryState: TypeAlias = Literal["pending", "delivered", "undeliverable", "dropped"]


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One thing to say. *purpose*: the final state of the job's message, or the short reply that pings its owner."""

    job_id: str
    purpose: Purpose
    state: DeliveryState
    tries: int
    not_before: float
    """Unix seconds before which another try is pointless."""
    error: str
    """Why the last try failed, or why it is undeliverable."""
    created_at: float
    closed_at: float | None


class Deliveries:
    """The table `deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, job_id: str, purpose: Purpose, now: float) -> None:
        """Something is to be said; once per job and purpose."""
        await session.run(
            "INSERT INTO deliveries (job_id, purpose, state, created_at) VALUES (?, ?, 'pending', ?)"
            " ON CONFLICT DO NOTHING",
            job_id,
            purpose,
            now,
        )

    async def pending(self) -> list[OutboxEntry]:
        """All that has not been said, oldest first; results before pings of the same moment."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT * FROM deliveries WHERE state = 'pending' ORDER BY created_at, purpose DESC, job_id"
            )
        return [OutboxEntry(*row) for row in rows]

    async def find(self, job_id: str, purpose: Purpose = "result") -> OutboxEntry | None:
        """One row of the outbox, in whatever state."""
        async with self._database.reading() as session:
            row = await session.one("SELECT * FROM deliveries WHERE job_id = ? AND purpose = ?", job_id, purpose)
        return None if row is None else OutboxEntry(*row)

    async def tried(self, job_id: str, purpose: Purpose, error: str, not_before: float) -> None:
        """It did not work; try again at *not_before*."""
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
        """Discord has it. Repeating it changes nothing."""
        await self._close(job_id, purpose, "delivered", "", now)

    async def undeliverable(self, job_id: str, purpose: Purpose, error: str, now: float) -> None:
        """Nobody can be told: no channel, no permission. The picture stays in its owner's history."""
        await self._close(job_id, purpose, "undeliverable", error, now)

    async def shown(self, job_id: str, now: float) -> None:
        """What could not be delivered has been seen after all, in its owner's history."""
        async with self._database.transaction() as session:
            await session.run(
                "UPDATE deliveries SET state = 'delivered', closed_at = ?"
                " WHERE job_id = ? AND purpose = 'result' AND state = 'undeliverable'",
                now,
                job_id,
            )

    async def drop(self, session: Session, job_id: str, now: float) -> None:
        """Nobody wants to be told any more: the message was deleted on purpose."""
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
