"""The fair queue: start-time fair queueing over the cost of people's jobs. Synchronous and without a clock.

Every owner has a virtual time, which grows by the cost of each of their jobs that starts. The owner whose next job
would start earliest in virtual time is next (Goyal, Vin, Cheng 1996, "Start-time Fair Queueing"). Heavy users wait
longer and rare users go first. No owner starves, because the virtual time of all others grows with every job, and so
does the virtual time of newcomers.

Differences from the paper: a line is priced when its head starts, not when a job joins it, so cancelling a job moves
the owner's other jobs forward; the unused cost of a cancelled job is refunded. Priority is a head start in cost plus a
larger share. Both are bounded, so a lower priority waits longer but not forever. Background jobs (batches) come after
all others, one at a time. The engine prefers other jobs at each step, so background jobs use neither room nor their
owner's limit of running jobs.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from bot.models.job import Priority

HEAD_START: Mapping[Priority, float] = {
    Priority.HOST: 50.0,
    Priority.ROLE: 10.0,
    Priority.NORMAL: 0.0,
    Priority.BATCH: -20.0,
    Priority.BACKGROUND: 0.0,
}
"""Units of cost by which a job may start before its owner's virtual time. A default picture costs about 1.6."""
SHARE: Mapping[Priority, float] = {
    Priority.HOST: 4.0,
    Priority.ROLE: 2.0,
    Priority.NORMAL: 1.0,
    Priority.BATCH: 0.5,
    Priority.BACKGROUND: 1.0,
}
"""Divisor of the cost by which an owner's virtual time grows."""
EVERYTHING = -1
"""A server id that stands for all servers and for direct messages."""


@dataclass(frozen=True, slots=True)
class Ticket:
    job_id: str
    owner: str
    cost: float
    """Units, > 0."""
    pictures: int = 1
    priority: Priority = Priority.NORMAL
    running_limit: int = 1
    """Jobs of this owner that may run at a time."""
    server: int = 0
    """Where it was asked for; 0 = no server. A server can be held."""
    isolated: bool = False
    """Suspected of crashing the engine: runs with no other job, so that a crash is attributable."""

    @property
    def background(self) -> bool:
        return self.priority is Priority.BACKGROUND

    @property
    def span(self) -> float:
        """The growth of its owner's virtual time."""
        return self.cost / SHARE[self.priority]


@dataclass(frozen=True, slots=True, order=True)
class _WaitingJob:
    """A ticket in its owner's line: by priority, then by arrival."""

    rank: int
    arrival: int
    ticket: Ticket

    @classmethod
    def of(cls, ticket: Ticket, arrival: int) -> _WaitingJob:
        return cls(-int(ticket.priority), arrival, ticket)


