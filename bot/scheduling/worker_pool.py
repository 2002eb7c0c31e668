"""The engine's workers as the queue sees them: which one takes a job, and which one is kept free for a job that waits.

A job goes to one worker, because its pictures share each step there. Of the workers with room it goes to the one where
it takes least time: joining a batch of its own kind costs less than running beside other kinds, and loading weights
costs about as much as the job. Among equals the one with most room is next.

A job that fits nowhere keeps the worker that comes nearest, and later jobs may only use the others. So four free slots
in two workers do not hold a job of four pictures, and small jobs cannot delay it forever. With one worker no job
overtakes one that waits for room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.scheduling.eta_simulator import Capacity
from bot.scheduling.ticket import JobNeeds, Ticket
from engine.protocol.messages import Ready, WorkerState

LOADING = 1.0
"""Loading weights counts as so many times the job's own duration."""


@dataclass(slots=True)
class WorkerLoad:
    """One worker and its jobs."""

    state: WorkerState
    jobs: dict[str, Ticket] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    """Job → pictures that `state.free` does not count yet."""

    @property
    def free(self) -> int:
        """Free slots; negative where a job has more pictures than the worker has slots."""
        return self.state.free - sum(self.unseen.values())

    @property
    def pictures(self) -> int:
        """Pictures in progress, without background jobs."""
        return sum(ticket.pictures for ticket in self.jobs.values() if not ticket.background)

    @property
    def isolated(self) -> bool:
        """Whether it runs a job that must be alone."""
        return any(ticket.isolated for ticket in self.jobs.values())

    def has_room(self, ticket: Ticket) -> bool:
        """With nothing else to paint it takes a job of any size; a background job takes no slot."""
        if self.isolated or (ticket.isolated and self.jobs):
            return False
        if ticket.background:
            return not any(other.background for other in self.jobs.values())
        return ticket.pictures <= self.free or not self.pictures

    def can(self, needs: JobNeeds) -> bool:
        """Whether it has the weights and the memory."""
        most = self.state.largest.get(needs.memory)
        return (most is None or needs.pixels <= most) and needs.names.isdisjoint(self.state.lacks)

    def duration(self, ticket: Ticket, together: float) -> float:
        """How many times longer than alone the job would take here, by `bot.scheduling.throughput`."""
        groups = Counter({ticket.needs.batch: ticket.pictures})
        for other in self.jobs.values():
            if not other.background:
                groups[other.needs.batch] += other.pictures
        crowd = float(sum(pictures**together for pictures in groups.values()) / ticket.pictures**together)
        return crowd + (LOADING if self.state.loaded and ticket.needs.nets not in self.state.loaded else 0.0)


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

    def __iter__(self) -> Iterator[WorkerLoad]:
        return iter(self._loads.values())

    def update(self, ready: Ready) -> None:
        """What the engine reports. A single process without a list of workers has as many slots as it ever had free."""
        states = ready.workers
        if not states:
            former = next(iter(self._loads.values())).state
            most = max(ready.slots, former.slots if former.pid == ready.pid else 1)
            states = (WorkerState(ready.worker, ready.pid, ready.device, most, ready.slots, largest=ready.largest),)
        loads = {}
        for state in states:
            loads[state.name] = load = self._loads.get(state.name) or WorkerLoad(state)
            load.state = state
        for name, load in self._loads.items():  # jobs of a worker that is gone are about to fail
            if name not in loads and load.jobs:
                target = next(iter(loads.values())) if len(loads) == 1 else load
                target.jobs |= load.jobs
                target.unseen |= load.unseen
                self._where |= dict.fromkeys(load.jobs, target.state.name)
        self._loads = loads

    def set_room(self, room: int) -> None:
        """The free slots of a single worker."""
        for load in self._loads.values():
            load.state, load.unseen = replace(load.state, slots=max(load.state.slots, room), free=room), {}

    def begin_choice(self) -> None:
        """Forgets the workers that were kept for jobs."""
        self._reserved.clear()

    @property
    def has_room(self) -> bool:
        """Whether any job at all might find a place."""
        return any(
            load.free > 0 or not load.pictures
            for name, load in self._loads.items()
            if name not in self._reserved and not load.state.trouble
        )

    def place(self, ticket: Ticket) -> str | None:
        """The worker that *ticket* should go to now; None if it has to wait."""
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
        """Keep the worker that comes nearest to having room for *ticket*; returns whether others are left."""
        able = self._able(ticket)
        if able:
            if ticket.isolated:
                chosen = min(able, key=lambda load: (load.isolated, len(load.jobs), load.pictures))
            else:
                chosen = max(able, key=lambda load: load.free)
            self._reserved[chosen.state.name] = ticket.isolated
        return len(self._reserved) < len(self._loads)

    def assign(self, ticket: Ticket, worker: str) -> None:
        """*ticket* is handed to *worker*."""
        load = self._loads[worker]
        load.jobs[ticket.job_id] = ticket
        self._where[ticket.job_id] = worker
        if not ticket.background:
            load.unseen[ticket.job_id] = ticket.pictures

    def seen(self, job_id: str) -> bool:
        """The worker counts that job among its own from now on; false if it did before."""
        load = self._loads.get(self._where.get(job_id, ""))
        return load is not None and load.unseen.pop(job_id, None) is not None

    def release(self, job_id: str) -> None:
        """The job has left its worker."""
        load = self._loads.get(self._where.pop(job_id, ""))
        if load is not None:
            load.jobs.pop(job_id, None)
            load.unseen.pop(job_id, None)

    def worker_of(self, job_id: str) -> str:
        """The name of its worker; empty for a job that no worker has."""
        return self._where.get(job_id, "")

    def load_of(self, job_id: str) -> WorkerLoad | None:
        """Its worker."""
        return self._loads.get(self._where.get(job_id, "")) if job_id in self._where else None

    def capacities(self) -> Mapping[str, Capacity]:
        """What each worker that takes jobs renders at a time; all of them while none does."""
        loads = [load for load in self if not load.state.trouble] or list(self)
        return {load.state.name: Capacity(max(load.state.slots, 1), self._slow(load.state.device)) for load in loads}

    def _able(self, ticket: Ticket) -> list[WorkerLoad]:
        """Workers that take jobs, can paint this one and are kept for no other.

        A worker that crashed under the job is the last choice. What no worker at all can paint goes to any of them,
        which then says why.
        """
        everyone = list(self._loads.values())
        able = [load for load in everyone if load.can(ticket.needs)] or everyone
        usable = [load for load in able if not load.state.trouble]
        fresh = [load for load in usable if load.state.name not in ticket.shuns] or usable
        return [
            load
            for load in fresh
            if (kept := self._reserved.get(load.state.name)) is None or (ticket.background and not kept)
        ]
