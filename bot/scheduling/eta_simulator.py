"""When waiting jobs will start and end: the fair order simulated in rounds, as each worker renders.

The first `HEAD` jobs are simulated exactly. Behind them the workers are saturated, so each job delays the next ones by
the time that it takes of all of them: the rest is extrapolated from sums, in one pass.

Of many workers, `MOST` are simulated, with as large a share of the waiting jobs; the times of the others follow by
interpolation.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from bot.models.job import QueuePosition
from bot.scheduling.throughput import TOGETHER, DurationRange, RemainingWork, round_seconds
from bot.scheduling.ticket import Ticket

HEAD = 32
"""Waiting jobs that are simulated exactly."""
MOST = 4
"""Workers that are simulated."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """A worker: pictures that it renders at a time, and how many times longer its steps take than on the first."""

    slots: int
    slow: float = 1.0


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job: its ticket, what it still takes on its *worker*, and the share (0…1) of it that this renders."""

    ticket: Ticket
    left: RemainingWork
    share_left: float
    worker: str = ""


class Forecast(Mapping[str, QueuePosition]):
    """Job id → position of every waiting job, built when it is asked for. *ready*: running job → its end."""

    def __init__(
        self,
        order: Sequence[Ticket],
        ahead: Sequence[float],
        times: tuple[Sequence[tuple[float, float]], ...],
        ready: Mapping[str, float],
    ) -> None:
        self.order = order
        self.ready = ready
        self.index = {ticket.job_id: number for number, ticket in enumerate(order)}
        self._ahead = ahead
        self._low, self._likely, self._high = times

    def __getitem__(self, job_id: str) -> QueuePosition:
        number = self.index[job_id]
        starts, ready = self._likely[number]
        return QueuePosition(
            position=number + 1,
            waiting=len(self.order),
            ahead_cost=self._ahead[number],
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
    order: Iterable[Ticket],
    running: Sequence[RunningJob],
    expect: Callable[[Ticket], RemainingWork],
    workers: int | Mapping[str, Capacity],
    now: float,
    together: float = TOGETHER,
) -> Forecast:
    """The positions of all waiting jobs. *workers*: by name, or the slots of a single one; *now*: unix seconds.

    *together* as in `bot.scheduling.throughput`. Simulated three times, with the low, the likely and the high duration
    of every job, so ends that depend on many jobs get wide ranges.
    """
    capacities = {"": Capacity(workers)} if isinstance(workers, int) else workers or {"": Capacity(1)}
    waiting = [(ticket, expect(ticket)) for ticket in order]
    groups: tuple[list[int], list[int]] = ([], [])
    for number, (ticket, _) in enumerate(waiting):
        groups[ticket.background].append(number)
    plays = [_Play(waiting, *groups, running, pick, capacities, now, together) for pick in (_LOW, _LIKELY, _HIGH)]
    low, likely, high = (play.plan() for play in plays)
    ahead, costs = sum(job.ticket.cost * job.share_left for job in running if not job.ticket.background), []
    for ticket, _ in waiting:
        costs.append(ahead)
        ahead += ticket.cost
    return Forecast([ticket for ticket, _ in waiting], costs, (low, likely, high), plays[1].ready)


_LOW, _LIKELY, _HIGH = attrgetter("low"), attrgetter("likely"), attrgetter("high")
_Times = list[tuple[float, float]]


@dataclass(slots=True)
class _SimulatedWorker:
    """The foreground jobs of one worker. *at*: the time at which it is in round *round*."""

    name: str
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

    @property
    def round_lasts(self) -> float:
        return round_seconds([step for _, _, step, _ in self.inside], self.pictures, self.together)

    @property
    def next_end(self) -> float:
        return self.at + (self.inside[0][0] - self.round) * self.round_lasts if self.inside else math.inf

    @property
    def room(self) -> int:
        return self.capacity.slots - self.pictures

    def takes(self, ticket: Ticket) -> bool:
        """The rule of `WorkerPool`."""
        fits = ticket.pictures <= self.room and not ticket.isolated and not self.isolated
        return fits or not self.inside

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


