"""The fair queue: start-time fair queueing over the cost of people's jobs. Synchronous and without a clock.

Every owner has a virtual time, which grows by the cost of each of their jobs that starts. The owner whose next job
would start earliest in virtual time is next (Goyal, Vin, Cheng 1996, "Start-time Fair Queueing"). Heavy users wait
longer and rare users go first. No owner starves, because the virtual time of all others grows with every job, and so
does the virtual time of newcomers.

Differences from the paper: a line is priced when its head starts, not when a job joins it, so cancelling a job moves
the owner's other jobs forward; the unused cost of a cancelled job is refunded. Priority is a head start in cost plus a
larger share. Both are bounded, so a lower priority waits longer but not forever. Background jobs (batches) come after
all others, one per worker. The engine prefers other jobs at each step, so background jobs use neither room nor their
owner's limit of running jobs.

A decision takes O(log n) for n owners and O(k) for k workers: heaps hold the first job of each owner. An entry is valid
while it equals the owner's present one; others are dropped when they come up.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from operator import itemgetter

from bot.models.job import Priority
from bot.scheduling.worker_pool import Ticket, WorkerPool

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
LOOKED_AT = 16
"""Jobs that may wait for room while later ones start."""
EVERYTHING = -1
"""A server id that stands for all servers and for direct messages."""


@dataclass(frozen=True, slots=True, order=True)
class _WaitingJob:
    """A ticket in its owner's line: by priority, then by arrival."""

    rank: int
    arrival: int
    ticket: Ticket


_Candidate = tuple[float, int, str]
"""Start in virtual time (less the head start), arrival, owner."""