class FairQueue:
    """Waiting and running jobs. Costs and virtual times are in units."""

    def __init__(self) -> None:
        self._lines: dict[str, list[_WaitingJob]] = {}
        self._virtual: dict[str, float] = {}
        self._running: dict[str, _WaitingJob] = {}
        self._now = self._share = 0.0
        self._arrivals = count()
        self._held: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def running(self) -> list[Ticket]:
        """Jobs that were handed out and have not ended."""
        return [entry.ticket for entry in self._running.values()]

    def hold(self, servers: Collection[int]) -> None:
        """Start no job of these *servers* from now on; `EVERYTHING` among them holds all jobs."""
        self._held = frozenset(servers)

    def holds(self, ticket: Ticket) -> bool:
        return EVERYTHING in self._held or ticket.server in self._held

    def add(self, ticket: Ticket) -> None:
        """Join the owner's line. A returning owner starts at the present virtual time, so absence gains nothing."""
        if ticket.owner not in self._present():
            self._virtual[ticket.owner] = max(self._virtual.get(ticket.owner, self._now), self._now)
        self._join(_WaitingJob.of(ticket, next(self._arrivals)))

    def remember(self, costs: Mapping[str, float]) -> None:
        """After a restart: the recent cost of each owner, in units."""
        for owner, cost in costs.items():
            self._virtual[owner] = self._now + cost

    def next(self, room: int) -> Ticket | None:
        """Hand out the next job if the engine has *room* for its pictures; None if it must wait.

        No job overtakes one that waits for room, else large jobs would starve. With nothing running it starts anyway.
        A background job starts when no other job can.
        """
        entry = min(self._eligible(background=False), key=self._key, default=None)
        if entry is None or not self._may_start(entry.ticket, room):
            entry = self._next_behind(entry)
        if entry is None:
            return None
        self._leave(entry)
        self._running[entry.ticket.job_id] = entry
        start = self._virtual[entry.ticket.owner]
        self._virtual[entry.ticket.owner] = start + entry.ticket.span
        self._advance(start, entry.ticket.span)
        return entry.ticket

    def _next_behind(self, front: _WaitingJob | None) -> _WaitingJob | None:
        """The background job that may start while *front* (if any) waits; none while *front* needs an idle engine."""
        if front is not None and front.ticket.isolated:
            return None
        entry = min(self._eligible(background=True), key=self._key, default=None)
        return entry if entry is not None and self._may_start(entry.ticket, entry.ticket.pictures) else None

    def give_back(self, job_id: str, ticket: Ticket | None = None, painted: float = 0.0) -> None:
        """A running job waits again in its old place, with a new *ticket* if something changed.

        The share *painted* (0…1) of its cost counts.
        """
        entry = self._running.pop(job_id)
        self._virtual[entry.ticket.owner] -= entry.ticket.span * (1 - painted)
        self._join(_WaitingJob.of(ticket or entry.ticket, entry.arrival))

    def remove(self, job_id: str) -> bool:
        """Remove a waiting job; False if it does not wait."""
        for line in self._lines.values():
            for entry in line:
                if entry.ticket.job_id == job_id:
                    self._leave(entry)
                    self._settle()
                    return True
        return False

    def ended(self, job_id: str, painted: float = 1.0) -> None:
        """A running job has ended; the share *painted* (0…1) of its cost counts. Unknown jobs are ignored."""
        entry = self._running.pop(job_id, None)
        if entry is not None:
            self._virtual[entry.ticket.owner] -= entry.ticket.span * (1 - painted)
            self._settle()

    def order(self) -> Iterator[Ticket]:
        """Waiting jobs in the order in which they will start if no job arrives or is cancelled.

        Background jobs come after all others, held jobs last.
        """
        virtual = dict(self._virtual)
        groups: dict[tuple[bool, bool], list[list[_WaitingJob]]] = {}
        for line in self._lines.values():
            if not self._held and all(entry.ticket.priority is not Priority.BACKGROUND for entry in line):
                groups.setdefault((False, False), []).append(line)
                continue
            split: dict[tuple[bool, bool], list[_WaitingJob]] = {}
            for entry in line:
                split.setdefault(self._group(entry.ticket), []).append(entry)
            for group, entries in split.items():
                groups.setdefault(group, []).append(entries)
        for group in sorted(groups):
            yield from self._merged(groups[group], virtual)

    def _group(self, ticket: Ticket) -> tuple[bool, bool]:
        return self.holds(ticket), ticket.background

    def _merged(self, waiting: list[list[_WaitingJob]], virtual: dict[str, float]) -> Iterator[Ticket]:
        """Merge the lines of several owners, none of them empty; advances their *virtual* times."""
        heap = [(*self._candidate(line[0], virtual), 0, line) for line in waiting]
        heapq.heapify(heap)
        while heap:
            _, _, entry, place, line = heap[0]
            ticket = entry.ticket
            yield ticket
            virtual[ticket.owner] += ticket.cost / SHARE[ticket.priority]
            if place + 1 < len(line):
                heapq.heapreplace(heap, (*self._candidate(line[place + 1], virtual), place + 1, line))
            else:
                heapq.heappop(heap)

    def _candidate(self, entry: _WaitingJob, virtual: Mapping[str, float]) -> tuple[float, int, _WaitingJob]:
        return virtual[entry.ticket.owner] - HEAD_START[entry.ticket.priority], entry.arrival, entry

    def _key(self, entry: _WaitingJob) -> tuple[float, int]:
        return self._candidate(entry, self._virtual)[:2]

    def _eligible(self, *, background: bool) -> Iterator[_WaitingJob]:
        """The first job of every line that is not held, if its owner may run one more job.

        Only one *background* job runs at a time.
        """
        busy: dict[str, int] = {}
        for ticket in self.running:
            if ticket.background and background:
                return
            if not ticket.background:
                busy[ticket.owner] = busy.get(ticket.owner, 0) + 1
        for owner, line in self._lines.items():
            first = next((entry for entry in line if self._group(entry.ticket) == (False, background)), None)
            if first is not None and (background or busy.get(owner, 0) < first.ticket.running_limit):
                yield first

    def _may_start(self, ticket: Ticket, room: int) -> bool:
        others = self.running
        if others and (ticket.isolated or any(other.isolated for other in others)):
            return False
        return ticket.pictures <= room or all(other.background for other in others)

    def _join(self, entry: _WaitingJob) -> None:
        insort(self._lines.setdefault(entry.ticket.owner, []), entry)

    def _leave(self, entry: _WaitingJob) -> None:
        line = self._lines[entry.ticket.owner]
        line.remove(entry)
        if not line:
            del self._lines[entry.ticket.owner]

    def _advance(self, started: float, span: float) -> None:
        """Advance the present virtual time, at which newcomers join; it never goes back.

        The paper takes the start of the job in service; with head starts that could pass a waiting owner. It also
        advances by each owner's share of each job, as in Parekh and Gallager (1993), because an endless series of
        newcomers at one virtual time would starve all earlier owners.
        """
        waiting = (self._virtual[owner] for owner in self._lines)
        self._now = max(self._now + self._share, min([started, *waiting]))
        self._share = span / len(self._present())  # of the job that starts: it counts when the next one does

    def _present(self) -> set[str]:
        return self._lines.keys() | {entry.ticket.owner for entry in self._running.values()}

    def _settle(self) -> None:
        """Drop owners without debt; when no job waits or runs, drop all (the busy period is over)."""
        if not self._lines and not self._running:
            self._virtual.clear()
            self._now = self._share = 0.0
            return
        busy = self._present()
        self._virtual = {
            owner: virtual for owner, virtual in self._virtual.items() if virtual > self._now or owner in busy
        }
