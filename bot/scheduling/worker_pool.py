"""The engine's workers in the queue: chooses the worker of a job, and reserves one for a job that waits.

A job goes to one worker, because its pictures share each step there. Of the workers with room it goes to the one where
it takes least time: joining a batch of its own kind costs less than running beside other kinds, and loading weights
costs about as much as the job. Among equals the one with most room is next.

A job that fits nowhere reserves the worker with the most room, and later jobs may only use the others. So small jobs
cannot delay a job of four pictures forever, even though four slots of two workers do not fit it. With one worker, no
job overtakes one that waits for room.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

from bot.scheduling.eta_simulator import Capacity
from bot.scheduling.ticket import JobNeeds, Ticket
from engine.protocol.messages import Ready, WorkerState

LOADING = 1.0
"""Duration of loading weights over the job's own duration."""

_ANY = sys.maxsize
"""The room of an idle worker."""


@dataclass(slots=True)
class WorkerLoad:
    """One worker and its jobs."""

    state: WorkerState
    jobs: dict[str, Ticket] = field(default_factory=dict)
    pictures: int = 0
    """In progress, without background jobs."""
    isolated: int = 0
    """Jobs that must be alone."""
    background: int = 0
    batches: Counter[str] = field(default_factory=Counter)
    """`JobNeeds.batch` → pictures in progress."""
    _unseen: dict[str, int] = field(default_factory=dict)
    """Job → pictures that `state.free` does not count yet."""
    free: int = 0
    """Free slots; negative where a job has more pictures than the worker has slots."""

    def __post_init__(self) -> None:
        self.free = self.state.free

    def report(self, state: WorkerState) -> None:
        """Update from the worker's own report."""
        self.state = state
        self.free = state.free - sum(self._unseen.values())

    def add(self, ticket: Ticket) -> None:
        self.jobs[ticket.job_id] = ticket
        self._count(ticket, 1)
        if not ticket.background:
            self._unseen[ticket.job_id] = ticket.pictures
            self.free -= ticket.pictures

    def seen(self, job_id: str) -> bool:
        """`state.free` counts that job from now on; false if it did before."""
        pictures = self._unseen.pop(job_id, 0)
        self.free += pictures
        return pictures > 0

    def remove(self, job_id: str) -> None:
        self.seen(job_id)
        if (ticket := self.jobs.pop(job_id, None)) is not None:
            self._count(ticket, -1)

    def has_room(self, ticket: Ticket) -> bool:
        """Whether *ticket* fits. An idle worker fits a job of any size; a background job uses no slot."""
        if self.isolated or (ticket.isolated and self.jobs):
            return False
        if ticket.background:
            return not self.background
        return ticket.pictures <= self.free or not self.pictures

    def can(self, needs: JobNeeds) -> bool:
        """Whether it has the weights and the memory."""
        most = self.state.largest.get(needs.memory)
        return (most is None or needs.pixels <= most) and (
            not self.state.lacks or needs.names.isdisjoint(self.state.lacks)
        )

    def duration(self, ticket: Ticket, together: float) -> float:
        """How many times longer than alone the job would take here, by `bot.scheduling.throughput`."""
        others = sum(pictures**together for batch, pictures in self.batches.items() if batch != ticket.needs.batch)
        own = (self.batches[ticket.needs.batch] + ticket.pictures) ** together
        crowd = float((others + own) / ticket.pictures**together)
        return crowd + (LOADING if self.state.loaded and ticket.needs.nets not in self.state.loaded else 0.0)

    def _count(self, ticket: Ticket, by: int) -> None:
        self.isolated += by * ticket.isolated
        if ticket.background:
            self.background += by
            return
        self.pictures += by * ticket.pictures
        self.batches[ticket.needs.batch] += by * ticket.pictures
        if not self.batches[ticket.needs.batch]:
            del self.batches[ticket.needs.batch]