class FairQueue:
    """Waiting and running jobs. Costs and virtual times are in units."""

    def __init__(self, workers: WorkerPool | None = None) -> None:
        self.workers = WorkerPool() if workers is None else workers
        self._lines: dict[str, list[_WaitingJob]] = {}
        self._waiting: dict[str, _WaitingJob] = {}
        self._virtual: dict[str, float] = {}
        self._running: dict[str, _WaitingJob] = {}
        self._present: Counter[str] = Counter()
        """Owner → waiting and running jobs."""
        self._busy: Counter[str] = Counter()
        """Owner → running foreground jobs."""
        self._front: list[_Candidate] = []
        self._behind: list[_Candidate] = []
        """Heaps of the first job of each owner; background jobs are behind."""
        self._oldest: list[tuple[float, str]] = []
        """Heap of the virtual times of owners who wait."""
        self._now = self._share = 0.0
        self._arrivals = count()
        self._held: frozenset[int] = frozenset()
        self._order = WaitingOrder(self._keyed)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> list[Ticket]:
        """Jobs that were handed out and have not ended."""
        return [entry.ticket for entry in self._running.values()]

    def hold(self, servers: Collection[int]) -> None:
        """Start no job of these *servers* from now on; `EVERYTHING` among them holds all jobs."""
        self._held = frozenset(servers)
        self._rebuild()

    def holds(self, ticket: Ticket) -> bool:
        return EVERYTHING in self._held or ticket.server in self._held

    def add(self, ticket: Ticket) -> None:
        """Join the owner's line. A returning owner starts at the present virtual time, so absence gains nothing."""
        if ticket.owner not in self._present:
            self._virtual[ticket.owner] = max(self._virtual.get(ticket.owner, self._now), self._now)
        self._present[ticket.owner] += 1
        self._join(ticket, next(self._arrivals))

    def remember(self, costs: Mapping[str, float]) -> None:
        """After a restart: the recent cost of each owner, in units."""
        for owner, cost in costs.items():
            self._virtual[owner] = self._now + cost
        self._rebuild()

    def next(self) -> Ticket | None:
        """Hand out the next job that a worker has room for; None if all must wait. `workers` then know where it is.

        A job that waits for room reserves a worker (see `WorkerPool`). A background job starts when no other job can.
        """
        self.workers.begin_choice()
        found = self._find(self._front, background=False) or self._find(self._behind, background=True)
        if found is None:
            return None
        entry, worker = found
        self._leave(entry)
        self._running[entry.ticket.job_id] = entry
        if not entry.ticket.background:
            self._busy[entry.ticket.owner] += 1
        self.workers.assign(entry.ticket, worker)
        start, span = self._virtual[entry.ticket.owner], _span(entry.ticket)
        self._virtual[entry.ticket.owner] = start + span
        self._touch(entry.ticket.owner)
        self._advance(start, span)
        return entry.ticket

    def give_back(self, job_id: str, ticket: Ticket | None = None, painted: float = 0.0) -> None:
        """A running job waits again in its old place, with a new *ticket* if something changed.

        The share *painted* (0…1) of its cost counts.
        """
        entry = self._stop(self._running.pop(job_id), painted)
        self._join(ticket or entry.ticket, entry.arrival)

    def remove(self, job_id: str) -> bool:
        """Remove a waiting job; False if it does not wait."""
        if (entry := self._waiting.get(job_id)) is None:
            return False
        self._leave(entry)
        _decrease(self._present, entry.ticket.owner)
        self._touch(entry.ticket.owner)
        self._settle()
        return True

    def ended(self, job_id: str, painted: float = 1.0) -> None:
        """A running job has ended; the share *painted* (0…1) of its cost counts. Unknown jobs are ignored."""
        entry = self._running.pop(job_id, None)
        if entry is not None:
            self._stop(entry, painted)
            _decrease(self._present, entry.ticket.owner)
            self._touch(entry.ticket.owner)
            self._settle()

    def order(self) -> list[Ticket]:
        """Waiting jobs in the order in which they will start if no job arrives or is cancelled.

        Background jobs come after all others, held jobs last.
        """
        return self._order.tickets()

    def _keyed(self, owner: str) -> list[tuple[Key, Ticket]]:
        """The waiting jobs of *owner* with their places in `order`."""
        found, virtual = [], self._virtual.get(owner, 0.0)
        for held, background, entry in sorted(
            (self.holds(entry.ticket), entry.ticket.background, entry) for entry in self._lines.get(owner, ())
        ):
            start = virtual - HEAD_START[entry.ticket.priority]
            found.append(((held, background, start, entry.arrival, owner), entry.ticket))
            virtual += _span(entry.ticket)
        return found

    def _find(self, heap: list[_Candidate], *, background: bool) -> tuple[_WaitingJob, str] | None:
        """The first job that fits a worker now, and that worker. Jobs that wait reserve workers."""
        passed: list[_Candidate] = []
        found = None
        while heap and len(passed) < LOOKED_AT and (background or not passed or self.workers.has_room):
            entry = self._first(heap[0][2], background)
            if entry is None or self._key(entry) != heap[0]:
                heapq.heappop(heap)
                continue
            if (worker := self.workers.place(entry.ticket)) is not None:
                found = entry, worker
                break
            passed.append(heapq.heappop(heap))
            if background or not self.workers.reserve(entry.ticket):
                break
        for candidate in passed:
            heapq.heappush(heap, candidate)
        return found

    def _first(self, owner: str, background: bool) -> _WaitingJob | None:
        """The first job of *owner* that is not held, if they may run one more; background jobs have no limit."""
        for entry in self._lines.get(owner, ()):
            ticket = entry.ticket
            if ticket.background is background and not (self._held and self.holds(ticket)):
                return entry if background or self._busy[owner] < ticket.running_limit else None
        return None

    def _key(self, entry: _WaitingJob) -> _Candidate:
        owner = entry.ticket.owner
        return self._virtual[owner] - HEAD_START[entry.ticket.priority], entry.arrival, owner

    def _touch(self, owner: str) -> None:
        """Enter the present candidates of *owner* after a change of their line, virtual time or running jobs."""
        self._order.change(owner)
        if owner not in self._lines:
            return
        for heap, background in ((self._front, False), (self._behind, True)):
            if (entry := self._first(owner, background)) is not None:
                heapq.heappush(heap, self._key(entry))
        heapq.heappush(self._oldest, (self._virtual[owner], owner))
        if len(self._front) + len(self._behind) + len(self._oldest) > 16 * len(self._lines) + 256:
            self._rebuild()

    def _rebuild(self) -> None:
        self._front, self._behind, self._oldest = [], [], []
        for owner in self._lines:
            self._touch(owner)

    def _join(self, ticket: Ticket, arrival: int) -> None:
        entry = self._waiting[ticket.job_id] = _WaitingJob(-int(ticket.priority), arrival, ticket)
        insort(self._lines.setdefault(ticket.owner, []), entry)
        self._touch(ticket.owner)

    def _leave(self, entry: _WaitingJob) -> None:
        del self._waiting[entry.ticket.job_id]
        line = self._lines[entry.ticket.owner]
        line.remove(entry)
        if not line:
            del self._lines[entry.ticket.owner]

    def _stop(self, entry: _WaitingJob, painted: float) -> _WaitingJob:
        """*entry* runs no more; its owner gets the unpainted share back."""
        owner = entry.ticket.owner
        self.workers.release(entry.ticket.job_id)
        if not entry.ticket.background:
            _decrease(self._busy, owner)
        self._virtual[owner] -= _span(entry.ticket) * (1 - painted)
        return entry

    def _advance(self, started: float, span: float) -> None:
        """Advance the present virtual time, at which newcomers join; it never goes back.

        The paper takes the start of the job in service; with head starts that could pass a waiting owner. It also
        advances by each owner's share of each job, as in Parekh and Gallager (1993), because an endless series of
        newcomers at one virtual time would starve all earlier owners.
        """
        while self._oldest:
            virtual, owner = self._oldest[0]
            if owner in self._lines and self._virtual[owner] == virtual:
                started = min(started, virtual)
                break
            heapq.heappop(self._oldest)
        self._now = max(self._now + self._share, started)
        self._share = span / len(self._present)  # of the job that starts: it counts when the next one does

    def _settle(self) -> None:
        """Drop owners without debt; when no job waits or runs, drop all (the busy period is over)."""
        if not self._lines and not self._running:
            self._virtual.clear()
            self._now = self._share = 0.0
            self._rebuild()
            return
        if len(self._virtual) > 2 * len(self._present) + 64:
            self._virtual = {
                owner: virtual
                for owner, virtual in self._virtual.items()
                if virtual > self._now or owner in self._present
            }


