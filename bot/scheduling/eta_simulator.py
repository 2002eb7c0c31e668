"""When waiting jobs will start and end: the fair order simulated in rounds, as each worker renders.

The first `HEAD` jobs are simulated exactly. Behind them the workers are saturated, so each job delays the next ones by
the time that it takes of all of them: the rest is extrapolated from sums, in one pass.

Of many workers, `MOST` are simulated, with as large a share of the waiting jobs; the times of the others follow by
interpolation.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, count
from operator import attrgetter

from bot.models.job import Priority, QueuePosition
from bot.scheduling.throughput import TOGETHER, DurationRange, RemainingWork, round_seconds
from bot.scheduling.worker_pool import Capacity, Ticket

HEAD = 32
"""Waiting jobs that are simulated exactly."""
MOST = 4
"""Workers that are simulated."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job, and what it still takes on its *worker*."""

    ticket: Ticket
    left: RemainingWork
    worker: str = ""


class Forecast(Mapping[str, QueuePosition]):
    """Job id → position of every waiting job, built when it is asked for. *ready*: running job → its end."""

    def __init__(self, order: Sequence[Ticket], courses: tuple[_Course, ...], ready: Mapping[str, float]) -> None:
        self.order = order
        self.ready = ready
        self._low, self._likely, self._high = courses

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Job id → its place, from 0."""
        return dict(zip(map(_JOB_ID, self.order), count()))

    def __getitem__(self, job_id: str) -> QueuePosition:
        number = self.index[job_id]
        starts, ready = self._likely[number]
        return QueuePosition(
            position=number + 1,
            waiting=len(self.order),
            starts=starts,
            earliest=self._low[number][1],
            latest=self._high[number][1],
            ready=ready,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def __len__(self) -> int:
        return len(self.order)


def forecast(
    order: Sequence[Ticket],
    running: Sequence[RunningJob],
    expect: Callable[[Ticket], RemainingWork],
    workers: Mapping[str, Capacity],
    now: float,
    together: float = TOGETHER,
) -> Forecast:
    """The positions of all waiting jobs. *workers*: by name, or none for one slot; *now*: unix seconds.

    *together* as in `bot.scheduling.throughput`. Simulated three times, with the low, the likely and the high duration
    of every job, so ends that depend on many jobs get wide ranges. *expect* is also called for jobs that are asked for.
    """
    capacities = workers or {"": Capacity(1)}
    waiting = _Waiting.of(order, expect, max(len(capacities) / MOST, 1.0))
    foreground = [job for job in running if not job.ticket.background]
    behind = [job for job in running if job.ticket.background]
    chosen = dict(list(capacities.items())[:MOST])
    inside = [(job.worker, job) for job in foreground if job.worker in chosen]
    if len(capacities) == 1:
        inside = [(name, job) for name in chosen for job in foreground]
    plays = [
        _Play(waiting, inside, behind, pick, chosen, len(capacities), now, together) for pick in (_LOW, _LIKELY, _HIGH)
    ]
    low, likely, high = (play.plan() for play in plays)
    ready = plays[1].ready
    if len(inside) < len(foreground):
        ready |= _crowded_ends((job for job in foreground if job.worker not in chosen), now, together)
    return Forecast(order, (low, likely, high), ready)


_LOW, _LIKELY, _HIGH = attrgetter("low"), attrgetter("likely"), attrgetter("high")
_JOB_ID, _PRIORITY = attrgetter("job_id"), attrgetter("priority")
_ROOM, _NEXT_END = attrgetter("room"), attrgetter("next_end")
_Times = dict[int, tuple[float, float]]
"""Index of a waiting job → its start and end."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The waiting jobs, and those of them that are played: one in *share* of the foreground."""

    order: Sequence[Ticket]
    expect: Callable[[Ticket], RemainingWork]
    share: float
    foreground: Sequence[int]
    background: Sequence[int]
    played: Sequence[int]
    """Indices of jobs in *order*, in ascending order."""
    works: Mapping[int, RemainingWork]
    """Of the played jobs and the background jobs."""

    @classmethod
    def of(cls, order: Sequence[Ticket], expect: Callable[[Ticket], RemainingWork], share: float) -> _Waiting:
        foreground: Sequence[int] = range(len(order))
        behind: list[int] = []
        if Priority.BACKGROUND in list(map(_PRIORITY, order)):
            behind = [number for number in foreground if order[number].background]
            foreground = [number for number in foreground if not order[number].background]
        played = foreground
        if share > 1.0:
            played = [foreground[int(place * share)] for place in range(math.ceil(len(foreground) / share))]
        works = {number: expect(order[number]) for number in chain(played, behind)}
        return cls(order, expect, share, foreground, behind, played, works)


