"""State changes of jobs: each is one transaction, guarded by state and attempt, followed by an update of the registry.

An end writes state, charge or refund, and outbox row together, so one job has one charge and one final message wherever
the bot crashes. Repeating an end, or reporting it too late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.config.settings import Config
from bot.jobs.registry import JobRegistry
from bot.models.film import FilmRequest
from bot.models.job import RUNNING, JobRow, JobState, owner_of, share_of
from bot.policy.quota import Quota
from bot.policy.server_rules import Preferences
from bot.retry import failpoint
from bot.storage import Store
from bot.storage.database import Session
from bot.text import because
from engine.errors import Cancelled, DreamError
from engine.protocol.messages import Picture, Result


class JobTransitions:
    """Writes job states. *clock* is unix seconds."""

    def __init__(
        self, config: Config, store: Store, quota: Quota, registry: JobRegistry, clock: Callable[[], float]
    ) -> None:
        self._ping_after = config.delivery.ping_after_seconds
        self._store = store
        self._quota = quota
        self._registry = registry
        self._clock = clock

    async def start(self, job: JobRow) -> JobRow | None:
        """queued → running; None if the job was cancelled in the meantime."""
        now = self._clock()
        async with self._store.transaction() as session:
            if not await self._store.jobs.start(session, job.id, job.attempt, now):
                return None
        failpoint("started")
        current = self._registry.row(job.id, job.attempt)
        if current is None:  # cancelled between the commit and here
            return None
        started = replace(current, state=JobState.RUNNING, started_at=now)
        self._registry.started(started)
        return started

    async def picture(self, job: JobRow, picture: Picture) -> None:
        """Store the file, then its row; a picture of an earlier attempt leaves no row."""
        path = await self._store.pictures.keep(job, picture)
        failpoint("picture file")
        async with self._store.transaction() as session:
            row = await self._store.pictures.insert(session, picture, path, self._clock())
            if row is not None and row.facts.get("covered"):
                await self._store.jobs.cover(session, job.id)
        failpoint("picture row")
        current = self._registry.row(job.id, job.attempt)
        if row is not None and current is not None:
            if row.facts.get("covered"):
                current = replace(current, origin=replace(current.origin, spoiler=True))
            self._registry.picture_stored(current, row)

    async def done(self, job: JobRow, result: Result) -> None:
        """running → done; the finished pictures are charged."""

        async def also(session: Session, now: float) -> None:
            long = now - job.created_at >= self._ping_after
            if long and (await Preferences.of(self._store, job.origin.user_id, session)).pings:
                await self._store.deliveries.add(session, job.id, "ping", now)

        text, seconds = "\n".join(result.notes), {**result.seconds, RUNNING: round(self._registry.measured(job.id), 3)}
        await self._end(job, _End(JobState.DONE, text=text, seconds=seconds), also, attempt=job.attempt)

    async def failed(self, job: JobRow, error: DreamError) -> None:
        """→ failed with *error*'s text, refunded. A job with finished parts ends as done and pays for those."""
        await self._end(job, _End(JobState.FAILED, error.code, str(error)), attempt=job.attempt)

    async def cancelled(self, job: JobRow, moderator: int | None = None, reason: str = "") -> JobRow | None:
        """→ cancelled in any attempt, refunded; None if the job had already ended.

        A job with finished parts ends as done and pays for those.
        """

        async def also(session: Session, now: float) -> None:
            if moderator is not None:
                await self._store.audit.add(
                    owner_of(moderator),
                    "cancel",
                    job.id,
                    now,
                    session,
                    server_id=job.origin.server_id,
                    owner=job.owner,
                    reason=reason,
                )

        end = _End(JobState.CANCELLED)
        if moderator is not None:
            end = _End(JobState.CANCELLED, Cancelled.__name__, f"A moderator cancelled this{because(reason)}")
        return await self._end(job, end, also, attempt=None)

    async def requeue(self, job: JobRow, crash_count: int | None = None) -> None:
        """running → queued: the bot stops or has just started, or the engine crashed or was unavailable."""
        await self._go_back(job, job.crash_count if crash_count is None else crash_count)

    async def requeue_part(self, job: JobRow, painted: float) -> None:
        """running → queued after a finished part, which resets `crash_count`.

        *painted* (0…1): the share of the handed-out cost that was used.
        """
        await self._go_back(job, 0, painted)

    async def unreadable(self, job_id: str, attempt: int) -> None:
        """→ failed, refunded: the row was written by another version and cannot be parsed."""
        now, why = self._clock(), "This job was created by another version of the bot and cannot be read."
        async with self._store.transaction() as session:
            await self._store.jobs.end(
                session, job_id, attempt, JobState.FAILED, now, error_code="InvalidRequest", error_text=why
            )
            await self._store.ledger.close(session, job_id, now)

    async def _go_back(self, job: JobRow, crash_count: int, painted: float = 0.0) -> None:
        """Start the next attempt: of everything, or of the missing parts."""
        seconds = {RUNNING: round(self._registry.measured(job.id), 3)} if painted else job.seconds
        async with self._store.transaction() as session:
            if not await self._store.jobs.go_back(session, job.id, job.attempt, crash_count, seconds):
                return
            if not job.in_parts:
                await self._store.pictures.drop_rows(session, job.id)
        failpoint("went back")
        current = self._registry.row(job.id, job.attempt)
        if current is not None:
            back = replace(
                current, attempt=job.attempt + 1, crash_count=crash_count, state=JobState.QUEUED, seconds=dict(seconds)
            )
            self._registry.requeued(back if job.in_parts else replace(back, started_at=None, pictures=()), painted)

    async def _end(
        self,
        job: JobRow,
        end: _End,
        also: Callable[[Session, float], Awaitable[None]] | None = None,
        *,
        attempt: int | None,
    ) -> JobRow | None:
        """Store the end with its charge or refund and its outbox row; *also* adds rows in the same transaction."""
        now = self._clock()
        async with self._store.transaction() as session:
            stored = await self._store.jobs.find(job.id, session)
            pictures = stored.pictures if stored else ()
            if job.in_parts and pictures:
                what = "frames" if isinstance(job.request, FilmRequest) else "pictures"
                end = end.cut_short(len(pictures), job.request.count, what)
            if not await self._store.jobs.end(
                session, job.id, attempt, end.state, now, error_code=end.code, error_text=end.text, seconds=end.seconds
            ):
                return None
            if end.state is JobState.DONE:
                share = share_of(job.request, {picture.index for picture in pictures})
                await self._quota.charge(session, job.id, now, share)
            else:
                await self._store.ledger.close(session, job.id, now)
            if also is not None:
                await also(session, now)
            await self._store.deliveries.add(session, job.id, "result", now)
        failpoint("ended")
        ended = replace(
            self._registry.row(job.id) or job,
            state=end.state,
            finished_at=now,
            error_code=end.code,
            error_text=end.text,
            seconds=dict(end.seconds),
            pictures=pictures,
        )
        self._registry.ended(ended)
        return ended


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a job. *seconds*: phase → duration."""

    state: JobState
    code: str = ""
    text: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    def cut_short(self, painted: int, wanted: int, what: str) -> _End:
        """The end of a job with *painted* of *wanted* pictures or frames (*what*): they stay, so it is done."""
        if self.state is JobState.DONE:
            return self
        how = "Cancelled" if self.state is JobState.CANCELLED else "This ended"
        words = f"{how} after {painted} of {wanted} {what}; you only pay for those."
        return _End(JobState.DONE, self.code, f"{words} {self.text}".strip())
