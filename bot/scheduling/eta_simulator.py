"""When waiting jobs will start and end: the fair order simulated in rounds, as the engine renders.

The first `HEAD` jobs are simulated exactly. Behind them the engine is saturated, so each job delays the next ones by
the engine time that it takes: the rest is extrapolated from sums, in one pass.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from bot.models.job import QueuePosition
from bot.scheduling.fair_queue import Ticket
from bot.scheduling.throughput import TOGETHER, DurationRange, RemainingWork, round_seconds

HEAD = 32
"""Waiting jobs that are simulated exactly."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job: its ticket, what it still takes, and the share (0…1) of it that this renders."""

    ticket: Ticket
    left: RemainingWork
    share_left: float


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
    slots: int,
    now: float,
    together: float = TOGETHER,
) -> Forecast:
    """The positions of all waiting jobs. *slots*: pictures that the engine renders at a time; *now*: unix seconds.

    *together* as in `bot.scheduling.throughput`. Simulated three times, with the low, the likely and the high duration
    of every job, so ends that depend on many jobs get wide ranges.
    """
    waiting = [(ticket, expect(ticket)) for ticket in order]
    plays = [_Simulation(waiting, running, pick, slots, now, together) for pick in (_LOW, _LIKELY, _HIGH)]
    low, likely, high = (play.plan() for play in plays)
    ahead, costs = sum(job.ticket.cost * job.share_left for job in running if not job.ticket.background), []
    for ticket, _ in waiting:
        costs.append(ahead)
        ahead += ticket.cost
    return Forecast([ticket for ticket, _ in waiting], costs, (low, likely, high), plays[1].ready)


_LOW, _LIKELY, _HIGH = attrgetter("low"), attrgetter("likely"), attrgetter("high")


@dataclass(slots=True)
class _Simulation:
    """One possible course. A job takes as many slots as it has pictures; no job overtakes one that waits for room.

    Background jobs take no slot: one after the other, they fill the time that all others leave.
    """

    waiting: Sequence[tuple[Ticket, RemainingWork]]
    running: Sequence[RunningJob]
    pick: Callable[[DurationRange], float]
    slots: int
    now: float
    together: float
    ready: dict[str, float] = field(default_factory=dict)
    """Running job → its end."""
    _round: float = 0.0
    _inside: list[tuple[float, int, float, Ticket]] = field(default_factory=list)
    """Round in which it ends, number, seconds of one of its steps alone, ticket."""
    _busy: Counter[str] = field(default_factory=Counter)
    """Owner → jobs inside."""
    _pictures: int = 0
    _isolated: int = 0
    """Jobs inside that must have the engine for themselves."""

    def plan(self) -> Sequence[tuple[float, float]]:
        """(start, end) of each waiting job."""
        times = [(self.now, self.now)] * len(self.waiting)
        for number, job in enumerate(self.running, 1):
            if not job.ticket.background:
                self._enter(-number, job.ticket, job.left)
        foreground = [number for number, (ticket, _) in enumerate(self.waiting) if not ticket.background]
        exact = len(foreground) if len(foreground) <= HEAD + self.slots else HEAD
        left = foreground[: exact + self.slots]
        while left or self._inside:
            if (turn := self._turn(left)) is not None:
                number = left.pop(turn)
                times[number] = self.now, self.now
                self._enter(number, *self.waiting[number])
            else:
                self._leave(times)
        self._extrapolate(times, foreground, exact)
        self._background(times)
        return times

    def _extrapolate(self, times: list[tuple[float, float]], foreground: Sequence[int], exact: int) -> None:
        """Times of the jobs behind the *exact* ones, for a saturated engine."""
        if exact == len(foreground):
            return
        head = foreground[:exact]
        spent = sum(end - start for start, end in (times[number] for number in head))
        per_round = spent / sum(self.waiting[number][1].rounds for number in head)
        faster = self.slots ** (self.together - 1)
        last = foreground[exact - 1]
        start = times[last][0] + self.pick(self.waiting[last][1].alone) * faster
        for number in foreground[exact:]:
            work = self.waiting[number][1]
            times[number] = start, start + work.rounds * per_round
            start += self.pick(work.alone) * faster
        self.now = max(self.now, times[foreground[-1]][1])

    def _background(self, times: list[tuple[float, float]]) -> None:
        for job in self.running:
            if job.ticket.background:
                self.now += self.pick(job.left.alone)
                self.ready[job.ticket.job_id] = self.now
        for number, (ticket, work) in enumerate(self.waiting):
            if ticket.background:
                times[number] = self.now, self.now + self.pick(work.alone)
                self.now = times[number][1]

    def _enter(self, number: int, ticket: Ticket, work: RemainingWork) -> None:
        step = self.pick(work.alone) / work.rounds
        heapq.heappush(self._inside, (self._round + work.rounds, number, step, ticket))
        self._count(ticket, 1)

    def _leave(self, times: list[tuple[float, float]]) -> None:
        round_lasts = round_seconds([step for _, _, step, _ in self._inside], self._pictures, self.together)
        end, number, _, ticket = heapq.heappop(self._inside)
        self.now += (end - self._round) * round_lasts
        self._round = end
        self._count(ticket, -1)
        if number >= 0:
            times[number] = times[number][0], self.now
        else:
            self.ready[ticket.job_id] = self.now

    def _count(self, ticket: Ticket, by: int) -> None:
        self._busy[ticket.owner] += by
        self._pictures += by * ticket.pictures
        self._isolated += by * ticket.isolated

    def _turn(self, left: Sequence[int]) -> int | None:
        """Index of the next job among *left*, if there is room: the rule of `FairQueue.next`."""
        for turn, number in enumerate(left):
            ticket = self.waiting[number][0]
            if self._busy[ticket.owner] < ticket.running_limit:
                room = ticket.pictures <= self.slots - self._pictures and not ticket.isolated and not self._isolated
                return turn if room or not self._inside else None
        return None