@dataclass(slots=True)
class _Play:
    """One possible course. A job takes as many slots of one worker as it has pictures; one that waits for room
    reserves a worker.

    Background jobs use no slot: they run one after the other on each worker, after all others.
    """

    waiting: Sequence[tuple[Ticket, RemainingWork]]
    foreground: Sequence[int]
    background: Sequence[int]
    """Indices of the waiting jobs."""
    running: Sequence[RunningJob]
    pick: Callable[[DurationRange], float]
    capacities: Mapping[str, Capacity]
    now: float
    together: float
    ready: dict[str, float] = field(default_factory=dict)
    """Running job → its end."""
    _workers: list[_SimulatedWorker] = field(default_factory=list)
    _busy: Counter[str] = field(default_factory=Counter)
    """Owner → jobs inside."""

    def plan(self) -> Sequence[tuple[float, float]]:
        """(start, end) of each waiting job."""
        times = [(self.now, self.now)] * len(self.waiting)
        chosen = dict(list(self.capacities.items())[:MOST])
        self._workers = [
            _SimulatedWorker(name, one, self.pick, self.together, self.now) for name, one in chosen.items()
        ]
        self._finish(self._begin())
        foreground = self.foreground
        share = max(len(self.capacities) / len(self._workers), 1.0)
        played = foreground if share == 1.0 else _every(foreground, share)
        slots = sum(worker.capacity.slots for worker in self._workers)
        exact = len(played) if len(played) <= HEAD + slots else HEAD
        self._play(times, list(played[: exact + slots]))
        self._extrapolate(times, played, exact)
        if share > 1.0:
            _interpolate(times, foreground, played, [self.pick(self.waiting[number][1].alone) for number in foreground])
        self._background(times)
        return times

    def _begin(self) -> list[RunningJob]:
        """Running jobs enter their workers. Returns those of workers that are not simulated."""
        names = {worker.name: worker for worker in self._workers}
        outside = []
        for number, job in enumerate(self.running, 1):
            if job.ticket.background:
                continue
            worker = self._workers[0] if len(self.capacities) == 1 else names.get(job.worker)
            if worker is None:
                outside.append(job)
            else:
                self._enter(worker, -number, job.ticket, job.left)
        return outside

    def _play(self, times: _Times, left: list[int]) -> None:
        while left or any(worker.inside for worker in self._workers):
            if (turn := self._turn(left)) is not None:
                place, worker = turn
                number = left.pop(place)
                ticket, work = self.waiting[number]
                times[number] = self.now, self.now
                self._enter(worker, number, ticket, work.times(worker.capacity.slow))
            else:
                self._leave(times)

    def _extrapolate(self, times: _Times, foreground: Sequence[int], exact: int) -> None:
        """Times of the jobs behind the *exact* ones, for saturated workers."""
        if exact == len(foreground):
            return
        head = foreground[:exact]
        spent = sum(end - start for start, end in (times[number] for number in head))
        per_round = spent / sum(self.waiting[number][1].rounds for number in head)
        speed = sum(worker.capacity.slots ** (1 - self.together) / worker.capacity.slow for worker in self._workers)
        last = foreground[exact - 1]
        start = times[last][0] + self.pick(self.waiting[last][1].alone) / speed
        for number in foreground[exact:]:
            work = self.waiting[number][1]
            times[number] = start, start + work.rounds * per_round
            start += self.pick(work.alone) / speed
        self.now = max(self.now, times[foreground[-1]][1])

    def _finish(self, outside: Sequence[RunningJob]) -> None:
        """Ends of the running jobs of the workers that were not simulated, which stay as crowded as they are."""
        crowds: dict[str, list[RunningJob]] = {}
        for job in outside:
            crowds.setdefault(job.worker, []).append(job)
        for jobs in crowds.values():
            steps = [self.pick(job.left.alone) / job.left.rounds for job in jobs]
            lasts = round_seconds(steps, sum(job.ticket.pictures for job in jobs), self.together)
            for job in jobs:
                self.ready[job.ticket.job_id] = self.now + job.left.rounds * lasts

    def _background(self, times: _Times) -> None:
        ends = [self.now] * len(self.capacities)
        for job in self.running:
            if job.ticket.background:
                end = heapq.heappop(ends) + self.pick(job.left.alone)
                self.ready[job.ticket.job_id] = end
                heapq.heappush(ends, end)
        for number in self.background:
            start = heapq.heappop(ends)
            times[number] = start, start + self.pick(self.waiting[number][1].alone)
            heapq.heappush(ends, times[number][1])

    def _enter(self, worker: _SimulatedWorker, number: int, ticket: Ticket, work: RemainingWork) -> None:
        worker.enter(number, ticket, work, self.now)
        self._busy[ticket.owner] += 1

    def _leave(self, times: _Times) -> None:
        worker = min(self._workers, key=lambda one: one.next_end)
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
            ticket = self.waiting[number][0]
            if self._busy[ticket.owner] >= ticket.running_limit:
                continue
            able = [worker for worker in free if worker.takes(ticket)]
            if able:
                return turn, min(able, key=lambda worker: ((worker.steps + 1e-9) * worker.capacity.slow, -worker.room))
            if ticket.isolated:
                free.remove(min(free, key=lambda worker: len(worker.inside)))
            else:
                free.remove(max(free, key=lambda worker: worker.room))
            if not free:
                return None
        return None


def _every(numbers: Sequence[int], share: float) -> list[int]:
    """One in *share* of them, evenly spread."""
    return [numbers[int(place * share)] for place in range(math.ceil(len(numbers) / share))]


def _interpolate(times: _Times, numbers: Sequence[int], played: Sequence[int], alone: Sequence[float]) -> None:
    """Times of the jobs between the *played* ones: they start between those, and take as long by their durations."""
    if not played:
        return
    place = {number: position for position, number in enumerate(numbers)}
    for before, after in zip(played, [*played[1:], None], strict=True):
        start, end = times[before]
        first = place[before]
        last = place[after] if after is not None else len(numbers)
        until = times[after][0] if after is not None else start
        stretch = (end - start) / max(alone[first], 1e-9)
        for position in range(first + 1, last):
            begins = start + (max(until, start) - start) * (position - first) / (last - first)
            times[numbers[position]] = begins, begins + alone[position] * stretch
