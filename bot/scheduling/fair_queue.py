"""Whose turn it is: start-time fair queueing over what people's pictures cost. Pure and synchronous; knows no clock.

Every owner has a virtual time, which grows by the cost of each of their jobs that starts. The owner whose next job
would start earliest in virtual time is next (Goyal, Vin, Cheng 1996, "Start-time Fair Queueing"). So who asks for much
waits longer, who asks rarely goes first, and nobody starves: everybody else's virtual time grows with every job, and
so does the time at which newcomers come in.

We differ from the paper where people differ from packets: a person's line is priced when its head starts and not when
it is joined, so cancelling a job moves the person's others forward; and what a cancelled job had not used comes back.
Priority is a head start in cost plus a larger share. Both are bounded: a lower priority waits longer, never for ever.
What is in the background (a batch) stands behind everybody in order, one at a time, and in nobody's way: the engine
lets all others pass it between two steps, so it takes neither room nor a place among its owner's running jobs.
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
"""Units of cost by which a job may go earlier than its owner's virtual time says. A usual picture costs about 1.6."""
SHARE: Mapping[Priority, float] = {
    Priority.HOST: 4.0,
    Priority.ROLE: 2.0,
    Priority.NORMAL: 1.0,
    Priority.BATCH: 0.5,
    Priority.BACKGROUND: 1.0,
}
"""How many times slower than the plain cost an owner's virtual time grows."""
EVERYTHING = -1
"""Stands for all servers, and for what belongs to none."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the queue has to know about a job."""

    job_id: str
    owner: str
    cost: float
    """Units, > 0."""
    pictures: int = 1
    priority: Priority = Priority.NORMAL
    running_limit: int = 1
    """How many jobs of this owner may run at a time."""
    server: int = 0
    """Where it was asked for; 0 = in no server. A server can be held."""
    isolated: bool = False
    """Suspected of crashing the engine: runs with no other job, so that a crash is attributable."""

    @property
    def background(self) -> bool:
        """Whether all others go first."""
        return self.priority is Priority.BACKGROUND

    @property
    def span(self) -> float:
        """By how much it moves its owner's virtual time."""
        return self.cost / SHARE[self.priority]


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A ticket in its owner's line: by priority, then by arrival."""

    rank: int
    arrival: int
    ticket: Ticket

    @classmethod
    def of(cls, ticket: Ticket, arrival: int) -> _Waiting:
        return cls(-int(ticket.priority), arrival, ticket)


