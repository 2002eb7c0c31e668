"""Links between jobs and Discord: interaction tokens (for 15 minutes), messages, pings, button presses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.models.job import Origin
from bot.storage.database import Session, Table, record

TOKEN_SECONDS = 15 * 60.0


class InteractionTokens(Table):
    """The table `interactions`, the only place of tokens; they are erased after delivery or 15 minutes."""

    async def insert(self, session: Session, job_id: str, origin: Origin, now: float) -> None:
        if origin.interaction_id is not None and origin.interaction_token:
            await session.insert(
                "interactions",
                job_id=job_id,
                interaction_id=origin.interaction_id,
                token=origin.interaction_token,
                expires_at=now + TOKEN_SECONDS,
            )

    async def find(self, job_id: str, now: float) -> str:
        """The token of the interaction that the job came from; empty once Discord does not accept it any more."""
        rows = await self.database.column(
            "SELECT token FROM interactions WHERE job_id = ? AND expires_at > ?", job_id, now
        )
        return str(rows[0]) if rows else ""

    async def erase_expired(self, now: float) -> None:
        await self.database.run("DELETE FROM interactions WHERE expires_at <= ?", now)


class JobMessages(Table):
    """The table `messages`: message id ↔ job id. A job's current message is its newest one in its channel."""

    async def link(self, job_id: str, channel_id: int, message_id: int, now: float) -> None:
        """Note that a message shows a job; if the job is forgotten, queue the message for deletion. Idempotent."""
        async with self.database.transaction() as session:
            if await _is_known(session, job_id, channel_id, message_id):
                await session.run(
                    "INSERT INTO messages VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    channel_id,
                    message_id,
                    job_id,
                    now,
                )

    async def job_id(self, channel_id: int, message_id: int) -> str | None:
        row = await self.database.one(
            "SELECT job_id FROM messages WHERE channel_id = ? AND message_id = ?", channel_id, message_id
        )
        return None if row is None else str(row[0])

    async def of_job(self, job_id: str) -> list[tuple[int, int]]:
        """(channel id, message id) of all messages that show the job, oldest first."""
        rows = await self.database.all(
            "SELECT channel_id, message_id FROM messages WHERE job_id = ? ORDER BY created_at, message_id", job_id
        )
        return [(row[0], row[1]) for row in rows]

    async def recent(self, since: float, limit: int) -> list[tuple[int, int, str]]:
        """(channel id, message id, job id) of messages posted after *since* (unix seconds), newest first."""
        rows = await self.database.all(
            "SELECT channel_id, message_id, job_id FROM messages WHERE created_at > ?"
            " ORDER BY created_at DESC, message_id DESC LIMIT ?",
            since,
            limit,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def left(self, session: Session, job_id: str) -> bool:
        return await session.any("SELECT 1 FROM messages WHERE job_id = ? LIMIT 1", job_id)

    async def forget(self, session: Session, channel_id: int, message_id: int) -> None:
        """Forget a message that is deleted, or will be."""
        await session.run("DELETE FROM messages WHERE channel_id = ? AND message_id = ?", channel_id, message_id)

    async def forget_channel(self, session: Session, channel_id: int) -> None:
        """Forget all messages of a channel that was deleted."""
        await session.run("DELETE FROM messages WHERE channel_id = ?", channel_id)

    async def schedule_deletion(self, session: Session, job_id: str) -> None:
        await session.run(
            "INSERT OR IGNORE INTO removals SELECT channel_id, message_id FROM messages WHERE job_id = ?", job_id
        )
        await session.run("DELETE FROM messages WHERE job_id = ?", job_id)


class Pings(Table):
    """The table `calls`: short replies that pinged an owner after a long wait."""

    async def note(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Note a ping of the job's owner; if the job is forgotten, queue the message for deletion."""
        async with self.database.transaction() as session:
            if await _is_known(session, job_id, channel_id, message_id):
                await session.run("INSERT OR IGNORE INTO calls VALUES (?, ?, ?)", channel_id, message_id, job_id)

    async def take(self, job_id: str) -> list[tuple[int, int]]:
        """Take the job's pings: (channel id, message id), for deletion."""
        async with self.database.transaction() as session:
            await session.run(
                "INSERT OR IGNORE INTO removals SELECT channel_id, message_id FROM calls WHERE job_id = ?", job_id
            )
            rows = await session.all("DELETE FROM calls WHERE job_id = ? RETURNING channel_id, message_id", job_id)
        return [(row[0], row[1]) for row in rows]


async def _is_known(session: Session, job_id: str, channel_id: int, message_id: int) -> bool:
    """Whether the job exists; if not, its message is queued for deletion."""
    known = await session.any("SELECT 1 FROM jobs WHERE id = ?", job_id)
    if not known:
        await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", channel_id, message_id)
    return known


class Presses(Table):
    """The table `presses`: makes repeated button presses and reactions act once."""

    async def first(self, key: str, now: float, seconds: float, session: Session | None = None) -> bool:
        """True exactly once per *key* within *seconds*, before or after: the clock may have been set back meanwhile."""
        async with self.database.within(session) as own:
            return await own.any(
                "INSERT INTO presses VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET at = ?2"
                " WHERE abs(?2 - at) >= ?3 RETURNING key",
                key,
                now,
                seconds,
            )

    async def release(self, key: str) -> None:
        """Forget a press whose action failed, so that it can be repeated."""
        await self.database.run("DELETE FROM presses WHERE key = ?", key)

    async def forget(self, before: float) -> None:
        await self.database.run("DELETE FROM presses WHERE at < ?", before)


Purpose: TypeAlias = Literal["result", "ping"]
DeliveryState: TypeAlias = Literal["pending", "delivered", "undeliverable", "dropped"]


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One row. *purpose*: the final update of the job's message, or the short reply that pings its owner."""

    job_id: str
    purpose: Purpose
    state: DeliveryState
    error: str
    """Why it is undeliverable."""
    created_at: float


class Deliveries(Table):
    """The table `deliveries`."""

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
        rows = await self.database.all(
            "SELECT * FROM deliveries WHERE state = 'pending' ORDER BY created_at, purpose DESC, job_id"
        )
        return [record(OutboxEntry, row) for row in rows]

    async def find(self, job_id: str, purpose: Purpose = "result") -> OutboxEntry | None:
        row = await self.database.one("SELECT * FROM deliveries WHERE job_id = ? AND purpose = ?", job_id, purpose)
        return None if row is None else record(OutboxEntry, row)

    async def close(self, job_id: str, purpose: Purpose, now: float, error: str = "") -> None:
        """Close the row, and erase the token of the job's interaction. Idempotent.

        *error*: why Discord does not have it; the picture stays in its owner's history.
        """
        async with self.database.transaction() as session:
            await session.run(
                "UPDATE deliveries SET state = ?, error = ?, closed_at = ?"
                " WHERE job_id = ? AND purpose = ? AND state = 'pending'",
                "undeliverable" if error else "delivered",
                error,
                now,
                job_id,
                purpose,
            )
            await session.run("DELETE FROM interactions WHERE job_id = ?", job_id)

    async def shown(self, job_id: str, now: float) -> None:
        """Mark an undeliverable result as delivered, because its owner saw it in the history."""
        await self.database.run(
            "UPDATE deliveries SET state = 'delivered', closed_at = ?"
            " WHERE job_id = ? AND purpose = 'result' AND state = 'undeliverable'",
            now,
            job_id,
        )

    async def drop(self, session: Session, job_id: str, now: float) -> None:
        await session.run(
            "UPDATE deliveries SET state = 'dropped', closed_at = ? WHERE job_id = ? AND state = 'pending'", now, job_id
        )
