"""Accuracy of the forecasts: a server's day, simulated with the real queue and forecast.

People come in the evening more than at night, ask for one picture after the other in all sizes, wait for them or not,
cancel some; the engine's steps scatter, it slows down for a while now and then, and it dies four times. What was said
when a job was taken (when it starts, and the range in which it is finished) is compared with what happened. Errors are
shares of the wait that really was. Only jobs that had to wait count; how many were ahead of them says how hard it is.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from bot.jobs.registry import JobRegistry
from bot.models.job import JobRequest, JobRow, JobState, Origin, Priority, QueuePosition, owner_of
from engine.protocol.messages import STARTING, Progress, Ready, Request, WorkerState
from engine.requests.request import DreamRequest, UpscaleRequest, build_request
from tests.benchmarks.measure import Figure, cpu_seconds

HOUR = 3600.0
DAY = 24 * HOUR
CROWD = (2, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7, 6, 6, 7, 9, 12, 16, 22, 26, 24, 15, 6)
"""How many come in each hour of the day, in proportion."""
SEEDS = 3
"""Days that are played, each another one."""
WAITING = (100, 1000)
CHANGES = 41
AHEAD = ((1, 3), (4, 9), (10, 24), (25, 999))
"""How many jobs queued before one: groups that are looked at by themselves."""


@dataclass(frozen=True)
class Machine:
    """*unit*: seconds for a unit painted alone; *together*: k pictures at a time take k to this power as long.

    *slots*: of each worker. *slow*: for each worker, how many times longer its steps take.
    """

    name: str
    people: int
    unit: float
    slots: int
    together: float
    slow: tuple[float, ...] = (1.0,)


MACHINES = (
    Machine("a CPU", 90, 4.5, 4, 1.0),
    Machine("a GPU with a large model", 120, 4.0, 8, 0.6),
    Machine("two GPUs", 240, 4.0, 8, 0.6, (1.0, 1.0)),
    Machine("four GPUs, two of them half as fast", 360, 4.0, 8, 0.6, (1.0, 1.0, 2.0, 2.0)),
)


@dataclass
class Person:
    """Somebody, and what they have under way."""

    id: int
    priority: Priority
    asks: int = 0
    open: set[str] = field(default_factory=set)
    waits: bool = False
    """For the picture, before asking for the next one."""


@dataclass
class Painting:
    """A job in the engine."""

    job: JobRow
    steps: int
    work: float
    """Units of one step of all its pictures."""
    worker: str
    step: int = 0


@dataclass(frozen=True)
class Promise:
    """What was said of a job when it was taken."""

    asked: float
    place: QueuePosition


@dataclass(frozen=True)
class Outcome:
    """How that turned out: errors as shares of the wait that was."""

    ahead: int
    start: float
    finish: float
    within: bool
    by: bool
    """Finished by the end of the range, which is what people read."""


class Day:
    """One day on one machine."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine, self.random, self.now = machine, random.Random(seed), 0.0
        self.board = JobRegistry(lambda: self.now)
        self.painting: dict[str, Painting] = {}
        self.promises: dict[str, Promise] = {}
        self.outcomes: list[Outcome] = []
        self.people: dict[int, Person] = {}
        self.slow = {f"worker {number}": slow for number, slow in enumerate(machine.slow)}
        self.down: set[str] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._rounding: set[str] = set()
        self._slow_until = 0.0

    def play(self) -> list[Outcome]:
        """From midnight until everything is painted."""
        for number in range(self.machine.people):
            priority = Priority.ROLE if number % 12 == 0 else Priority.NORMAL
            person = self.people[number] = Person(number, priority)
            for _ in range(self.random.choice((1, 1, 2, 3))):
                self.at(self.hour_of_day() * HOUR + self.random.uniform(0, HOUR), self.comes(person))
        for _ in range(4):
            self.at(self.random.uniform(0, DAY), self.dies)
            self.at(self.random.uniform(0, DAY), self.slows_down)
        while self._events:
            self.now, _, happens = heapq.heappop(self._events)
            happens()
        return self.outcomes

    def hour_of_day(self) -> int:
        return self.random.choices(range(24), CROWD)[0]

    def at(self, when: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), happens))

    # People

    def comes(self, person: Person) -> Callable[[], None]:
        def come() -> None:
            idle, person.asks = person.asks == 0, person.asks + 1 + int(self.random.expovariate(1 / 7))
            if idle:
                self.asks(person)

        return come

    def asks(self, person: Person) -> None:
        """One more request, if three of theirs do not wait already; then they think."""
        if person.asks <= 0:
            return
        if len(person.open) < 3:
            person.asks -= 1
            self.takes(person)
        person.waits = self.random.random() < 0.6
        if not person.waits and person.asks:
            self.at(self.now + self.random.lognormvariate(math.log(35), 0.8), lambda: self.asks(person))

    def takes(self, person: Person) -> None:
        request = wanted(self.random)
        job = row(f"{next(self._numbers):010}", person, request, self.now)
        person.open.add(job.id)
        self.board.add(job)
        place = self.board.place(job.id)
        assert place is not None
        self.promises[job.id] = Promise(self.now, place)
        if self.random.random() < 0.03:
            self.at(self.now + self.random.uniform(5, 120), lambda: self.cancels(job.id))
        self.hands_over()

    def cancels(self, job_id: str) -> None:
        job = self.board.row(job_id)
        if job is not None:
            self.painting.pop(job_id, None)
            self.over(job, JobState.CANCELLED)

    # The engine

    def hands_over(self) -> None:
        self.tell_ready()
        while len(self.down) < len(self.slow) and (ticket := self.board.queue.next()) is not None:
            job = self.board.row(ticket.job_id)
            assert job is not None
            started = replace(job, state=JobState.RUNNING, started_at=self.now)
            self.board.started(started)
            steps = job.request.options.steps if isinstance(job.request, DreamRequest) else 4
            worker = self.board.workers.worker_of(job.id)
            self.painting[job.id] = Painting(started, steps, job.cost / steps, worker)
        for worker in sorted({painting.worker for painting in self.painting.values()} - self._rounding):
            self._rounding.add(worker)
            self.at(self.now + self.round_seconds(worker), partial(self.steps, worker))

    def inside(self, worker: str) -> list[Painting]:
        return [painting for painting in self.painting.values() if painting.worker == worker]

    def room(self, worker: str) -> int:
        return max(self.machine.slots - sum(painting.job.request.count for painting in self.inside(worker)), 0)

    def round_seconds(self, worker: str) -> float:
        """One step of everything that a worker paints: scatters from step to step, and more at bad times."""
        inside = self.inside(worker)
        pictures = sum(painting.job.request.count for painting in inside)
        work = sum(painting.work * speed(painting.job.request) for painting in inside) * self.slow[worker]
        slow = 1.6 if self.now < self._slow_until else 1.0
        slowness: float = self.machine.unit * pictures ** (self.machine.together - 1)
        return work * slowness * slow * self.random.lognormvariate(0, 0.08)

    def steps(self, worker: str) -> None:
        self._rounding.discard(worker)
        for painting in self.inside(worker):
            painting.step += 1
            job = painting.job
            if painting.step < painting.steps:
                self.board.advanced(job, Progress(job.id, job.attempt, painting.step, painting.steps, 0.1, {}))
            else:
                del self.painting[job.id]
                self.over(job, JobState.DONE)
        self.hands_over()

    def over(self, job: JobRow, state: JobState) -> None:
        current = self.board.row(job.id)
        assert current is not None
        self.board.ended(replace(current, state=state, finished_at=self.now))
        self.judge(current, state)
        person = self.people[job.origin.user_id]
        person.open.discard(job.id)
        if person.waits and not person.open and person.asks:
            person.waits = False
            self.at(self.now + self.random.lognormvariate(math.log(20), 0.8), lambda: self.asks(person))
        self.hands_over()

    def judge(self, job: JobRow, state: JobState) -> None:
        promise = self.promises.pop(job.id)
        place, began = promise.place, job.started_at
        if state is not JobState.DONE or began is None or began - promise.asked < 1.0:
            return
        waited, took = began - promise.asked, self.now - promise.asked
        self.outcomes.append(
            Outcome(
                ahead=place.position - 1,
                start=abs(place.starts - began) / waited,
                finish=abs(place.ready - self.now) / took,
                within=place.earliest <= self.now <= place.latest,
                by=self.now <= place.latest,
            )
        )

    def dies(self) -> None:
        """A worker is gone for as long as importing torch takes; what it had begins anew."""
        worker = self.random.choice(list(self.slow))
        self.down.add(worker)
        for painting in self.inside(worker):
            job = painting.job
            back = replace(
                job, state=JobState.QUEUED, attempt=job.attempt + 1, crash_count=job.crash_count + 1, started_at=None
            )
            self.board.requeued(back)
            del self.painting[job.id]
        self.at(self.now + 8.0, partial(self.is_back, worker))
        self.hands_over()

    def is_back(self, worker: str) -> None:
        self.down.discard(worker)
        self.hands_over()

    def slows_down(self) -> None:
        """Another program wants the machine too."""
        self._slow_until = self.now + 900.0

    def tell_ready(self) -> None:
        for job_id in self.painting:
            self.board.workers.seen(job_id)
        states = [
            WorkerState(
                worker,
                1,
                f"device {slow}",
                self.machine.slots,
                self.room(worker),
                trouble=STARTING if worker in self.down else "",
            )
            for worker, slow in self.slow.items()
        ]
        free = sum(state.free for state in states)
        self.board.set_capacity(Ready("day", 1, "none", free, (), (), (), workers=tuple(states)))