def _span(ticket: Ticket) -> float:
    """The growth of its owner's virtual time."""
    return ticket.cost / SHARE[ticket.priority]


def _decrease(counter: Counter[str], owner: str) -> None:
    counter[owner] -= 1
    if not counter[owner]:
        del counter[owner]


Key = tuple[bool, bool, float, int, str]
"""Held, background, start in virtual time (less the head start), arrival, owner."""
KeyedTickets = Sequence[tuple[Key, Ticket]]
_MANY = 8
"""All jobs are sorted again once one in so many of them belongs to an owner who changed."""


class WaitingOrder:
    """The waiting jobs in their fair order. *keyed*: owner → their waiting jobs with distinct keys.

    The order is kept up to date owner by owner: a change costs the jobs of its owner only.
    """

    def __init__(self, keyed: Callable[[str], KeyedTickets]) -> None:
        self._keyed = keyed
        self._owned: dict[str, KeyedTickets] = {}
        self._keys: list[Key] = []
        self._tickets: list[Ticket] = []
        """In the order of `_keys`."""
        self._changed: set[str] = set()

    def change(self, owner: str) -> None:
        """The jobs of *owner* or their keys may have changed."""
        self._changed.add(owner)

    def tickets(self) -> list[Ticket]:
        """All waiting jobs in the order of their keys."""
        anew = len(self._changed) * _MANY > len(self._keys)
        for owner in self._changed:
            former, now = self._owned.pop(owner, ()), self._keyed(owner)
            if now:
                self._owned[owner] = now
            if not anew:
                self._replace(former, now)
        self._changed.clear()
        if anew:
            entries = sorted(chain.from_iterable(self._owned.values()), key=itemgetter(0))
            self._keys, self._tickets = [key for key, _ in entries], [ticket for _, ticket in entries]
        return self._tickets.copy()

    def _replace(self, former: KeyedTickets, now: KeyedTickets) -> None:
        for key, _ in former:
            place = bisect_left(self._keys, key)
            del self._keys[place], self._tickets[place]
        for key, ticket in now:
            place = bisect_left(self._keys, key)
            self._keys.insert(place, key)
            self._tickets.insert(place, ticket)
