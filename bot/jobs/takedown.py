"""Where jobs are shown no longer: a message of a job that has gone, or all of them. Knows no Discord.

With the last message nothing is to be said about the job any more, and nobody keeps its pictures any longer; they stay
in their owner's history.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.models.job import JobRow, owner_of
from bot.storage import Store
from bot.storage.database import Session, unbroken


class Takedowns:
    """Books deletions: each is one transaction, on record if it was not the owner's. *clock* is unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def of(self, job: JobRow) -> list[tuple[int, int]]:
        """(channel, message) of every message that shows it, oldest first."""
        return await self._store.messages.of_job(job.id)

    async def lost(self, channel_id: int, message_id: int) -> None:
        """Somebody has deleted that message by hand."""
        async with self._store.transaction() as session:
            await self._store.messages.forget(session, channel_id, message_id)

    async def discard(self, job: JobRow, by: int, server_id: int | None) -> None:
        """All messages are to go, which is noted for as long as it takes. *by* whom, a moderator of *server_id*."""
        await unbroken(self._discard(job, by, server_id))

    async def taken_down(
        self, job: JobRow, channel_id: int, message_id: int, by: int, server_id: int | None, *, later: bool = False
    ) -> bool:
        """One message of a job that is over has gone, or is to go *later*; whether it was the last one."""
        return await unbroken(self._taken_down(job, channel_id, message_id, by, server_id, later))

    async def _discard(self, job: JobRow, by: int, server_id: int | None) -> None:
        async with self._store.transaction() as session:
            await self._store.messages.condemn(session, job.id)
            await self._shown_no_more(session, job)
            await self._record(session, job, by, server_id)

    async def _taken_down(
        self, job: JobRow, channel_id: int, message_id: int, by: int, server_id: int | None, later: bool
    ) -> bool:
        async with self._store.transaction() as session:
            await self._store.messages.forget(session, channel_id, message_id)
            if later:
                await self._store.farewells.remove_later(session, channel_id, message_id)
            if last := not await self._store.messages.left(session, job.id):
                await self._shown_no_more(session, job)
            elif message_id == job.message_id:  # its end need not be told there any more
                await self._store.deliveries.drop(session, job.id, self._clock())
            await self._record(session, job, by, server_id)
        return last

    async def _shown_no_more(self, session: Session, job: JobRow) -> None:
        await self._store.deliveries.drop(session, job.id, self._clock())
        await self._store.keeps.forget(session, job.id)

    async def _record(self, session: Session, job: JobRow, by: int, server_id: int | None) -> None:
        if not job.owned_by(by):
            await self._store.audit.add(
                owner_of(by), "delete", job.id, self._clock(), session, server_id=server_id, owner=job.owner
            )