def wanted(random_: random.Random) -> Request:
    """What somebody asks for."""
    kind = random_.random()
    if kind < 0.12:
        return UpscaleRequest(image="0" * 64, width=256, height=256)
    if kind < 0.2:
        return build_request("an owl", method="pixels", seed=1)
    size = random_.choice(("", "", "", "320x256", "512x512"))
    steps = random_.choice((25, 25, 25, 15, 60))
    return build_request("an owl", size=size, steps=steps, seed=1, count=random_.choice((1, 1, 1, 1, 2, 4)))


def speed(request: JobRequest) -> float:
    """Not every unit takes equally long."""
    if isinstance(request, UpscaleRequest):
        return 0.4
    return 0.7 if isinstance(request, DreamRequest) and request.method == "pixels" else 1.0


def row(job_id: str, person: Person, request: Request, now: float) -> JobRow:
    return JobRow(
        id=job_id,
        attempt=1,
        crash_count=0,
        origin=Origin(channel_id=1, user_id=person.id, user_name=""),
        owner=owner_of(person.id),
        request=request,
        priority=person.priority,
        state=JobState.QUEUED,
        error_code="",
        error_text="",
        cost=request.cost,
        created_at=now,
    )


def run() -> list[Figure]:
    """The CPU time of one change in a long queue; then the errors for each machine, by how many jobs were ahead."""
    cpu = [Figure(f"CPU of one change, {n} jobs waiting", 1000 * asyncio.run(change_cpu(n)), "ms") for n in WAITING]
    cpu[-1] = replace(cpu[-1], aim="≤ 5 ms")
    return cpu + [figure for machine in MACHINES for figure in figures(machine, asyncio.run(days(machine)))]