_GROUPS = (1, 2, 4, 8, 16)
"""Groups by the number of jobs ahead: upper bounds; the rest is one more group."""
_MEMORY = 0.08
_WIDE = 1.3
"""Standard deviations to either side: about 80 % of a normal distribution."""
_SHORTEST = 1.0
"""Seconds; shorter waits are ignored."""


@dataclass(slots=True)
class _Late:
    """Mean and variance of log(actual wait / forecast wait)."""

    mean: float = 0.0
    variance: float = 0.15**2

    def learn(self, value: float) -> None:
        error = value - self.mean
        self.mean += _MEMORY * error
        self.variance = (1 - _MEMORY) * (self.variance + _MEMORY * error**2)


@dataclass(slots=True)
class EtaCorrection:
    """Corrects positions by the outcome of earlier forecasts. Times are unix seconds."""

    _groups: dict[int, _Late] = field(default_factory=dict)
    _foretold: dict[str, tuple[float, QueuePosition]] = field(default_factory=dict)

    def foretell(self, job_id: str, place: QueuePosition, now: float) -> None:
        """Remember the first, uncorrected forecast of a job."""
        if place.starts - now >= _SHORTEST and not place.held:
            self._foretold.setdefault(job_id, (now, place))

    def forget(self, *job_ids: str) -> None:
        """Drop forecasts of jobs that ended before their start or were held."""
        for job_id in job_ids:
            self._foretold.pop(job_id, None)

    def starts(self, job_id: str, now: float) -> None:
        asked, place = self._foretold.pop(job_id, (now, None))
        if place is not None:
            late = math.log(max(now - asked, _SHORTEST) / (place.starts - asked))
            self._late(place).learn(min(max(late, -1.5), 1.5))

    def corrected(self, place: QueuePosition, now: float) -> QueuePosition:
        wait, rest = place.starts - now, place.ready - now
        if wait <= 0 or rest <= 0:
            return place
        late = self._late(place)
        unsure = _WIDE * math.sqrt(late.variance) * wait / rest
        early = math.hypot(math.log(rest / max(place.earliest - now, rest / 100)), unsure)
        tardy = math.hypot(math.log(max(place.latest - now, rest) / rest), unsure)
        more = wait * (math.exp(late.mean) - 1)
        return replace(
            place,
            starts=place.starts + more,
            earliest=now + (rest + more) * math.exp(-early),
            ready=place.ready + more,
            latest=now + (rest + more) * math.exp(tardy),
        )

    def _late(self, place: QueuePosition) -> _Late:
        group = sum(place.position - 1 >= limit for limit in _GROUPS)
        return self._groups.setdefault(group, _Late())
