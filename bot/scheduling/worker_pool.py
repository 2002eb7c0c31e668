"""The engine's workers in the queue: chooses the worker of a job, and reserves one for a job that waits.

A job goes to one worker, because its pictures share each step there. Of the workers with room it goes to the one where
it takes least time: joining a batch of its own kind costs less than running beside other kinds, and loading weights
costs about as much as the job. Among equals the one with most room is next.

A job that fits nowhere reserves the worker with the most room, and later jobs may only use the others. So small jobs
cannot delay a job of four pictures forever, even though four slots of two workers do not fit it. With one worker, no
job overtakes one that waits for room.

A worker lags if it makes progress, but several times slower than measured before. A step counts as its duration over
the duration expected for its work beside the other jobs on that device (`ThroughputModel.stepped`). The median of the
latest steps ignores single long ones, which load weights or compile. Steps of other workers at that time are the
yardstick if those are slow, too.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

from bot.models.job import Priority
from engine.protocol.messages import Ready, Request, WorkerState
from engine.requests.request import DreamRequest

LOADING = 1.0
"""Duration of loading weights over the job's own duration."""

_ANY = sys.maxsize
"""The room of an idle worker."""
_REMEMBERED = 1000
"""Needs whose workers are remembered."""
_FREE, _ROOM = attrgetter("free"), attrgetter("room")


@dataclass(frozen=True, slots=True)
class JobNeeds:
    """What a worker needs for a job. *names*: as in `Ready.unavailable`. *batch*: equal ones share steps."""

    nets: str = ""
    names: frozenset[str] = frozenset()
    memory: str = ""
    pixels: int = 0
    batch: str = ""

    @classmethod
    def of(cls, request: Request) -> JobNeeds:
        if not isinstance(request, DreamRequest):
            return cls(nets=request.nets, names=frozenset({request.nets}), batch=request.nets)
        names = frozenset({request.method, request.model, *request.helpers})
        shape = f"{request.nets}, {request.width}×{request.height}"
        return cls(request.nets, names, request.memory_kind, request.width * request.height, shape)


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
    """The server of its request; 0 = none. Jobs of a server can be held."""
    isolated: bool = False
    """Suspected of crashing the engine: runs alone on a worker, so that a crash is attributable."""
    shuns: frozenset[str] = frozenset()
    """Workers that crashed under it; others are tried first."""
    needs: JobNeeds = JobNeeds()

    @property
    def background(self) -> bool:
        return self.priority is Priority.BACKGROUND


@dataclass(frozen=True, slots=True)
class Capacity:
    """A worker: pictures that it renders at a time, and how many times longer its steps take than on the first."""

    slots: int
    slow: float = 1.0


@dataclass(slots=True, eq=False)
class WorkerLoad:
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
    room: int = 0
    """Pictures of the largest job that fits: any number on an idle worker, 0 beside a job that must be alone."""

    def __post_init__(self) -> None:
        self.report(self.state)

    def report(self, state: WorkerState) -> None:
        """Update from the worker's own report."""
        self.state = state
        self.free = state.free - sum(self._unseen.values())
        self._measure()

    def add(self, ticket: Ticket) -> None:
        self.jobs[ticket.job_id] = ticket
        if not ticket.background:
            self._unseen[ticket.job_id] = ticket.pictures
            self.free -= ticket.pictures
        self._count(ticket, 1)

    def seen(self, job_id: str) -> bool:
        """`state.free` counts that job from now on; false if it did before."""
        pictures = self._unseen.pop(job_id, 0)
        self.free += pictures
        self._measure()
        return pictures > 0

    def remove(self, job_id: str) -> None:
        self.seen(job_id)
        if (ticket := self.jobs.pop(job_id, None)) is not None:
            self._count(ticket, -1)

    def can(self, needs: JobNeeds) -> bool:
        """Whether it has the weights and the memory."""
        most = self.state.largest.get(needs.memory)
        return (most is None or needs.pixels <= most) and needs.names.isdisjoint(self.state.lacks)

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
        else:
            self.pictures += by * ticket.pictures
            self.batches[ticket.needs.batch] += by * ticket.pictures
            if not self.batches[ticket.needs.batch]:
                del self.batches[ticket.needs.batch]
        self._measure()

    def _measure(self) -> None:
        self.room = 0 if self.isolated else self.free if self.pictures else _ANY