class WorkerPool:
    """*together*: see `bot.scheduling.throughput`. *slow*: device → how many times longer its steps take."""

    def __init__(
        self, together: Callable[[], float] = lambda: 1.0, slow: Callable[[str], float] = lambda _: 1.0
    ) -> None:
        self._together, self._slow = together, slow
        self._loads: dict[str, WorkerLoad] = {"": WorkerLoad(WorkerState("", 0, "", 1, 1))}
        self._where: dict[str, str] = {}
        self._reserved: dict[str, bool] = {}
        """Worker → whether not even background jobs may use it, during one choice."""
        self._room = 1
        """The largest number of free slots of a worker that is not reserved, during one choice."""

    def __iter__(self) -> Iterator[WorkerLoad]:
        return iter(self._loads.values())

    def update(self, ready: Ready) -> None:
        """What the engine reports. A single process without a list of workers has as many slots as it ever had free."""
        states = ready.workers
        if not states:
            former = next(iter(self._loads.values())).state
            most = max(ready.slots, former.slots if former.pid == ready.pid else 1)
            states = (WorkerState(ready.worker, ready.pid, ready.device, most, ready.slots, largest=ready.largest),)
        before, self._loads = self._loads, {}
        for state in states:
            load = self._loads[state.name] = before.pop(state.name) if state.name in before else WorkerLoad(state)
            load.report(state)
        for name, load in before.items():
            if load.jobs:  # they are about to fail
                self._loads[name] = load
                load.report(replace(load.state, free=0, trouble="it is gone"))

    def set_room(self, room: int) -> None:
        """The free slots of a single worker."""
        for load in self._loads.values():
            for job_id in load.jobs:
                load.seen(job_id)
            load.report(replace(load.state, slots=max(load.state.slots, room), free=room))

    def begin_choice(self) -> None:
        """Clear all reservations."""
        self._reserved.clear()
        self._measure()

    @property
    def has_room(self) -> bool:
        """Whether any job might fit."""
        return self._room > 0

    def _measure(self) -> None:
        loads = [load for name, load in self._loads.items() if name not in self._reserved and not load.state.trouble]
        self._room = max((load.free if load.pictures else _ANY for load in loads), default=0)

    def place(self, ticket: Ticket) -> str | None:
        """The worker that *ticket* should go to now; None if it has to wait."""
        if not ticket.background and ticket.pictures > self._room:
            return None
        best: tuple[tuple[bool, float, int], str] | None = None
        together = self._together()
        for load in self._able(ticket):
            if not load.has_room(ticket):
                continue
            tight = not ticket.background and ticket.pictures > load.free
            cost = load.duration(ticket, together) * self._slow(load.state.device)
            key = tight, cost, -load.free
            if best is None or key < best[0]:
                best = key, load.state.name
        return None if best is None else best[1]

    def reserve(self, ticket: Ticket) -> bool:
        """Reserve the worker with the most room for *ticket*; returns whether others are left."""
        able = self._able(ticket)
        if able:
            if ticket.isolated:
                chosen = min(able, key=lambda load: (load.isolated, len(load.jobs), load.pictures))
            else:
                chosen = max(able, key=attrgetter("free"))
            self._reserved[chosen.state.name] = ticket.isolated
            self._measure()
        return len(self._reserved) < len(self._loads)

    def assign(self, ticket: Ticket, worker: str) -> None:
        """*ticket* is handed to *worker*."""
        self._loads[worker].add(ticket)
        self._where[ticket.job_id] = worker

    def seen(self, job_id: str) -> bool:
        """`state.free` of its worker counts that job from now on; false if it did before."""
        load = self.load_of(job_id)
        return load is not None and load.seen(job_id)

    def release(self, job_id: str) -> None:
        """The job has left its worker."""
        if (load := self.load_of(job_id)) is not None:
            load.remove(job_id)
        self._where.pop(job_id, None)

    def worker_of(self, job_id: str) -> str:
        """The name of its worker; empty for a job that no worker has."""
        return self._where.get(job_id, "")

    def load_of(self, job_id: str) -> WorkerLoad | None:
        """Its worker."""
        return self._loads.get(self._where[job_id]) if job_id in self._where else None

    def capacities(self) -> Mapping[str, Capacity]:
        """The capacity of each worker that accepts jobs; of all workers if none does."""
        loads = [load for load in self if not load.state.trouble] or list(self)
        return {load.state.name: Capacity(max(load.state.slots, 1), self._slow(load.state.device)) for load in loads}

    def _able(self, ticket: Ticket) -> list[WorkerLoad]:
        """Workers that accept jobs, can paint this one and are not reserved for another.

        A worker that crashed under the job is the last choice. A job that no worker can paint goes to any of them,
        whose error then says why.
        """
        needs, reserved = ticket.needs, self._reserved
        everyone = self._loads.values()
        able = [load for load in everyone if load.can(needs)] or everyone
        usable = [load for load in able if not load.state.trouble]
        if ticket.shuns:
            usable = [load for load in usable if load.state.name not in ticket.shuns] or usable
        if not reserved:
            return usable
        return [
            load
            for load in usable
            if (kept := reserved.get(load.state.name)) is None or (ticket.background and not kept)
        ]