async def change_cpu(waiting: int) -> float:
    """Median CPU seconds to add a job, its forecast included, while so many wait."""
    registry, random_ = JobRegistry(time.time), random.Random(7)
    people = [Person(number, Priority.NORMAL) for number in range(max(1, waiting // 4))]
    jobs = [row(f"{n:010}", random_.choice(people), wanted(random_), time.time()) for n in range(waiting + CHANGES)]
    for job in jobs[:waiting]:
        registry._enter(job)
    registry.place(jobs[0].id)
    return statistics.median(cpu_seconds(partial(registry.add, job)) for job in jobs[waiting:])


async def days(machine: Machine) -> list[Outcome]:
    """Whoever had to wait, on several days. The board wants a running loop, though nobody listens to it here."""
    return [outcome for seed in range(SEEDS) for outcome in Day(machine, seed).play()]


def figures(machine: Machine, outcomes: list[Outcome]) -> Iterator[Figure]:
    groups = {"all who waited": outcomes} | {
        f"{low} to {high} ahead" if high < 999 else f"{low} or more ahead": [
            o for o in outcomes if low <= o.ahead <= high
        ]
        for low, high in AHEAD
    }
    for name, group in groups.items():
        if len(group) < 20:
            continue
        head = f"{machine.name}, {name}"
        yield Figure(f"{head}: jobs", len(group), "")
        for what in ("start", "finish"):
            errors = sorted(getattr(outcome, what) for outcome in group)
            yield Figure(f"{head}: error of the {what}, median", 100 * statistics.median(errors), "%")
            yield Figure(f"{head}: error of the {what}, 90 % within", 100 * errors[int(0.9 * len(errors))], "%")
        yield Figure(f"{head}: finished within the range", 100 * statistics.mean(o.within for o in group), "%")
        yield Figure(f"{head}: finished by its end", 100 * statistics.mean(o.by for o in group), "%")