@dataclass(frozen=True, slots=True)
class _Course:
    """One possible course: (start, end) of the waiting job with an index.

    The jobs between the played ones start between those, and take as long by their durations.
    """

    waiting: _Waiting
    pick: Callable[[DurationRange], float]
    known: _Times
    """Of the simulated jobs and the background jobs."""
    simulated: int
    starts: Sequence[float]
    """Of the played jobs behind the *simulated* ones, each of which takes *per_round* seconds for one of its rounds."""
    per_round: float

    def __getitem__(self, number: int) -> tuple[float, float]:
        if (known := self.known.get(number)) is not None:
            return known
        waiting = self.waiting
        if waiting.share == 1.0:
            return self._played(bisect_left(waiting.foreground, number), number)
        place = bisect_right(waiting.played, number) - 1
        before = waiting.played[place]
        start, end = self._played(place, before)
        if before == number:
            return start, end
        until, last = start, len(waiting.foreground)
        if place + 1 < len(waiting.played):
            until, last = self._played(place + 1, waiting.played[place + 1])[0], int((place + 1) * waiting.share)
        first, position = int(place * waiting.share), bisect_left(waiting.foreground, number)
        begins = start + (max(until, start) - start) * (position - first) / (last - first)
        stretch = (end - start) / max(self.pick(waiting.works[before].alone), 1e-9)
        return begins, begins + self.pick(waiting.expect(waiting.order[number]).alone) * stretch

    def _played(self, place: int, number: int) -> tuple[float, float]:
        if place < self.simulated:
            return self.known[number]
        start = self.starts[place - self.simulated]
        return start, start + self.waiting.works[number].rounds * self.per_round


@dataclass(slots=True)
class _SimulatedWorker:
    """The foreground jobs of one worker. *at*: the time at which it is in round *round*."""

    capacity: Capacity
    pick: Callable[[DurationRange], float]
    together: float
    at: float
    round: float = 0.0
    inside: list[tuple[float, int, float, Ticket]] = field(default_factory=list)
    """Round in which it ends, number, seconds of one of its steps alone, ticket."""
    pictures: int = 0
    isolated: int = 0
    """Jobs inside that must run alone."""
    steps: float = 0.0
    """Seconds of one step of each job inside, alone."""
    round_lasts: float = 0.0
    next_end: float = math.inf
    room: int = 0
    """Free slots."""
    fits: float = math.inf
    """Pictures of the largest job that it takes: the rule of `WorkerPool`."""

    def enter(self, number: int, ticket: Ticket, work: RemainingWork, now: float) -> None:
        if now > self.at and self.inside:
            self.round += (now - self.at) / self.round_lasts
        self.at = max(self.at, now)
        step = self.pick(work.alone) / work.rounds
        heapq.heappush(self.inside, (self.round + work.rounds, number, step, ticket))
        self._count(ticket, step, 1)

    def leave(self) -> tuple[int, Ticket]:
        """Remove the job that ends next; moves `at` to its end."""
        self.at = self.next_end
        self.round, number, step, ticket = heapq.heappop(self.inside)
        self._count(ticket, step, -1)
        return number, ticket

    def _count(self, ticket: Ticket, step: float, by: int) -> None:
        self.pictures += by * ticket.pictures
        self.isolated += by * ticket.isolated
        self.steps += by * step
        self.room = self.capacity.slots - self.pictures
        self.next_end = self.fits = math.inf
        if self.inside:
            self.round_lasts = round_seconds([step for _, _, step, _ in self.inside], self.pictures, self.together)
            self.next_end = self.at + (self.inside[0][0] - self.round) * self.round_lasts
            self.fits = 0 if self.isolated else self.room