class FairQueue:
    """Jobs that wait and jobs that run. Costs are units; virtual times are units too."""

    def __init__(self) -> None:
        self._lines: dict[str, list[_Waiting]] = {}
        self._virtual: dict[str, float] = {}
        self._running: dict[str, _Waiting] = {}
        self._now = self._share = 0.0
        self._arrivals = count()
        self._held: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def running(self) -> list[Ticket]:
        """What has been handed out and has not ended."""
        return [entry.ticket for entry in self._running.values()]

    def hold(self, servers: Collection[int]) -> None:
        """From now on nothing starts that was asked for in one of *servers*; `EVERYTHING` among them holds all."""
        self._held = frozenset(servers)

    def holds(self, ticket: Ticket) -> bool:
        """Whether this job may not start for now."""
        return EVERYTHING in self._held or ticket.server in self._held

    def add(self, ticket: Ticket) -> None:
        """Join the line. Who was away does not gain by it: their virtual time starts at the present one."""
        if ticket.owner not in self._present():
            self._virtual[ticket.owner] = max(self._virtual.get(ticket.owner, self._now), self._now)
        self._join(_Waiting.of(ticket, next(self._arrivals)))

    def remember(self, costs: Mapping[str, float]) -> None:
        """After a restart: what owners have cost lately, in units."""
        for owner, cost in costs.items():
            self._virtual[owner] = self._now + cost

    def next(self, room: int) -> Ticket | None:
        """Hand out the job whose turn it is, if the engine has *room* for its pictures; None if it must wait.

        Nobody overtakes a job that waits for room: else large jobs would starve. With nothing running it goes anyway.
        What is in the background goes when nobody else can, and overtakes nobody by that.
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

    def _next_behind(self, front: _Waiting | None) -> _Waiting | None:
        """What may start in the background, while *front* (if anything) has to wait; not what *front* waits for."""
        if front is not None and front.ticket.isolated:
            return None
        entry = min(self._eligible(background=True), key=self._key, default=None)
        return entry if entry is not None and self._may_start(entry.ticket, entry.ticket.pictures) else None

    def give_back(self, job_id: str, ticket: Ticket | None = None, painted: float = 0.0) -> None:
        """A running job waits again, in its old place; as *ticket* where something has changed.

        Of its cost the part *painted* (0…1) counts: nothing, unless it is a batch that goes on.
        """
        entry = self._running.pop(job_id)
        self._virtual[entry.ticket.owner] -= entry.ticket.span * (1 - painted)
        self._join(_Waiting.of(ticket or entry.ticket, entry.arrival))

    def remove(self, job_id: str) -> bool:
        """Take a waiting job out; False if it does not wait."""
        for line in self._lines.values():
            for entry in line:
                if entry.ticket.job_id == job_id:
                    self._leave(entry)
                    self._settle()
                    return True
        return False

    def ended(self, job_id: str, painted: float = 1.0) -> None:
        """A running job is over; of its cost the part *painted* (0…1) counts. Unknown jobs are none of our business."""
        entry = self._running.pop(job_id, None)
        if entry is not None:
            self._virtual[entry.ticket.owner] -= entry.ticket.span * (1 - painted)
            self._settle()

    def order(self) -> Iterator[Ticket]:
        """Waiting jobs in the order in which they will start if no job arrives or is cancelled.

        Background jobs come after all others, held jobs last.
        """
        virtual = dict(self._virtual)
        groups: dict[tuple[bool, bool], list[list[_Waiting]]] = {}
        for line in self._lines.values():
            if not self._held and all(entry.ticket.priority is not Priority.BACKGROUND for entry in line):
                groups.setdefault((False, False), []).append(line)
                continue
            split: dict[tuple[bool, bool], list[_Waiting]] = {}
            for entry in line:
                split.setdefault(self._group(entry.ticket), []).append(entry)
            for group, entries in split.items():
                groups.setdefault(group, []).append(entries)
        for group in sorted(groups):
            yield from self._merged(groups[group], virtual)

    def _group(self, ticket: Ticket) -> tuple[bool, bool]:
        return self.holds(ticket), ticket.background

    def _merged(self, waiting: list[list[_Waiting]], virtual: dict[str, float]) -> Iterator[Ticket]:
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

    def _candidate(self, entry: _Waiting, virtual: Mapping[str, float]) -> tuple[float, int, _Waiting]:
        return virtual[entry.ticket.owner] - HEAD_START[entry.ticket.priority], entry.arrival, entry

    def _key(self, entry: _Waiting) -> tuple[float, int]:
        return self._candidate(entry, self._virtual)[:2]

    def _eligible(self, *, background: bool) -> Iterator[_Waiting]:
        """The first of every line that is not held, if its owner may have one more job running.

        In the *background* one job runs at a time, whosever it is.
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

    def _join(self, entry: _Waiting) -> None:
        insort(self._lines.setdefault(entry.ticket.owner, []), entry)

    def _leave(self, entry: _Waiting) -> None:
        line = self._lines[entry.ticket.owner]
        line.remove(entry)
        if not line:
            del self._lines[entry.ticket.owner]

    def _advance(self, started: float, span: float) -> None:
        """The present virtual time, at which newcomers come in; it never goes back.

        The paper takes the start of the job in service; with head starts that could jump ahead of who waits. And it
        moves on by everybody's share of each job, as in Parekh and Gallager (1993): else newcomers without end, who
        would all come in at one time, would starve whoever has had something.
        """
        waiting = (self._virtual[owner] for owner in self._lines)
        self._now = max(self._now + self._share, min([started, *waiting]))
        self._share = span / len(self._present())  # of the job that starts: it counts when the next one does

    def _present(self) -> set[str]:
        """Who has something waiting or running."""
        return self._lines.keys() | {entry.ticket.owner for entry in self._running.values()}

    def _settle(self) -> None:
        """Forget who owes nothing; when nothing waits or runs, forgive everybody (a busy period is over)."""
        if not self._lines and not self._running:
            self._virtual.clear()
            self._now = self._share = 0.0
            return
        busy = self._present()
        self._virtual = {
            owner: virtual for owner, virtual in self._virtual.items() if virtual > self._now or owner in busy
        }
