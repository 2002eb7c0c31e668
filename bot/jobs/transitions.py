"""How a job leaves a state: each way is ONE transaction, guarded by state and attempt, and then the board hears of it.

An end books state, charge or refund, and the outbox row together, so that one job has one charge and one final message
wherever the bot dies. Saying an end twice, or too late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.config.settings import Config
from bot.errors import SetAside
from bot.failpoints import crashpoint
from bot.jobs.registry import JobRegistry
from bot.models.comparison import share_of
from bot.models.job import JobRow, JobState, owner_of
from bot.policy.quota import Quota
from bot.policy.server_rules import Choices
from bot.storage import Store
from bot.storage.database import Session
from bot.text import because
from engine.errors import Cancelled, DreamError
from engine.protocol.messages import Picture, Result


class JobTransitions:
    """Books what happens to jobs. *clock* is unix seconds."""

    def __init__(
        self, config: Config, store: Store, ledger: Quota, board: JobRegistry, clock: Callable[[], float]
    ) -> None:
        self._config = config
        self._store = store
        self._ledger = ledger
        self._registry = board
        self._clock = clock

    async def recover(self) -> None:
        """After a start: what the last life left. Jobs that ran are orphans, and not to blame for it."""
        for job_id, attempt in await self._store.jobs.unreadable():
            await self._give_up(job_id, attempt)
        for job in await self._store.jobs.alive():
            if job.state is JobState.RUNNING:
                await self.hand_back(job)
        for job in await self._store.jobs.alive():
            self._registry.join(job)

    async def start(self, job: JobRow) -> JobRow | None:
        """queued → running; None if the job was cancelled meanwhile."""
        now = self._clock()
        async with self._store.transaction() as session:
            if not await self._store.jobs.start(session, job.id, job.attempt, now):
                return None
        crashpoint("started")
        current = self._registry.row(job.id, job.attempt)
        if current is None:  # cancelled between the commit and here
            return None
        started = replace(current, state=JobState.RUNNING, started_at=now)
        self._registry.started(started)
        return started

    async def picture(self, job: JobRow, picture: Picture) -> None:
        """File first, then its row; a picture of an attempt that is over leaves no row."""
        path = await self._store.pictures.keep(job, picture)
        crashpoint("picture file")
        async with self._store.transaction() as session:
            row = await self._store.pictures.insert(session, picture, path, self._clock())
            if row is not None and row.facts.get("covered"):
                await self._store.jobs.cover(session, job.id)
        crashpoint("picture row")
        current = self._registry.row(job.id, job.attempt)
        if row is not None and current is not None:
            if row.facts.get("covered"):
                current = replace(current, origin=replace(current.origin, spoiler=True))
            self._registry.finished_one(current, row)

    async def done(self, job: JobRow, result: Result) -> None:
        """running → done: what was painted is charged."""

        async def also(session: Session, now: float) -> None:
            long = now - job.created_at >= self._config.delivery.ping_after_seconds
            if long and (await self._choices(session, job)).pings:
                await self._store.deliveries.add(session, job.id, "ping", now)

        text = "\n".join(result.notes)
        await self._end(job, _End(JobState.DONE, text=text, seconds=result.seconds), also, attempt=job.attempt)

    async def failed(self, job: JobRow, error: DreamError) -> None:
        """To failed, in *error*'s words; nothing is charged. What is painted in parts is kept, and done."""
        await self._end(job, _End(JobState.FAILED, error.code, str(error)), _nothing, attempt=job.attempt)

    async def cancelled(self, job: JobRow, moderator: int | None = None, reason: str = "") -> JobRow | None:
        """To cancelled, in whichever attempt it is; nothing is charged. None if it had ended already.

        What is painted in parts is kept, and done.
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

    async def died(self, job: JobRow) -> None:
        """The engine died under it: back to the queue, or set aside with an apology.

        Who was not alone in it is a suspect, no more, however often: it is tried again by itself (`Ticket.alone`).
        """
        deaths = job.deaths + 1
        if deaths >= self._config.queue.deaths and self._registry.was_alone(job.id):
            await self.failed(job, apology(deaths))
        else:
            await self._go_back(job, deaths)

    async def hand_back(self, job: JobRow) -> None:
        """Back to the queue through no fault of its own: we are stopping, have just started, or the engine was away."""
        await self._go_back(job, job.deaths)

    async def went_on(self, job: JobRow, painted: float) -> None:
        """A part is painted, and the rest waits for its turn; what gets on has killed nobody.

        *painted* (0…1): of what was handed out.
        """
        await self._go_back(job, 0, painted)

    async def _give_up(self, job_id: str, attempt: int) -> None:
        """A job that another version took and this one cannot read: nobody could show it, but nobody pays for it."""
        now, why = self._clock(), "This job was taken by another version of the bot, which alone can read it."
        async with self._store.transaction() as session:
            await self._store.jobs.end(
                session, job_id, attempt, JobState.FAILED, now, error_code="InvalidRequest", error_text=why
            )
            await self._ledger.refund(session, job_id, now)

    async def _choices(self, session: Session, job: JobRow) -> Choices:
        """What the job's owner has chosen, as it is now."""
        return Choices.read(await self._store.settings.all("person", str(job.origin.user_id), session))

    async def _go_back(self, job: JobRow, deaths: int, painted: float = 0.0) -> None:
        """To the next attempt, which paints everything again; what is painted in parts, what is missing."""
        async with self._store.transaction() as session:
            if not await self._store.jobs.go_back(session, job.id, job.attempt, deaths):
                return
            if not job.in_parts:
                await self._store.pictures.drop_rows(session, job.id)
        crashpoint("went back")
        current = self._registry.row(job.id, job.attempt)
        if current is not None:
            back = replace(current, attempt=job.attempt + 1, deaths=deaths, state=JobState.QUEUED)
            self._registry.went_back(back if job.in_parts else replace(back, started_at=None, pictures=()), painted)

    async def _end(
        self, job: JobRow, end: _End, also: Callable[[Session, float], Awaitable[None]], *, attempt: int | None
    ) -> JobRow | None:
        now = self._clock()
        async with self._store.transaction() as session:
            pictures = await self._store.pictures.of_job(job.id, session)
            if job.in_parts and pictures:
                end = end.cut_short(len(pictures), job.request.count)
            if not await self._store.jobs.end(
                session, job.id, attempt, end.state, now, error_code=end.code, error_text=end.text, seconds=end.seconds
            ):
                return None
            share = share_of(job.request, {picture.index for picture in pictures})
            await self._settle(session, job, end.state, share, now)
            await also(session, now)
            await self._store.deliveries.add(session, job.id, "result", now)
        crashpoint("ended")
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

    async def _settle(self, session: Session, job: JobRow, state: JobState, share: float, now: float) -> None:
        """What was painted is charged, if it is somebody's; all the rest comes back."""
        if state is JobState.DONE:
            await self._ledger.charge(session, job.id, now, share)
        else:
            await self._ledger.refund(session, job.id, now)


@dataclass(frozen=True, slots=True)
class _End:
    """How a job ends: its state, an error's code and words, how long the phases took."""

    state: JobState
    code: str = ""
    text: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    def cut_short(self, painted: int, wanted: int) -> _End:
        """The end of something of which so many pictures are painted: they stay, and are done."""
        if self.state is JobState.DONE:
            return self
        how = "Stopped" if self.state is JobState.CANCELLED else "This ended"
        words = f"{how} after {painted} of {wanted} pictures; only those count."
        return _End(JobState.DONE, self.code, f"{words} {self.text}".strip())


async def _nothing(session: Session, now: float) -> None:
    """Nothing else has to be booked."""


def apology(deaths: int) -> SetAside:
    """What the owner of a job reads that was there each time."""
    return SetAside(
        f"Sorry: the engine broke down {_times(deaths)} while it painted this, so it will not be tried again. "
        "Other settings may work."
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
