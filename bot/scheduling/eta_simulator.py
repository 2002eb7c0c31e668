"""When waiting jobs will begin and end: the fair order played through in rounds, as the engine paints. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from bot.models.job import QueuePosition
from bot.scheduling.durations import DurationRange
from bot.scheduling.fair_queue import Ticket
from bot.scheduling.throughput import TOGETHER, RemainingWork, round_seconds


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job: its ticket, what it still takes, and the part of it (0…1) that this paints."""

    ticket: Ticket
    left: RemainingWork
    share_left: float


def forecast(
    order: Iterable[Ticket],
    running: Sequence[RunningJob],
    expect: Callable[[Ticket], RemainingWork],
    slots: int,
    now: float,
    together: float = TOGETHER,
) -> Mapping[str, QueuePosition]:
    """Job id → its place, for every job that waits. *slots*: pictures that the engine paints at a time.

    *together* as in `bot.scheduling.throughput`. Played three times, with the low, the likely and the high duration
    of everything:
    ends that depend on many jobs are ranges that have grown with each of them.
    """
    waiting = [(ticket, expect(ticket)) for ticket in order]
    low, likely, high = (_Play(waiting, running, pick, slots, now, together).plan() for pick in (_LOW, _LIKELY, _HIGH))
    ahead = sum(job.ticket.cost * job.share_left for job in running if not job.ticket.background)
    places: dict[str, QueuePosition] = {}
    for number, (ticket, _) in enumerate(waiting):
        places[ticket.job_id] = QueuePosition(
            number + 1, len(waiting), ahead, likely[number][0], low[number][1], high[number][1], ready=likely[number][1]
        )
        ahead += ticket.cost
    return places


_LOW, _LIKELY, _HIGH = attrgetter("low"), attrgetter("likely"), attrgetter("high")


@dataclass(slots=True)
class _Play:
    """One way that it may go. A job takes as many slots as it has pictures; nobody overtakes who waits for room.

    What is in the background takes no slot: one after the other, it fills the time that all others leave.
    """

    waiting: Sequence[tuple[Ticket, RemainingWork]]
    running: Sequence[RunningJob]
    pick: Callable[[DurationRange], float]
    slots: int
    now: float
    together: float
    _round: float = 0.0
    _inside: list[tuple[float, int, float, Ticket]] = field(default_factory=list)
    """Round in which it ends, number, seconds of one of its steps alone, ticket."""
    _busy: Counter[str] = field(default_factory=Counter)
    """Owner → jobs inside."""
    _pictures: int = 0
    _lonely: int = 0
    """Jobs inside that have to be alone there."""

    def plan(self) -> Sequence[tuple[float, float]]:
        """(begin, end) of each."""
        times = [(self.now, self.now)] * len(self.waiting)
        for number, job in enumerate(self.running, 1):
            if not job.ticket.background:
                self._enter(-number, job.ticket, job.left)
        left = [number for number, (ticket, _) in enumerate(self.waiting) if not ticket.background]
        while left or self._inside:
            if (turn := self._turn(left)) is not None:
                number = left.pop(turn)
                times[number] = self.now, self.now
                self._enter(number, *self.waiting[number])
            elif (ended := self._leave()) >= 0:
                times[ended] = times[ended][0], self.now
        self.now += sum(self.pick(job.left.alone) for job in self.running if job.ticket.background)
        for number, (ticket, work) in enumerate(self.waiting):
            if ticket.background:
                times[number] = self.now, self.now + self.pick(work.alone)
                self.now = times[number][1]
        return times

    def _enter(self, number: int, ticket: Ticket, work: RemainingWork) -> None:
        step = self.pick(work.alone) / work.rounds
        heapq.heappush(self._inside, (self._round + work.rounds, number, step, ticket))
        self._count(ticket, 1)

    def _leave(self) -> int:
        """Paint until the next one is finished; its number."""
        round_lasts = round_seconds([step for _, _, step, _ in self._inside], self._pictures, self.together)
        end, number, _, ticket = heapq.heappop(self._inside)
        self.now += (end - self._round) * round_lasts
        self._round = end
        self._count(ticket, -1)
        return number

    def _count(self, ticket: Ticket, by: int) -> None:
        self._busy[ticket.owner] += by
        self._pictures += by * ticket.pictures
        self._lonely += by * ticket.isolated

    def _turn(self, left: Sequence[int]) -> int | None:
        """Who of those that are *left* is next, if there is room: as `FairQueue.next` does it."""
        for turn, number in enumerate(left):
            ticket = self.waiting[number][0]
            if self._busy[ticket.owner] < ticket.running_limit:
                room = ticket.pictures <= self.slots - self._pictures and not ticket.isolated and not self._lonely
                return turn if room or not self._inside else None
        return None