class WorkerPool:
    """*together*: see `bot.scheduling.throughput`. *slow*: device → how many times longer its steps take.

    *lagging*: workers that are the last choice.
    """

    def __init__(
        self,
        together: Callable[[], float] = lambda: 1.0,
        slow: Callable[[str], float] = lambda _: 1.0,
        lagging: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._together, self._slow, self._lagging = together, slow, lagging
        self._loads: dict[str, WorkerLoad] = {"": WorkerLoad(WorkerState("", 0, "", 1, 1))}
        self._usable = list(self._loads.values())
        """Workers that accept jobs."""
        self._able: dict[JobNeeds, frozenset[str]] = {}
        """Needs → workers with the weights and the memory; all workers if none has them."""
        self._where: dict[str, str] = {}
        self._reserved: dict[str, bool] = {}
        """Reserved worker → whether background jobs are excluded too, during one choice."""
        self._open: list[WorkerLoad] = []
        """Usable workers that are not reserved, during one choice; the one with the most free slots first."""
        self._avoided: frozenset[str] = frozenset()
        """Workers that lag, during one choice."""
        self._room = 1
        """Pictures of the largest job that fits into an open worker, during one choice."""

    def __iter__(self) -> Iterator[WorkerLoad]:
        return iter(self._loads.values())

    def __len__(self) -> int:
        return len(self._loads)

    def update(self, ready: Ready) -> None:
        """What the engine reports. A single process without a list of workers has as many slots as it ever had free."""
        states = ready.workers
        if not states:
            former = next(iter(self._loads.values())).state
            most = max(ready.slots, former.slots if former.pid == ready.pid else 1)
            states = (WorkerState(ready.worker, ready.pid, ready.device, most, ready.slots, largest=ready.largest),)
        before, self._loads = self._loads, {}
        abilities = {name: (load.state.lacks, load.state.largest) for name, load in before.items()}
        for state in states:
            load = self._loads[state.name] = before.pop(state.name) if state.name in before else WorkerLoad(state)
            load.report(state)
        for name, load in before.items():
            if load.jobs:  # they are about to fail
                self._loads[name] = load
                load.report(replace(load.state, free=0, trouble="it is gone"))
        self._usable = [load for load in self._loads.values() if not load.state.trouble]
        if abilities != {name: (load.state.lacks, load.state.largest) for name, load in self._loads.items()}:
            self._able.clear()

    def begin_choice(self) -> None:
        """Clear all reservations."""
        self._reserved.clear()
        self._avoided = frozenset(self._lagging())
        self._open = sorted(self._usable, key=_FREE, reverse=True)
        self._measure()

    @property
    def has_room(self) -> bool:
        """Whether any job might fit."""
        return self._room > 0

    def _measure(self) -> None:
        self._room = max(map(_ROOM, self._open), default=0)

    def place(self, ticket: Ticket) -> str | None:
        """The worker that *ticket* should go to now; None if it has to wait."""
        if ticket.pictures > self._room and not ticket.background:
            return None
        best: tuple[tuple[bool, float, int], str] | None = None
        together = self._together()
        for load in self._fitting(ticket):
            tight = not ticket.background and ticket.pictures > load.free
            cost = load.duration(ticket, together) * self._slow(load.state.device)
            key = tight, cost, -load.free
            if best is None or key < best[0]:
                best = key, load.state.name
        return None if best is None else best[1]

    def reserve(self, ticket: Ticket) -> bool:
        """Reserve the worker with the most room for *ticket*; returns whether others are left."""
        if able := self._candidates(ticket):
            chosen = able[0]
            if ticket.isolated:
                chosen = min(able, key=lambda load: (load.isolated, len(load.jobs), load.pictures))
            self._reserved[chosen.state.name] = ticket.isolated
            self._open.remove(chosen)
            self._measure()
        return bool(self._open)

    def assign(self, ticket: Ticket, worker: str) -> None:
        self._loads[worker].add(ticket)
        self._where[ticket.job_id] = worker

    def seen(self, job_id: str) -> bool:
        """`state.free` of its worker counts that job from now on; false if it did before."""
        load = self.load_of(job_id)
        return load is not None and load.seen(job_id)

    def release(self, job_id: str) -> None:
        if (load := self.load_of(job_id)) is not None:
            load.remove(job_id)
        self._where.pop(job_id, None)

    def worker_of(self, job_id: str) -> str:
        """The name of its worker; empty for a job that no worker has."""
        return self._where.get(job_id, "")

    def load_of(self, job_id: str) -> WorkerLoad | None:
        return self._loads.get(self._where[job_id]) if job_id in self._where else None

    def capacities(self) -> Mapping[str, Capacity]:
        """The capacity of each worker that accepts jobs; of all workers if none does."""
        loads = [load for load in self if not load.state.trouble] or list(self)
        lagging = self._lagging()
        loads = [load for load in loads if load.state.name not in lagging] or loads
        return {load.state.name: Capacity(max(load.state.slots, 1), self._slow(load.state.device)) for load in loads}

    def _candidates(self, ticket: Ticket) -> list[WorkerLoad]:
        """Workers that accept jobs, can paint this one and are not reserved for another.

        A worker that lags or crashed under the job is the last choice. A job that no worker can paint goes to any of
        them, whose error then says why.
        """
        found = self._open
        if ticket.background:
            found = [load for load in self._usable if not self._reserved.get(load.state.name)]
        if (able := self._able.get(ticket.needs)) is None:
            if len(self._able) >= _REMEMBERED:
                self._able.clear()
            names = frozenset(name for name, load in self._loads.items() if load.can(ticket.needs))
            able = self._able[ticket.needs] = names or frozenset(self._loads)
        if len(able) < len(self._loads):
            found = [load for load in found if load.state.name in able]
        avoided = self._avoided | ticket.shuns
        if avoided and any(load.state.name in able - avoided for load in self._usable):
            found = [load for load in found if load.state.name not in avoided]
        return found

    def _fitting(self, ticket: Ticket) -> list[WorkerLoad]:
        """Candidates with room for *ticket* now. A background job uses no slot."""
        found = self._candidates(ticket)
        if ticket.background:
            found = [load for load in found if not load.background and not load.isolated]
        else:
            found = [load for load in found if load.room >= ticket.pictures]
        return [load for load in found if not load.jobs] if ticket.isolated else found


LAGS = 3.0
"""A worker lags if its steps take this many times longer than expected …"""
LAG_SECONDS = 30.0
"""… for this long."""
FINE = 1.5
"""It has recovered once its steps take at most this many times longer."""
REST_SECONDS = 300.0
"""Without steps, it gets another chance after this time."""
STEPS = 16
"""The latest steps, of which a median is taken."""
_LEAST = 8
"""A median of fewer steps counts as 1."""
_RECENT_SECONDS = 60.0
"""Workers without a step for this time are no yardstick."""


@dataclass(slots=True)
class _Pace:
    """The latest steps of a worker. Times are seconds of a monotonic clock."""

    steps: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS))
    latest: float = 0.0
    slow_since: float | None = None
    lags_until: float | None = None
    times: float = 1.0
    """How many times longer its steps take than expected and than those of the others."""

    @property
    def median(self) -> float:
        return statistics.median(self.steps) if len(self.steps) >= _LEAST else 1.0


