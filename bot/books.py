"""How a job leaves a state: each way is ONE transaction, guarded by state and attempt, and then the board hears of it.

An end books state, charge or refund, and the outbox row together, so that one job has one charge and one final message
wherever the bot dies. Saying an end twice, or too late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.board import Board
from bot.config import Config
from bot.crashpoints import crashpoint
from bot.errors import SetAside
from bot.jobs import JobRow, JobState, owner_of
from bot.quota import Ledger
from bot.rules import Choices
from bot.store import Store
from bot.store.database import Session
from bot.wording import because
from engine.errors import Cancelled, DreamError
from engine.messages import Picture, Result


class Books:
    """Books what happens to jobs. *clock* is unix seconds."""

    def __init__(self, config: Config, store: Store, ledger: Ledger, board: Board, clock: Callable[[], float]) -> None:
        self._config = config
        self._store = store
        self._ledger = ledger
        self._board = board
        self._clock = clock

    async def recover(self) -> None:
        """After a start: what the last life left. Jobs that ran are orphans, and not to blame for it."""
        for job_id, attempt in await self._store.jobs.unreadable():
            await self._give_up(job_id, attempt)
        for job in await self._store.jobs.alive():
            if job.state is JobState.RUNNING:
                await self.hand_back(job)
        for job in await self._store.jobs.alive():
            self._board.join(job)

    async def start(self, job: JobRow) -> JobRow | None:
        """queued → running; None if the job was cancelled meanwhile."""
        now = self._clock()
        async with self._store.transaction() as session:
            if not await self._store.jobs.start(session, job.id, job.attempt, now):
                return None
        crashpoint("started")
        current = self._board.row(job.id, job.attempt)
        if current is None:  # cancelled between the commit and here
            return None
        started = replace(current, state=JobState.RUNNING, started_at=now)
        self._board.started(started)
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
        current = self._board.row(job.id, job.attempt)
        if row is not None and current is not None:
            if row.facts.get("covered"):
                current = replace(current, origin=replace(current.origin, spoiler=True))
            self._board.finished_one(current, row)

    async def done(self, job: JobRow, result: Result) -> None:
        """running → done: what was painted is charged."""
        share = min(len(job.pictures), job.request.count) / job.request.count

        async def settle(session: Session, now: float) -> None:
            await self._ledger.charge(session, job.id, now, share)
            long = now - job.created_at >= self._config.delivery.ping_after_seconds
            if long and (await self._choices(session, job)).pings:
                await self._store.deliveries.add(session, job.id, "ping", now)

        await self._end(job, JobState.DONE, settle, attempt=job.attempt, seconds=result.seconds)

    async def failed(self, job: JobRow, error: DreamError) -> None:
        """To failed, in *error*'s words; nothing is charged."""

        async def settle(session: Session, now: float) -> None:
            await self._ledger.refund(session, job.id, now)

        await self._end(job, JobState.FAILED, settle, attempt=job.attempt, error=error)

    async def cancelled(self, job: JobRow, moderator: int | None = None, reason: str = "") -> JobRow | None:
        """To cancelled, in whichever attempt it is; nothing is charged. None if it had ended already."""

        async def settle(session: Session, now: float) -> None:
            await self._ledger.refund(session, job.id, now)
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

        error = None if moderator is None else Cancelled(f"A moderator cancelled this{because(reason)}")
        return await self._end(job, JobState.CANCELLED, settle, attempt=None, error=error)

    async def died(self, job: JobRow) -> None:
        """The engine died under it: back to the queue, or set aside with an apology.

        Who was not alone in it is a suspect, no more, however often: it is tried again by itself (`Ticket.alone`).
        """
        deaths = job.deaths + 1
        if deaths >= self._config.queue.deaths and self._board.was_alone(job.id):
            await self.failed(job, apology(deaths))
        else:
            await self._go_back(job, died=True)

    async def hand_back(self, job: JobRow) -> None:
        """Back to the queue through no fault of its own: we are stopping, have just started, or the engine was away."""
        await self._go_back(job, died=False)

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

    async def _go_back(self, job: JobRow, *, died: bool) -> None:
        async with self._store.transaction() as session:
            if not await self._store.jobs.go_back(session, job.id, job.attempt, died=died):
                return
            await self._store.pictures.drop_rows(session, job.id)
        crashpoint("went back")
        current = self._board.row(job.id, job.attempt)
        if current is not None:
            self._board.went_back(
                replace(
                    current,
                    attempt=job.attempt + 1,
                    deaths=job.deaths + died,
                    state=JobState.QUEUED,
                    started_at=None,
                    pictures=(),
                )
            )

    async def _end(
        self,
        job: JobRow,
        state: JobState,
        settle: Callable[[Session, float], Awaitable[None]],
        *,
        attempt: int | None,
        error: DreamError | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> JobRow | None:
        now = self._clock()
        code, text = (error.code, str(error)) if error else ("", "")
        async with self._store.transaction() as session:
            if not await self._store.jobs.end(
                session, job.id, attempt, state, now, error_code=code, error_text=text, seconds=seconds
            ):
                return None
            await settle(session, now)
            await self._store.deliveries.add(session, job.id, "result", now)
        crashpoint("ended")
        ended = replace(
            self._board.row(job.id) or job,
            state=state,
            finished_at=now,
            error_code=code,
            error_text=text,
            seconds=dict(seconds or {}),
        )
        self._board.ended(ended)
        return ended


def apology(deaths: int) -> SetAside:
    """What the owner of a job reads that was there each time."""
    return SetAside(
        f"Sorry: the engine broke down {_times(deaths)} while it painted this, so it will not be tried again. "
        "Nothing was charged; other settings may work."
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
