"""The living jobs in memory: who waits, who runs, how far they are. What must survive is in the store too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.models.comparison import share_of
from bot.models.job import JobRow, JobState, PictureRow, QueuePosition, Update
from bot.requests.batches import PORTION
from bot.scheduling.eta_correction import EtaCorrection
from bot.scheduling.eta_simulator import RunningJob, forecast
from bot.scheduling.fair_queue import EVERYTHING, FairQueue, Ticket
from bot.scheduling.throughput import RemainingWork, ThroughputModel
from engine.protocol.messages import Progress, Ready

Subscriber = Callable[[Update], None]
_FRESH_SECONDS = 1.0
"""A forecast is good for that long if nothing changes."""


class JobRegistry:
    """Rows of queued and running jobs, the fair queue over them, and everybody who wants to hear of changes.

    *clock* is unix seconds; *ticks* measures how long jobs take, for clocks are set now and then.
    """

    def __init__(self, clock: Callable[[], float], ticks: Callable[[], float] | None = None) -> None:
        self.queue = FairQueue()
        self.company = ThroughputModel()
        self.speeds = self.company.speeds
        self.lateness = EtaCorrection()
        self._clock = clock
        self._ticks = ticks or clock
        self._in_company: set[str] = set()
        self._rows: dict[str, JobRow] = {}
        self._progress: dict[str, Progress] = {}
        self._reasons: Mapping[int, str] = {}
        self._slots = 1
        self._subscribers: list[Subscriber] = []
        self._places: Mapping[str, QueuePosition] = {}
        self._places_until = 0.0
        self._told: dict[str, int] = {}
        self._telling = False

    # Who is there

    def row(self, job_id: str, attempt: int | None = None) -> JobRow | None:
        """A living job, if it is (still) in that attempt."""
        job = self._rows.get(job_id)
        return job if job is not None and attempt in (None, job.attempt) else None

    def running(self) -> list[JobRow]:
        """Jobs that have been handed over."""
        return [job for job in self._rows.values() if job.state is JobState.RUNNING]

    def handed_out(self) -> list[JobRow]:
        """Jobs that the queue has handed out: the running ones, and those on their way to being so."""
        return [self._rows[ticket.job_id] for ticket in self.queue.running]

    def was_alone(self, job_id: str) -> bool:
        """Whether no other job was with the engine while this one was, in its present attempt."""
        return job_id not in self._in_company

    def progress(self, job_id: str) -> Progress | None:
        """How far a running job is."""
        return self._progress.get(job_id)

    def waiting(self) -> list[tuple[JobRow, QueuePosition]]:
        """Who waits, in order."""
        places = self._forecast()
        return sorted(
            ((self._rows[job_id], place) for job_id, place in places.items()), key=lambda pair: pair[1].position
        )

    def place(self, job_id: str) -> QueuePosition | None:
        """Where a waiting job stands."""
        return self._forecast().get(job_id)

    # What happens to them

    def join(self, job: JobRow) -> None:
        """A job waits that did not before."""
        self._rows[job.id] = job
        self.queue.add(self._ticket(job))
        self._changed(job)

    def started(self, job: JobRow) -> None:
        """The queue has handed it out, and the store knows."""
        self.lateness.starts(job.id, self._clock())
        if not job.in_parts:
            self.company.joins(job.id, job.request, self._ticks())
        self._rows[job.id] = job
        if len(there := {ticket.job_id for ticket in self.queue.running}) > 1:
            self._in_company |= there
        self._changed(job)

    def went_back(self, job: JobRow, painted: float = 0.0) -> None:
        """A job that was handed out waits again, in its next attempt.

        *painted*: the part of what was handed out that counts against its owner; a batch goes on after it.
        """
        self._rows[job.id] = job
        self._progress.pop(job.id, None)
        self.company.leaves(job.id, self._ticks(), finished=False)
        self.lateness.forget(job.id)
        self._in_company.discard(job.id)
        self.queue.give_back(job.id, self._ticket(job), painted)
        self._changed(job)

    def ended(self, job: JobRow) -> None:
        """A job is over, from whichever state; what it had not painted does not count against its owner."""
        if job.id not in self._rows:  # set aside before it ever got here
            return
        if not self.queue.remove(job.id):
            self.queue.ended(job.id, 1.0 if job.state is JobState.DONE else self._painted(job.id))
        self.company.leaves(job.id, self._ticks(), finished=job.state is JobState.DONE)
        self.lateness.forget(job.id)
        self._in_company.discard(job.id)
        del self._rows[job.id]
        self._changed(job)
        self._progress.pop(job.id, None)

    def advanced(self, job: JobRow, progress: Progress) -> None:
        """The engine has come further; snapshots that it did not send again are kept."""
        before = self._progress.get(job.id)
        if before is not None and before.attempt == progress.attempt:
            progress = replace(progress, snapshots={**before.snapshots, **progress.snapshots})
        self._progress[job.id] = progress
        self.tell(Update(job, progress))

    def finished_one(self, job: JobRow, picture: PictureRow) -> None:
        """One of its pictures is durable."""
        others = (other for other in job.pictures if other.index != picture.index)
        job = replace(job, pictures=tuple(sorted((*others, picture), key=lambda row: row.index)))
        self._rows[job.id] = job
        self.tell(Update(job, self._progress.get(job.id)))

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Nothing of these servers starts until this is called again without them; everybody who waits hears why."""
        self._reasons = dict(reasons)
        self.queue.hold(self._reasons)
        self.lateness.forget(*self._rows)
        self._places_until = 0.0
        for job, place in self.waiting():
            self.tell(Update(job, None, place))

    def shown_by(self, job_id: str, channel_id: int, message_id: int) -> None:
        """The job's message is known, if it is in the job's channel: elsewhere it is a copy."""
        if job_id in self._rows and self._rows[job_id].origin.channel_id == channel_id:
            self._rows[job_id] = replace(self._rows[job_id], message_id=message_id)

    def engine_has(self, ready: Ready, fresh: bool) -> None:
        """So many slots the engine has free; the most that was ever seen of one process is what it has in all."""
        self._slots = max(ready.slots, 1 if fresh else self._slots)
        self._places_until = 0.0

    # Who hears of it

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call *callback* soon after each change; returns what ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def tell(self, update: Update) -> None:
        """Every subscriber hears of it in a turn of the loop of their own: what they break does not break us."""
        loop = asyncio.get_running_loop()
        for callback in self._subscribers:
            loop.call_soon(callback, update)

    def _changed(self, job: JobRow) -> None:
        self._places_until = 0.0
        self.tell(Update(job, self._progress.get(job.id), self.place(job.id)))
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell_moved)

    def _tell_moved(self) -> None:
        """Whoever has moved in the queue is told, once per turn of the loop however much has changed in it."""
        self._telling = False
        places = self._forecast()
        for job_id, place in places.items():
            if self._told.get(job_id, place.position) != place.position:
                self.tell(Update(self._rows[job_id], None, place))
        self._told = {job_id: place.position for job_id, place in places.items()}

    # What will happen

    def _forecast(self) -> Mapping[str, QueuePosition]:
        now = self._clock()
        if not 0 <= self._places_until - now <= _FRESH_SECONDS:
            under_way = [self._underway(ticket) for ticket in self.queue.running]
            order = list(self.queue.order())
            places = forecast(order, under_way, self._expect, self._slots, now, self.company.together)
            self._places = {ticket.job_id: self._said(ticket, places[ticket.job_id], now) for ticket in order}
            self._places_until = now + _FRESH_SECONDS
        return self._places

    def _said(self, ticket: Ticket, place: QueuePosition, now: float) -> QueuePosition:
        """What is said about a waiting job; how that turns out is remembered."""
        reason = self._reasons.get(EVERYTHING) or self._reasons.get(ticket.server, "")
        place = replace(place, held=self.queue.holds(ticket), reason=reason)
        if ticket.background:  # which stands still for others, for as long as they like
            return place
        self.lateness.foretell(ticket.job_id, place, now)
        return self.lateness.corrected(place, now)

    def _expect(self, ticket: Ticket) -> RemainingWork:
        job = self._rows[ticket.job_id]
        return self.company.work(job.request, share_of(job.request, job.missing))

    def _underway(self, ticket: Ticket) -> RunningJob:
        left = self.company.left(ticket.job_id, self._painted(ticket.job_id), self._ticks())
        if left is None:
            return RunningJob(ticket, self._expect(ticket), 1.0)
        return RunningJob(ticket, left, 1 - self._painted(ticket.job_id))

    def _painted(self, job_id: str) -> float:
        progress = self._progress.get(job_id)
        return min(1.0, progress.step / progress.steps) if progress and progress.steps else 0.0

    def _ticket(self, job: JobRow) -> Ticket:
        if job.is_batch:
            portion = min(PORTION, len(job.missing)) / job.request.count
        else:
            portion = share_of(job.request, job.missing[:1]) if job.in_parts and job.missing else 1.0
        return Ticket(
            job_id=job.id,
            owner=job.owner,
            cost=max(job.cost * portion, 1e-6),
            pictures=1 if job.in_parts else job.request.count,
            priority=job.priority,
            running_limit=job.running_limit,
            server=job.origin.server_id or 0,
            alone=job.deaths > (1 if job.is_batch else 0),  # behind all others it might wait for that for ever
        )