class LagWatch:
    """Which workers lag. *at*: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}

    def step(self, worker: str, longer: float, at: float) -> None:
        """A step of *worker* took *longer* (≥ 0) times as long as expected."""
        pace = self._paces.setdefault(worker, _Pace())
        pace.steps.append(longer)
        pace.latest = at
        pace.times = pace.median / self._yardstick(worker, at)
        if pace.lags_until is not None:
            pace.lags_until = None if pace.times <= FINE else at + REST_SECONDS
        elif pace.times < LAGS:
            pace.slow_since = None
        elif pace.slow_since is None:
            pace.slow_since = at
        elif at - pace.slow_since >= LAG_SECONDS:
            pace.lags_until = at + REST_SECONDS

    def forget(self, worker: str) -> None:
        """Judge *worker* again: its process was replaced."""
        self._paces.pop(worker, None)

    def suspects(self, worker: str) -> bool:
        """Whether its speed says nothing about its device: it lags, or may do so."""
        pace = self._paces.get(worker)
        return pace is not None and (pace.slow_since is not None or pace.lags_until is not None)

    def lagging(self, at: float) -> Mapping[str, float]:
        """Worker that lags → how many times longer its steps take. A worker whose rest is over is judged again."""
        for worker, pace in list(self._paces.items()):
            if pace.lags_until is not None and at >= pace.lags_until:
                self.forget(worker)
        return {worker: pace.times for worker, pace in self._paces.items() if pace.lags_until is not None}

    def _yardstick(self, worker: str, at: float) -> float:
        """The median of the other workers that made steps lately; at least 1."""
        others = [
            pace.median
            for name, pace in self._paces.items()
            if name != worker and at - pace.latest <= _RECENT_SECONDS and len(pace.steps) >= _LEAST
        ]
        return max(1.0, statistics.median(others)) if others else 1.0