@dataclass(slots=True)
class _Play:
    """One possible course. A job takes as many slots of one worker as it has pictures; one that waits for room
    reserves a worker.

    Background jobs use no slot: they run one after the other on each worker, after all others.
    """

    waiting: _Waiting
    inside: Sequence[tuple[str, RunningJob]]
    """Worker and running foreground job."""
    behind: Sequence[RunningJob]
    """Running background jobs."""
    pick: Callable[[DurationRange], float]
    capacities: Mapping[str, Capacity]
    """Of the workers that are simulated."""
    workers: int
    """All of them."""
    now: float
    together: float
    ready: dict[str, float] = field(default_factory=dict)
    """Running job → its end."""
    _workers: list[_SimulatedWorker] = field(default_factory=list)
    _busy: Counter[str] = field(default_factory=Counter)
    """Owner → jobs inside."""

    def plan(self) -> _Course:
        """(start, end) of each waiting job."""
        workers = {
            name: _SimulatedWorker(one, self.pick, self.together, self.now, room=one.slots)
            for name, one in self.capacities.items()
        }
        self._workers = list(workers.values())
        for number, (name, job) in enumerate(self.inside, 1):
            self._enter(workers[name], -number, job.ticket, job.left)
        played = self.waiting.played
        slots = sum(worker.capacity.slots for worker in self._workers)
        exact = len(played) if len(played) <= HEAD + slots else HEAD
        times: _Times = {}
        self._play(times, list(played[: exact + slots]))
        for number in played[exact : exact + slots]:
            del times[number]
        starts, per_round = self._extrapolate(times, exact)
        self._background(times)
        return _Course(self.waiting, self.pick, times, exact, starts, per_round)

    def _play(self, times: _Times, left: list[int]) -> None:
        while left or any(worker.inside for worker in self._workers):
            if (turn := self._turn(left)) is not None:
                place, worker = turn
                number = left.pop(place)
                ticket, work = self.waiting.order[number], self.waiting.works[number]
                times[number] = self.now, self.now
                self._enter(worker, number, ticket, work.times(worker.capacity.slow))
            else:
                self._leave(times)

    def _extrapolate(self, times: _Times, exact: int) -> tuple[Sequence[float], float]:
        """Starts of the played jobs behind the *exact* ones, for saturated workers, and the seconds of their rounds."""
        played, works = self.waiting.played, self.waiting.works
        if exact == len(played):
            return (), 0.0
        head = played[:exact]
        spent = sum(end - start for start, end in (times[number] for number in head))
        per_round = spent / sum(works[number].rounds for number in head)
        speed = sum(worker.capacity.slots ** (1 - self.together) / worker.capacity.slow for worker in self._workers)
        first = times[head[-1]][0] + self.pick(works[head[-1]].alone) / speed
        starts = list(
            accumulate((self.pick(works[number].alone) / speed for number in played[exact:-1]), initial=first)
        )
        self.now = max(self.now, starts[-1] + works[played[-1]].rounds * per_round)
        return starts, per_round

    def _background(self, times: _Times) -> None:
        ends = [self.now] * self.workers
        for job in self.behind:
            end = heapq.heappop(ends) + self.pick(job.left.alone)
            self.ready[job.ticket.job_id] = end
            heapq.heappush(ends, end)
        for number in self.waiting.background:
            start = heapq.heappop(ends)
            times[number] = start, start + self.pick(self.waiting.works[number].alone)
            heapq.heappush(ends, times[number][1])

    def _enter(self, worker: _SimulatedWorker, number: int, ticket: Ticket, work: RemainingWork) -> None:
        worker.enter(number, ticket, work, self.now)
        self._busy[ticket.owner] += 1

    def _leave(self, times: _Times) -> None:
        worker = min(self._workers, key=_NEXT_END)
        number, ticket = worker.leave()
        self.now = max(self.now, worker.at)
        self._busy[ticket.owner] -= 1
        if number >= 0:
            times[number] = times[number][0], self.now
        else:
            self.ready[ticket.job_id] = self.now

    def _turn(self, left: Sequence[int]) -> tuple[int, _SimulatedWorker] | None:
        """Index of the next job among *left* and its worker, if there is room: the rule of `FairQueue.next`."""
        free = list(self._workers)
        for turn, number in enumerate(left):
            ticket = self.waiting.order[number]
            if self._busy[ticket.owner] >= ticket.running_limit:
                continue
            pictures = math.inf if ticket.isolated else ticket.pictures
            if able := [worker for worker in free if worker.fits >= pictures]:
                return turn, min(able, key=lambda worker: ((worker.steps + 1e-9) * worker.capacity.slow, -worker.room))
            if ticket.isolated:
                free.remove(min(free, key=lambda worker: len(worker.inside)))
            else:
                free.remove(max(free, key=_ROOM))
            if not free:
                return None
        return None


def _crowded_ends(running: Iterable[RunningJob], now: float, together: float) -> dict[str, float]:
    """Ends of the running jobs of workers that are not simulated, which stay as crowded as they are."""
    crowds: dict[str, list[RunningJob]] = {}
    for job in running:
        crowds.setdefault(job.worker, []).append(job)
    ends = {}
    for jobs in crowds.values():
        steps = [job.left.alone.likely / job.left.rounds for job in jobs]
        lasts = round_seconds(steps, sum(job.ticket.pictures for job in jobs), together)
        ends.update({job.ticket.job_id: now + job.left.rounds * lasts for job in jobs})
    return ends
