"""Between people and the engine: takes requests, keeps them durable, hands them over in fair order, books their ends.

Knows no Discord. Everything that a person would miss after a crash is one transaction: submission (job, reservation,
interaction), hand-over, each picture, the end (state, charge or refund, outbox).

    submit  ──► Admission ──► JobRegistry (fair queue, ETA) ──► EngineLoop ──► engine
    updates ◄── JobRegistry ◄── JobTransitions (storage, quota) ◄── EngineLoop ◄──┘
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace

from bot.config.settings import Config
from bot.errors import NotAllowed, NothingToCancel, PictureGone, PlaceGone, ShuttingDown, StoreError
from bot.jobs.admission import Admission
from bot.jobs.engine_loop import EngineLoop
from bot.jobs.registry import JobRegistry
from bot.jobs.retention import EVERY_SECONDS, ClockMonitor, Retention
from bot.jobs.takedown import Takedowns
from bot.jobs.transitions import JobTransitions
from bot.models.comparison import Asked
from bot.models.job import JobRow, JobState, Origin, QueuePosition, Update, owner_of
from bot.pictures.nsfw_check import Safety
from bot.policy.cost_confirmation import CostConfirmation
from bot.policy.limits import check_room
from bot.policy.quota import Balance, LedgerEntry, Quota
from bot.policy.server_rules import NOWHERE, Location
from bot.scheduling.durations import DurationRange
from bot.storage import Store, files
from bot.storage.database import unbroken
from bot.text import plain
from engine.client.local import Engine
from engine.protocol.messages import Progress, Ready
from engine.requests.request import AUTO, USUAL_SCALE, UpscaleRequest, best_upscaler

log = logging.getLogger(__name__)

_LEARN_FROM = 50
"""Finished jobs from which speeds are learnt at the start."""
_REMEMBER_SECONDS = 3600.0
"""After a restart, what people have cost within this time still counts in the order."""


class JobService:
    """One per bot. *store* is open and *engine* is started and closed by whoever owns them.

    *clock* is unix seconds, and may be set at any time; *ticks* measures durations (without it, *clock* does).
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
        self._ledger = Quota(store.ledger, config.quota)
        self._registry = JobRegistry(clock, ticks)
        self._admission = Admission(config, store, self._ledger)
        self.takedowns = Takedowns(store, clock)
        self.confirmation = CostConfirmation(config, store, self._ledger, clock)
        self._transitions = JobTransitions(config, store, self._ledger, self._registry, clock)
        self._engine_loop = EngineLoop(store, engine, self._registry, self._transitions, Safety(engine, config.safety))
        self._retention = Retention(config, store)
        self._clock_monitor = ClockMonitor()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self.restored: frozenset[str] = frozenset()
        """Ids of the jobs that an earlier life left unfinished: nobody is about to answer with their messages."""

    async def start(self) -> None:
        """Recover what the last life left (orphans go back to the queue) and begin to work."""
        await self._tidy_once()
        self._registry.company.remember(
            (job.id, job.request, job.started_at, job.finished_at)
            for job in await self._store.jobs.lately_done(_LEARN_FROM)
            if job.started_at and job.finished_at and job.cost and not job.in_parts  # what cost nothing was only shown
        )
        self._registry.queue.remember(await self._store.jobs.costs_since(self._clock() - _REMEMBER_SECONDS))
        await self._transitions.recover()
        self.restored = frozenset(job.id for job, _ in self.queue())
        self._begin("hand over", self._engine_loop.hand_over())
        self._begin("listen", self._engine_loop.listen())
        self._begin("tidy", self._tidy())
        self._engine_loop.wake()

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Take nothing new, give running jobs *drain_seconds*, hand the rest back to the queue. Idempotent."""
        self._closing = True
        self._engine_loop.stop_handing_over()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._nothing_runs()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._registry.handed_out():
            try:
                await self._transitions.hand_back(job)
                if (back := self._registry.row(job.id)) is not None:
                    self._registry.tell(Update(back, parting=True))
            except StoreError as error:
                log.error("job %s stays as it is until the next start: %s", job.id, error)
            await self._engine_loop.cancel(job)

    async def wait(self) -> None:
        """Return after `close`; raise what broke the job service otherwise. The bot's main task awaits this."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled():
                task.result()

    async def submit(
        self,
        request: Asked,
        origin: Origin,
        images: Mapping[str, bytes] | None = None,
        *,
        roles: Collection[int] = (),
        location: Location = NOWHERE,
        answers: str = "",
    ) -> JobRow:
        """Make *request* a job: ONE transaction of job, reservation and interaction; durable when this returns.

        *images*: SHA-256 → bytes of attachments that the request names. Pictures of earlier jobs and stored
        attachments may be left out. *roles*: the person's Discord roles. *location*: the place whose rules apply.
        *answers*: the id of the question that this confirms; it is closed.

        Raises Refused (Blocked, BlockedWords, TooLarge, QueueFull, CoolingDown, QuotaUsedUp, NoRoom, ShuttingDown;
        Unconfirmed when the cost must be confirmed, Lapsed when it was), ModelUnavailable, EngineUnusable, PictureGone
        (an image is not stored) or InvalidRequest (bytes do not have the hash of their name).
        """
        self._check_open()
        return await unbroken(self._submit(request, origin, images or {}, roles, location, answers))

    async def check(
        self, request: Asked, origin: Origin, roles: Collection[int] = (), location: Location = NOWHERE
    ) -> None:
        """Raise what `submit` would raise now, as far as it is known without the attachments. Writes nothing."""
        self._check_open()
        await self._admission.check(request, origin, roles, self._engine_loop.ready, self._clock(), location)

    async def check_showing(self, job: JobRow, user_id: int, location: Location) -> bool:
        """Raise Refused unless this person may show that picture there; whether it is to be covered there."""
        return await self._admission.check_showing(job, user_id, location, self._clock())

    async def pick(self, batch: JobRow, index: int, origin: Origin, location: Location = NOWHERE) -> JobRow:
        """Show one picture of a job by itself: a job that is done, and costs nothing; durable when this returns.

        Raises Refused where the place's rules or the disk say so, PictureGone.
        """
        self._check_open()
        covered = await self._admission.check_showing(batch, origin.user_id, location, self._clock())
        return await unbroken(self._admission.pick(batch, index, replace(origin, spoiler=covered), self._clock()))

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Nothing that was asked for in these servers starts until this is called again without them; why, of each."""
        self._registry.hold(reasons)
        self._engine_loop.wake()

    async def cancel(self, job_id: str, by: int, moderator: bool = False, reason: str = "") -> JobRow:
        """End a queued or running job now, with its reservation given back; its row is returned.

        Raises NotAllowed (*by* is neither the owner nor a *moderator*) or NothingToCancel.
        """
        job = await self._touchable(job_id, by, moderator, "cancel")
        return await unbroken(self._cancel(job, by, reason))

    async def discard(self, job_id: str, by: int, moderator: bool = False, server_id: int | None = None) -> JobRow:
        """Every message is to go: cancel the job if it is not over, close its deliveries, condemn its messages.

        Pictures stay in the owner's history, but nobody keeps them any longer. *server_id*: where a *moderator* is one.
        Raises NotAllowed or NothingToCancel (no such job).
        """
        job = await self._touchable(job_id, by, moderator, "delete")
        return await unbroken(self._discard(job, by, server_id))

    async def abandon(self, *, guild_id: int | None = None, channel_id: int | None = None) -> int:
        """That server, or that channel with its threads, is gone: what waits there ends, and costs nothing; how much.

        What the engine paints already is finished: its owner gets it directly, or finds it in the history.
        """
        gone = PlaceGone("The place where this was to be shown is gone, so nothing more is painted.")
        lost = [
            job
            for job, _ in self._registry.waiting()
            if (channel_id is not None and job.origin.is_in(channel_id))
            or (guild_id is not None and job.origin.guild_id == guild_id)
        ]
        for job in lost:
            await unbroken(self._transitions.failed(job, gone))
        return len(lost)

    async def job(self, job_id: str) -> JobRow | None:
        """The job of that id, from the store."""
        return await self._store.jobs.find(job_id)

    async def job_by_message(self, channel_id: int, message_id: int) -> JobRow | None:
        """The job that this message shows."""
        job_id = await self._store.messages.job_id(channel_id, message_id)
        return None if job_id is None else await self._store.jobs.find(job_id)

    async def history(self, user_id: int, limit: int = 10, before: float | None = None) -> list[JobRow]:
        """This person's jobs, newest first, created before *before* (unix seconds)."""
        return await self._store.jobs.of_owner(owner_of(user_id), limit, before)

    async def children(self, job_id: str) -> list[JobRow]:
        """Jobs that came from this one's buttons and reactions, oldest first."""
        return await self._store.jobs.children(job_id)

    async def picture(self, job_id: str, index: int) -> bytes:
        """The PNG's bytes. Raises PictureGone."""
        picture = await self._store.pictures.find(job_id, index)
        data = await files.read(picture.path) if picture is not None and picture.path is not None else None
        if data is None:
            raise PictureGone(f"Picture {index + 1} of job {job_id} is no longer kept.")
        return data

    async def upscale_request(self, job_id: str, index: int, upscaler: str = "", scale: int = 0) -> UpscaleRequest:
        """The request that enlarges a stored picture (by default by the best that is here). Raises PictureGone."""
        picture = await self._store.pictures.find(job_id, index)
        if picture is None or picture.path is None:
            raise PictureGone(f"Picture {index + 1} of job {job_id} is no longer kept, so it cannot be enlarged.")
        times, ready = scale or USUAL_SCALE, self.engine_ready
        return UpscaleRequest(
            image=picture.sha256,
            upscaler=upscaler or (best_upscaler(ready.upscalers, times) if ready and ready.upscalers else AUTO),
            scale=times,
            width=picture.width,
            height=picture.height,
        )

    async def shows(self, channel_id: int, message_id: int, job: JobRow) -> bool:
        """Whether that message is one of *job*'s."""
        return await self._store.messages.job_id(channel_id, message_id) == job.id

    async def posted(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Remember which message shows the job. Repeating it changes nothing; a later message replaces the link."""
        await self._store.messages.link(job_id, channel_id, message_id, self._clock())
        self._registry.shown_by(job_id, channel_id, message_id)

    def expected(self, request: Asked) -> DurationRange:
        """How long painting this will take, waiting left out."""
        return self._registry.speeds.expect(request)

    async def press(self, key: str) -> bool:
        """De-duplication: True exactly once per *key* within `delivery.press_seconds`, restarts included."""
        return await self._store.presses.first(key, self._clock(), self._config.delivery.press_seconds)

    async def release(self, key: str) -> None:
        """Nothing has come of that press: the next one is not its repetition."""
        await self._store.presses.release(key)

    @property
    def engine_ready(self) -> Ready | None:
        """What the engine can do, or why it cannot start; None while it is down for a moment."""
        return self._engine_loop.ready

    def place(self, job_id: str) -> QueuePosition | None:
        """Where a waiting job stands; None if it does not wait."""
        return self._registry.place(job_id)

    def progress(self, job_id: str) -> Progress | None:
        """The newest progress of a running job, with the newest snapshot of every picture."""
        return self._registry.progress(job_id)

    def queue(self) -> list[tuple[JobRow, QueuePosition]]:
        """Who waits, in the order in which they will be painted."""
        return self._registry.waiting()

    def running(self) -> list[JobRow]:
        """What the engine paints now."""
        return self._registry.running()

    def subscribe(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Call *callback* on the loop, soon, for each change of any job; returns the function that ends that."""
        return self._registry.subscribe(callback)

    async def balance(self, user_id: int, roles: Collection[int] = ()) -> Balance:
        """What this person may still spend."""
        standing = self._config.standing(user_id, roles)
        return await self._ledger.balance(owner_of(user_id), standing.units, self._clock())

    async def server_left(self, server_id: int | None) -> tuple[float, float] | None:
        """(left, allowance) of what a server's members may spend together; None where there is no limit."""
        allowance = self._config.server_units(server_id)
        if server_id is None or not allowance:
            return None
        return await self._ledger.server_left(server_id, allowance, self._clock()), allowance

    async def ledger(self, user_id: int, limit: int = 10) -> list[LedgerEntry]:
        """This person's newest entries, newest first."""
        return await self._ledger.history(owner_of(user_id), limit)

    async def grant(self, user_id: int, units: float, by: int, reason: str, server_id: int | None = None) -> float:
        """Give *units* beyond the allowance (negative takes back, never below zero); leaves an audit row.

        Returns the units that really moved.
        """
        owner, actor, now = owner_of(user_id), owner_of(by), self._clock()
        async with self._store.transaction() as session:
            moved = await self._ledger.grant(session, owner, units, now, actor, reason)
            await self._store.audit.add(
                actor, "grant", owner, now, session, server_id=server_id, units=moved, reason=reason
            )
        return moved

    async def reset_quota(self, user_id: int, by: int, reason: str, server_id: int | None = None) -> None:
        """Count this person's window from now on; leaves an audit row."""
        owner, actor, now = owner_of(user_id), owner_of(by), self._clock()
        async with self._store.transaction() as session:
            await self._ledger.reset(session, owner, now, actor, reason)
            await self._store.audit.add(actor, "reset quota", owner, now, session, server_id=server_id, reason=reason)

    def _begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"jobs: {name}"))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self._tidy_once()

    async def _tidy_once(self) -> None:
        now = self._clock()
        await self._retention.tidy(now, by_age=self._clock_monitor.holds(now))

    async def _nothing_runs(self) -> None:
        """Until the last running job has ended."""
        changed = asyncio.Event()
        unsubscribe = self._registry.subscribe(lambda _: changed.set())
        try:
            while self._registry.running():
                await changed.wait()
                changed.clear()
        finally:
            unsubscribe()

    def _check_open(self) -> None:
        """Raise ShuttingDown while the bot stops, NoRoom while the disk is nearly full."""
        if self._closing:
            raise ShuttingDown("The bot is about to restart and takes nothing new; please try again in a minute.")
        check_room(self._store.folder, self._config.retention.free_megabytes)

    async def _submit(
        self,
        request: Asked,
        origin: Origin,
        images: Mapping[str, bytes],
        roles: Collection[int],
        location: Location,
        answers: str,
    ) -> JobRow:
        ready, now = self._engine_loop.ready, self._clock()
        job = await self._admission.take(request, origin, images, roles, ready, now, location, answers)
        self._registry.join(job)
        self._engine_loop.wake()
        return job

    async def _touchable(self, job_id: str, by: int, moderator: bool, what: str) -> JobRow:
        job = await self._store.jobs.find(job_id)
        if job is None:
            raise NothingToCancel(f"There is no job {job_id}.")
        if not (moderator or job.owned_by(by)):
            raise NotAllowed(f"Only {plain(job.origin.user_name)} or a moderator can {what} this.")
        return job

    async def _cancel(self, job: JobRow, by: int, reason: str = "") -> JobRow:
        running = self._registry.row(job.id)
        ended = await self._transitions.cancelled(job, None if job.owned_by(by) and not reason else by, reason)
        if ended is None:
            raise NothingToCancel(_OVER.get(job.state, "This has just ended; there is nothing left to cancel."))
        if running is not None and running.state is JobState.RUNNING:
            await self._engine_loop.cancel(running)
        self._engine_loop.wake()
        return ended

    async def _discard(self, job: JobRow, by: int, server_id: int | None) -> JobRow:
        with contextlib.suppress(NothingToCancel):
            job = await self._cancel(job, by)
        await self.takedowns.discard(job, by, server_id)
        return job


_OVER: Mapping[JobState, str] = {
    JobState.DONE: "This picture is finished already; there is nothing to cancel.",
    JobState.FAILED: "This has failed already; there is nothing to cancel.",
    JobState.CANCELLED: "This has been cancelled already.",
}
