"""The life of a job: admission, fair queue, engine, end. Every step that a crash must not lose is one transaction.

    submit  ──► Admission ──► JobRegistry (fair queue, ETA) ──► EngineLoop ──► engine
    updates ◄── JobRegistry ◄── JobTransitions (storage, quota) ◄── EngineLoop ◄──┘

One transaction each: submission (job, reservation, interaction), start, every picture, the end (state, charge or
refund, outbox).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from bot.config.settings import Config
from bot.errors import NotAllowed, NothingToCancel, PlaceGone, Refused, ShuttingDown, StoreError
from bot.jobs.admission import Admission, Submission
from bot.jobs.engine_loop import EngineLoop
from bot.jobs.recovery import Recovery
from bot.jobs.registry import JobRegistry
from bot.jobs.retention import EVERY_SECONDS, ClockMonitor, Retention
from bot.jobs.takedown import Takedowns
from bot.jobs.transitions import JobTransitions
from bot.models.job import RUNNING, JobRow, JobState, Update
from bot.pictures.nsfw_check import NsfwCheck
from bot.policy.cost_confirmation import CostConfirmation
from bot.policy.limits import check_room
from bot.policy.quota import Quota
from bot.retry import supervise
from bot.scheduling.throughput import PastJob, Workload
from bot.storage import Store
from bot.storage.database import unbroken, uninterrupted
from engine.client.local import Engine
from engine.protocol.messages import RESTARTS, Ready

log = logging.getLogger(__name__)

_LEARN_FROM = 50
"""Finished jobs from which durations are learnt at start-up."""
_REMEMBER_SECONDS = 3600.0
"""After a restart, costs within this time still count in the fair order."""
_OVER: Mapping[JobState, str] = {
    JobState.DONE: "This picture is already finished; there is nothing to cancel.",
    JobState.FAILED: "This job has already failed; there is nothing to cancel.",
    JobState.CANCELLED: "This job is already cancelled.",
}


class JobService:
    """One per bot. The caller opens *store* and starts *engine*, and closes both after `close`.

    *clock* is unix seconds and may jump; *ticks* (seconds of a monotonic clock; default *clock*) measures durations.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self.registry = JobRegistry(clock, ticks)
        self.quota = Quota(config, store.ledger, store.audit, clock)
        self.takedowns = Takedowns(store, clock)
        self.confirmation = CostConfirmation(config, store, self.quota, clock)
        self.admission = Admission(config, store, self.quota, clock)
        self._transitions = JobTransitions(config, store, self.quota, self.registry, clock)
        safety = NsfwCheck(engine, config.safety) if config.safety.enabled else None
        self._recovery = Recovery(store, self.registry, self._transitions, config.queue.deaths)
        self._engine_loop = EngineLoop(store, engine, self.registry, self._transitions, self._recovery, safety)
        self._retention = Retention(config, store)
        self._clock_monitor = ClockMonitor()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def ready(self) -> Ready | None:
        """What the engine can do, or why it cannot start; None while it restarts."""
        return self._engine_loop.ready

    def unavailable(self) -> Mapping[str, str]:
        """Methods, models and upscalers that this engine cannot use, with the reason."""
        return self.ready.unavailable if self.ready else {}

    async def start(self, *, paused: bool = False) -> None:
        """Recover the jobs of the previous run (running ones return to the queue) and start the loops.

        *paused*: no job is handed over before `resume`.
        """
        await self._tidy_once()
        self.registry.throughput.replay(
            PastJob(job.id, Workload.of(job.request), job.finished_at - seconds, job.finished_at, *_rendered_by(job))
            for job in await self._store.jobs.lately_done(_LEARN_FROM)
            if (seconds := job.seconds.get(RUNNING)) and job.finished_at and not job.in_parts
        )
        self.registry.queue.remember(await self._store.jobs.costs_since(self._clock() - _REMEMBER_SECONDS))
        await self._recovery.after_start()
        self._begin("hand over", self._engine_loop.hand_over)
        self._begin("listen", self._engine_loop.listen)
        self._begin("tidy", self._tidy)
        if not paused:
            self._engine_loop.resume()

    def resume(self) -> None:
        """Hand over jobs, after a paused start. Idempotent."""
        self._engine_loop.resume()

    async def restart_engine(self) -> int:
        """Replace the engine's processes one at a time, each after its present jobs; returns the number of workers.

        Raises Refused if they are about to restart, EngineRestarting or EngineUnusable without an engine.
        """
        workers = self.ready.workers if self.ready else ()
        if restarting := [worker.name for worker in workers if worker.trouble == RESTARTS]:
            raise Refused(f"The restart has begun already: {restarting[0]} is next.")
        await self._engine_loop.restart()
        return max(len(workers), 1)

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Refuse new jobs, give running ones *drain_seconds*, return the rest to the queue. Idempotent."""
        self._closing = True
        self._engine_loop.stop_handing_over()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._idle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self.registry.handed_out():
            try:
                await self._transitions.requeue(job)
                if (back := self.registry.row(job.id)) is not None:
                    self.registry.tell(Update(back, parting=True))
            except StoreError as error:
                log.error("job %s stays in its state until the next start: %s", job.id, error)
            await self._engine_loop.cancel(job)

    async def wait(self) -> None:
        """Return after `close`; raise what ended a loop otherwise."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled():
                task.result()

    @uninterrupted
    async def submit(self, submission: Submission) -> JobRow:
        """Accept a request in one transaction, or copy its picked picture into a finished job; durable on return.

        Raises Refused (Blocked, BlockedWords, TooLarge, QueueFull, CoolingDown, QuotaUsedUp, NoRoom, ShuttingDown,
        Unconfirmed, Lapsed), ModelUnavailable, EngineUnusable, PictureGone or InvalidRequest.
        """
        self._check_open()
        if submission.picked:
            return await self.admission.pick(*submission.picked, submission)
        job = await self.admission.take(submission, self._engine_loop.ready)
        self.registry.add(job)
        self._engine_loop.wake()
        return job

    async def check(self, submission: Submission) -> None:
        """Raise what `submit` would raise now, as far as it is known without the attachments; writes nothing."""
        self._check_open()
        await self.admission.check(submission, self._engine_loop.ready)

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Start no job of these servers (server → reason) until the next call without them."""
        self.registry.hold(reasons)
        self._engine_loop.wake()

    @uninterrupted
    async def cancel(self, job_id: str, by: int, moderator: bool = False, reason: str = "") -> JobRow:
        """End a queued or running job and refund its reservation.

        Raises NotAllowed (*by* is neither the owner nor a *moderator*) or NothingToCancel.
        """
        job = await self._touchable(job_id, by, moderator, "cancel")
        return await self._cancel(job, by, reason)

    @uninterrupted
    async def discard(self, job_id: str, by: int, moderator: bool = False, server_id: int | None = None) -> JobRow:
        """Cancel the job if it is unfinished, close its outbox rows and schedule its messages for deletion.

        Its pictures stay in the owner's history, without stars. *server_id*: the moderator's server.
        Raises NotAllowed or NothingToCancel (unknown job).
        """
        job = await self._touchable(job_id, by, moderator, "delete")
        with contextlib.suppress(NothingToCancel):
            job = await self._cancel(job, by)
        await self.takedowns.discard(job, by, server_id)
        return job

    async def abandon(self, *, guild_id: int | None = None, channel_id: int | None = None) -> int:
        """Fail the waiting jobs of a server, or of a channel and its threads, at no cost; returns how many.

        Running jobs finish, because their owners can still receive them directly.
        """
        gone = PlaceGone("The channel or server for this picture no longer exists, so it was not painted.")
        lost = [
            job
            for job, _ in self.registry.waiting()
            if (channel_id is not None and job.origin.is_in(channel_id))
            or (guild_id is not None and job.origin.guild_id == guild_id)
        ]
        for job in lost:
            await unbroken(self._transitions.failed(job, gone))
        return len(lost)

    async def abandon_servers(self, is_member: Callable[[int], bool]) -> int:
        """Fail the unfinished jobs of servers that the bot has left while it was not running; returns how many."""
        gone = PlaceGone("The bot is no longer in the server where this was asked for, so it was not painted.")
        lost = [
            job
            for job in (*self.registry.queued(), *self.registry.running())
            if job.origin.guild_id is not None and not job.origin.guest and not is_member(job.origin.guild_id)
        ]
        for job in lost:
            await unbroken(self._transitions.failed(job, gone))
            await self._engine_loop.cancel(job)
        return len(lost)

    async def find(self, job_id: str) -> JobRow | None:
        """The job from memory while it is unfinished, else from the store."""
        return self.registry.row(job_id) or await self._store.jobs.find(job_id)

    async def find_by_message(self, channel_id: int, message_id: int) -> JobRow | None:
        job_id = await self._store.messages.job_id(channel_id, message_id)
        return None if job_id is None else await self.find(job_id)

    async def link_message(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Store that this message shows the job. Idempotent; the newest message in the job's channel counts."""
        await self._store.messages.link(job_id, channel_id, message_id, self._clock())
        self.registry.set_message(job_id, channel_id, message_id)

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(supervise(name, work), name=f"jobs: {name}"))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self._tidy_once()

    async def _tidy_once(self) -> None:
        now = self._clock()
        await self._retention.tidy(now, by_age=self._clock_monitor.steady(now))

    async def _idle(self) -> None:
        changed = asyncio.Event()
        unsubscribe = self.registry.subscribe(lambda _: changed.set())
        try:
            while self.registry.running():
                await changed.wait()
                changed.clear()
        finally:
            unsubscribe()

    def _check_open(self) -> None:
        """Raise ShuttingDown, StoreError or NoRoom while no new job is accepted."""
        if self._closing:
            raise ShuttingDown("The bot is about to restart; please try again in a minute.")
        self._store.database.require_intact()
        check_room(self._store.folder, self._config.retention.free_megabytes)

    async def _touchable(self, job_id: str, by: int, moderator: bool, what: str) -> JobRow:
        job = await self.find(job_id)
        if job is None:
            raise NothingToCancel(f"There is no job {job_id}.")
        if not (moderator or job.owned_by(by)):
            raise NotAllowed(f"Only {job.origin.shown_name} or a moderator can {what} this.")
        return job

    async def _cancel(self, job: JobRow, by: int, reason: str = "") -> JobRow:
        running = self.registry.row(job.id)
        ended = await self._transitions.cancelled(job, None if job.owned_by(by) and not reason else by, reason)
        if ended is None:
            raise NothingToCancel(_OVER.get(job.state, "This job has just finished; there is nothing to cancel."))
        if running is not None and running.state is JobState.RUNNING:
            await self._engine_loop.cancel(running)
        self._engine_loop.wake()
        return ended


def _rendered_by(job: JobRow) -> tuple[str, str]:
    """Worker and device by the replay record of its first picture; empty where it does not say."""
    record = job.pictures[0].facts.get("replay") if job.pictures else None
    resolved = record.get("resolved") if isinstance(record, dict) else None
    found = resolved if isinstance(resolved, dict) else {}
    return str(found.get("worker", "")), str(found.get("device", ""))
