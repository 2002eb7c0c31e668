"""Removes a job's messages from the records: one message, or all of them.

Without a message, the outbox rows are closed, and its pictures lose their stars and leave their votes; they stay in the
owner's history.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.models.job import JobRow, owner_of
from bot.storage import Store
from bot.storage.database import Session, uninterrupted


class Takedowns:
    """Each deletion is one transaction, with an audit row unless the owner did it. *clock* is unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def lost(self, channel_id: int, message_id: int) -> None:
        async with self._store.transaction() as session:
            await self._store.messages.forget(session, channel_id, message_id)

    async def lost_channel(self, channel_id: int) -> None:
        """A channel or thread was deleted with all its messages."""
        async with self._store.transaction() as session:
            await self._store.messages.forget_channel(session, channel_id)

    @uninterrupted
    async def discard(self, job: JobRow, by: int, server_id: int | None) -> None:
        """Schedule all messages for deletion, by the owner or by a moderator of *server_id*."""
        async with self._store.transaction() as session:
            await self._store.messages.schedule_deletion(session, job.id)
            await self._hide(session, job)
            await self._record(session, job, by, server_id)

    @uninterrupted
    async def taken_down(
        self, job: JobRow, channel_id: int, message_id: int, by: int, server_id: int | None, *, later: bool = False
    ) -> bool:
        """One message of a finished job is deleted, or scheduled for it (*later*); True if it was the last one."""
        async with self._store.transaction() as session:
            await self._store.messages.forget(session, channel_id, message_id)
            if later:
                await self._store.erasure.remove_later(session, channel_id, message_id)
            if last := not await self._store.messages.left(session, job.id):
                await self._hide(session, job)
            elif message_id == job.message_id:  # the final update of that message is obsolete
                await self._store.deliveries.drop(session, job.id, self._clock())
            await self._record(session, job, by, server_id)
        return last

    async def _hide(self, session: Session, job: JobRow) -> None:
        await self._store.deliveries.drop(session, job.id, self._clock())
        await self._store.votes.withdraw(session, job.id)
        await self._store.challenges.withdraw_job(session, job.id)
        await self._store.stars.forget(session, job.id)

    async def _record(self, session: Session, job: JobRow, by: int, server_id: int | None) -> None:
        if not job.owned_by(by):
            await self._store.audit.add(
                owner_of(by), "delete", job.id, self._clock(), session, server_id=server_id, owner=job.owner
            )
