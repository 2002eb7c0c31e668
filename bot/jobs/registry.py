"""The unfinished jobs in memory: queue, progress, subscribers. The store holds everything that must survive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from bot.models.job import (
    PORTION,
    RUNNING,
    JobRequest,
    JobRow,
    JobState,
    PictureRow,
    QueuePosition,
    Update,
    parts_of,
    share_of,
)
from bot.scheduling.eta_simulator import Forecast, RunningJob, forecast
from bot.scheduling.fair_queue import EVERYTHING, FairQueue
from bot.scheduling.throughput import DurationRange, EtaCorrection, RemainingWork, ThroughputModel, Workload
from bot.scheduling.worker_pool import JobNeeds, LagWatch, Ticket, WorkerPool
from engine.images.timelapse import MOST_FRAMES
from engine.protocol.messages import Progress, Ready

log = logging.getLogger(__name__)

Subscriber = Callable[[Update], None]
_RESTS = 20.0
"""After a change, a forecast stays valid for this many times its computing time, to limit the load of long queues."""
_FRESH_SECONDS = 1.0
"""A forecast is reused for this long if nothing changes."""


@dataclass(slots=True)
class _ActiveJob:
    """All that is known of one unfinished job."""

    row: JobRow
    load: Workload
    """Its missing part, priced once."""
    work: RemainingWork | None = None
    """Its expected work, by the durations of version *priced*."""
    priced: int = -1
    progress: Progress | None = None
    frames: list[Mapping[int, bytes]] = field(default_factory=list)
    """Its previews so far; beyond twice as many as a timelapse has, every other one is dropped."""
    started: float | None = None
    """Ticks at the start of its present part, while it runs."""
    shared: bool = False
    """Whether it shared its worker with others during the present attempt."""
    crashed: frozenset[str] = frozenset()
    """Workers that crashed under it."""

    @property
    def painted(self) -> float:
        """The share (0…1) of its present part that is rendered."""
        progress = self.progress
        return min(1.0, progress.step / progress.steps) if progress and progress.steps else 0.0

    def advance(self, progress: Progress) -> Progress:
        """Store new progress, with the snapshots that it does not repeat, and return it."""
        if self.progress is not None:
            progress = replace(progress, snapshots={**self.progress.snapshots, **progress.snapshots})
        if self.row.has_timelapse and progress.snapshots and progress.snapshots not in self.frames[-1:]:
            self.frames.append(progress.snapshots)
            if len(self.frames) > 2 * MOST_FRAMES:
                del self.frames[1::2]
        self.progress = progress
        return progress


class JobRegistry:
    """Rows of queued and running jobs, the fair queue over them, and subscribers to their updates.

    *clock* is unix seconds; *ticks* (monotonic seconds) measures durations.
    """

    def __init__(self, clock: Callable[[], float], ticks: Callable[[], float] | None = None) -> None:
        self.throughput = ThroughputModel()
        self.workers = WorkerPool(
            lambda: self.throughput.together, self.throughput.durations.slow, lambda: self._lag.lagging(self._ticks())
        )
        self.queue = FairQueue(self.workers)
        self.eta_correction = EtaCorrection()
        self._clock = clock
        self._ticks = ticks or clock
        self._lag = LagWatch()
        self._lagging: frozenset[str] = frozenset()
        """Workers of which the log says that they lag."""
        self._jobs: dict[str, _ActiveJob] = {}
        self._reasons: Mapping[int, str] = {}
        self._subscribers: list[tuple[Subscriber, tuple[JobState, ...]]] = []
        self._movers: list[Callable[[Collection[str]], None]] = []
        self._forecasted: Forecast | None = None
        self._forecast_until = 0.0
        self._stale = False
        """Something has changed since the last forecast."""
        self._rests_until = 0.0
        """Ticks until which a stale forecast counts."""
        self._told: dict[str, int] = {}
        """Waiting job → its number in the order when its position was last asked for or announced."""
        self._telling = False

    def row(self, job_id: str, attempt: int | None = None) -> JobRow | None:
        """An unfinished job, if it is in that *attempt* (None: any)."""
        job = self._jobs.get(job_id)
        return job.row if job is not None and attempt in (None, job.row.attempt) else None

    def running(self) -> list[JobRow]:
        return [job.row for job in self._jobs.values() if job.row.state is JobState.RUNNING]

    def handed_out(self) -> list[JobRow]:
        """Jobs that left the queue: the running ones and those being started."""
        return [self._jobs[ticket.job_id].row for ticket in self.queue.running]

    def was_isolated(self, job_id: str) -> bool:
        """Whether it ran alone on its worker during its present attempt."""
        return not (job_id in self._jobs and self._jobs[job_id].shared)

    def progress(self, job_id: str) -> Progress | None:
        """The newest progress of a running job, with the newest snapshot of every picture."""
        return self._jobs[job_id].progress if job_id in self._jobs else None

    def waiting(self) -> list[tuple[JobRow, QueuePosition]]:
        """Waiting jobs in the expected order."""
        found = self._forecast()
        waiting = [(job, ticket) for ticket in found.order if (job := self._queued(ticket.job_id)) is not None]
        return [(job, self._position(found, ticket)) for job, ticket in waiting]

    def queued(self) -> list[JobRow]:
        """Waiting jobs in no order."""
        return [job.row for job in self._jobs.values() if job.row.state is JobState.QUEUED]

    def place(self, job_id: str) -> QueuePosition | None:
        if self._queued(job_id) is None:
            return None
        found = self._forecast(job_id)
        if (number := found.index.get(job_id)) is None:
            return None
        self._told.setdefault(job_id, number)
        return self._position(found, found.order[number])

    def ready_at(self, job_id: str) -> float | None:
        """When a running job will probably be finished (unix seconds)."""
        return self._forecast().ready.get(job_id)

    def expect(self, request: JobRequest) -> DurationRange:
        """How long rendering *request* takes alone, without the wait."""
        return self.throughput.durations.expect(Workload.of(request).costs)

    def measured(self, job_id: str) -> float:
        """Seconds for which the engine had a running job, by the monotonic clock; of a job in parts: all its parts."""
        if (job := self._jobs.get(job_id)) is None:
            return 0.0
        before = job.row.seconds.get(RUNNING, 0.0)
        return before + (0.0 if job.started is None else max(0.0, self._ticks() - job.started))

    def add(self, job: JobRow) -> None:
        self._enter(job)
        self._changed(job)

    def _enter(self, job: JobRow) -> None:
        active = self._jobs[job.id] = _ActiveJob(job, _missing_work(job))
        self.queue.add(_ticket(active))

    def started(self, job: JobRow) -> None:
        self.eta_correction.starts(job.id, self._clock())
        active, worker = self._jobs[job.id], self.workers.load_of(job.id)
        active.row, active.started = job, self._ticks()
        if not job.in_parts:
            name, device = (worker.state.name, worker.state.device) if worker else ("", "")
            self.throughput.started(job.id, active.load, self._ticks(), name, device)
        if worker is not None and len(worker.jobs) > 1:
            for job_id in worker.jobs:
                self._jobs[job_id].shared = True
        self._changed(job)

    def requeued(self, job: JobRow, painted: float = 0.0) -> None:
        """A handed-out job waits again, in its next attempt.

        *painted* (0…1): the share of the handed-out cost that counts against its owner.
        """
        former = self._jobs[job.id]
        crashed = former.crashed
        if job.crash_count > former.row.crash_count:
            crashed |= {self.workers.worker_of(job.id)}
        active = self._jobs[job.id] = _ActiveJob(job, _missing_work(job), crashed=crashed)
        self.throughput.stopped(job.id, self._ticks(), finished=False)
        self.eta_correction.forget(job.id)
        self.queue.give_back(job.id, _ticket(active), painted)
        self._changed(job)

    def ended(self, job: JobRow) -> None:
        """A job has ended; the share that was not rendered does not count against its owner."""
        if (active := self._jobs.pop(job.id, None)) is None:  # failed before it was registered
            return
        worker = self.workers.worker_of(job.id)
        if not self.queue.remove(job.id):
            self.queue.ended(job.id, 1.0 if job.state is JobState.DONE else active.painted)
        typical = not self._lag.suspects(worker)
        self.throughput.stopped(job.id, self._ticks(), finished=job.state is JobState.DONE and typical)
        self.eta_correction.forget(job.id)
        self._changed(job, active)

    def advanced(self, job: JobRow, progress: Progress) -> None:
        active = self._jobs[job.id]
        progress = active.advance(progress)
        load = self.workers.load_of(job.id)
        if load is not None and not load.background and len(self.workers) > 1:  # there is another worker to prefer
            longer = self.throughput.stepped(job.id, active.painted, self._ticks(), len(load.jobs))
            if longer is not None:
                self._lag.step(load.state.name, longer, self._ticks())
        self.tell(Update(job, progress))

    def picture_stored(self, job: JobRow, picture: PictureRow) -> None:
        """One picture of a running job is durable."""
        others = (other for other in job.pictures if other.index != picture.index)
        job = replace(job, pictures=tuple(sorted((*others, picture), key=lambda row: row.index)))
        self._jobs[job.id].row = job
        self.tell(Update(job, self._jobs[job.id].progress))

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Start no job of these servers (server → reason) until the next call without them."""
        self._reasons = dict(reasons)
        self.queue.hold(self._reasons)
        self.eta_correction.forget(*self._jobs)
        self._forecasted = None
        for job, place in self.waiting():
            self.tell(Update(job, None, place))

    def set_message(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Set the job's message if it is in the job's channel; elsewhere it is a copy."""
        job = self._jobs.get(job_id)
        if job is not None and job.row.origin.channel_id == channel_id:
            job.row = replace(job.row, message_id=message_id)

    def set_capacity(self, ready: Ready) -> None:
        former = {load.state.name: load.state.pid for load in self.workers}
        self.workers.update(ready)
        for load in self.workers:
            if former.get(load.state.name) != load.state.pid:
                self._lag.forget(load.state.name)
        self._stale = True

    def look_at_lag(self) -> bool:
        """Log which workers lag or have recovered; returns whether that has changed."""
        now = self._lag.lagging(self._ticks())
        for name in sorted(now.keys() ^ self._lagging):
            log.warning(
                "Worker %s %s.", name, f"accepts no jobs: {_lags(now[name])}" if name in now else "accepts jobs"
            )
        changed, self._lagging = self._lagging != now.keys(), frozenset(now)
        return changed

    def judged(self, ready: Ready) -> Ready:
        """*ready*, in which workers that lag accept no jobs if other workers do."""
        lagging = self._lag.lagging(self._ticks())
        if not lagging or not any(not worker.trouble and worker.name not in lagging for worker in ready.workers):
            return ready
        workers = tuple(
            replace(worker, trouble=_lags(lagging[worker.name]))
            if worker.name in lagging and not worker.trouble
            else worker
            for worker in ready.workers
        )
        return replace(ready, workers=workers, slots=sum(worker.free for worker in workers if not worker.trouble))

    def subscribe(self, callback: Subscriber, *states: JobState) -> Callable[[], None]:
        """Call *callback* on the event loop after each change of a job that is then in one of *states* (none: any).

        Changes: submitted, position changed, started, progress, picture stored, requeued, ended.
        Returns a function that unsubscribes.
        """
        entry = (callback, states or tuple(JobState))
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry) if entry in self._subscribers else None

    def subscribe_moves(self, callback: Callable[[Collection[str]], None]) -> Callable[[], None]:
        """Call *callback* with the ids of waiting jobs whose position changed; returns a function that unsubscribes."""
        self._movers.append(callback)
        return lambda: self._movers.remove(callback) if callback in self._movers else None

    def tell(self, update: Update) -> None:
        """Schedule every subscriber to *update*; an exception in one of them does not reach the others."""
        loop = asyncio.get_running_loop()
        for callback, states in self._subscribers:
            if update.job.state in states:
                loop.call_soon(callback, update)

    def _changed(self, job: JobRow, ended: _ActiveJob | None = None) -> None:
        self._stale = True
        self.tell(Update(job, ended.progress, frames=ended.frames) if ended else Update(job, place=self.place(job.id)))
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell_moved)

    def _queued(self, job_id: str) -> JobRow | None:
        """The job, if it waits."""
        job = self.row(job_id)
        return job if job is not None and job.state is JobState.QUEUED else None

    def _tell_moved(self) -> None:
        """Announce the jobs whose position changed; after a forecast not before its rest is over."""
        self._telling = False
        if (rest := self._rests_until - self._ticks()) > 0:
            self._telling = True
            asyncio.get_running_loop().call_later(rest, self._tell_moved)
            return
        before, self._told = self._told, dict(self._forecast().index) if self.queued() else {}
        moved = {job_id for job_id, number in self._told.items() if before.get(job_id, number) != number}
        for callback in self._movers if moved else ():
            callback(moved)

    def _forecast(self, job_id: str = "") -> Forecast:
        """The present forecast, or the last one while it counts; always with the waiting job *job_id*, if named."""
        now, ticks, last = self._clock(), self._ticks(), self._forecasted
        if last is None or (job_id and job_id not in last.index):
            return self._forecast_now(now, ticks)
        stale = self._stale and ticks >= self._rests_until
        return (
            last if 0 <= self._forecast_until - now <= _FRESH_SECONDS and not stale else self._forecast_now(now, ticks)
        )

    def _forecast_now(self, now: float, ticks: float) -> Forecast:
        under_way = [
            RunningJob(
                ticket,
                self.throughput.left(ticket.job_id, self._jobs[ticket.job_id].painted, ticks) or self._expect(ticket),
                self.workers.worker_of(ticket.job_id),
            )
            for ticket in self.queue.running
        ]
        workers, together = self.workers.capacities(), self.throughput.together
        found = self._forecasted = forecast(self.queue.order(), under_way, self._expect, workers, now, together)
        after = self._ticks()
        self._stale, self._forecast_until, self._rests_until = (
            False,
            now + _FRESH_SECONDS,
            after + _RESTS * (after - ticks),
        )
        return found

    def _position(self, found: Forecast, ticket: Ticket) -> QueuePosition:
        """Correct a forecast position, and remember the first one to learn from the outcome."""
        now, place = self._clock(), found[ticket.job_id]
        if self._reasons and self.queue.holds(ticket):
            reason = self._reasons.get(EVERYTHING) or self._reasons.get(ticket.server, "")
            place = replace(place, held=True, reason=reason)
        if ticket.background:
            return place
        self.eta_correction.foretell(ticket.job_id, place, now)
        return self.eta_correction.corrected(place, now)

    def _expect(self, ticket: Ticket) -> RemainingWork:
        job, version = self._jobs[ticket.job_id], self.throughput.durations.version
        if job.work is None or job.priced != version:
            job.work, job.priced = self.throughput.work(job.load), version
        return job.work


def _missing_work(job: JobRow) -> Workload:
    return Workload.of(job.request, job.missing if job.in_parts else None)


def _ticket(active: _ActiveJob) -> Ticket:
    job = active.row
    if job.is_batch:
        portion = min(PORTION, len(job.missing)) / job.request.count
    else:
        portion = share_of(job.request, job.missing[:1]) if job.in_parts and job.missing else 1.0
    request = job.part(min(job.missing)).request if job.in_parts and job.missing else parts_of(job.request)[0].request
    return Ticket(
        job_id=job.id,
        owner=job.owner,
        cost=max(job.cost * portion, 1e-6),
        pictures=1 if job.in_parts else job.request.count,
        priority=job.priority,
        running_limit=job.running_limit,
        server=job.origin.server_id or 0,
        isolated=job.crash_count > (1 if job.in_background else 0),  # it would wait for an idle worker too long
        shuns=active.crashed,
        needs=JobNeeds.of(request),
    )


def _lags(times: float) -> str:
    return f"its steps take {times:.0f} times longer than expected"
