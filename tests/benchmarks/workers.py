"""Several workers: pictures per second of one and of two on two cores, what the router adds to each event, and the cost
of a decision of the queue for 64 workers and 10,000 waiting jobs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from bot.jobs.registry import JobRegistry
from bot.models.job import JobState, Priority
from engine.client.local import LocalEngine
from engine.protocol.messages import Event, Job, Progress, Ready, Result, WorkerState
from engine.requests.request import build_request
from engine.router.settings import RaySettings, RouterSettings
from tests.benchmarks.forecast import Person, row, wanted
from tests.benchmarks.measure import Figure
from tests.fork_server import FAKE, ROUTER

PICTURES = 24
STEPS = 10
EVENTS = 400
CLUSTER, WAITING, DECISIONS, SUBMISSIONS = 64, 10_000, 400, 30


def run() -> list[Figure]:
    """Needs two free cores; each worker takes one."""
    return [*asyncio.run(_engines()), *scheduling()]


async def _engines() -> list[Figure]:
    one, two = await pictures_per_second(1), await pictures_per_second(2)
    return [
        Figure("pictures per second, one worker", one, "/s"),
        Figure("pictures per second, two workers on two cores", two, "/s"),
        Figure("two workers against one", two / one, "×", "≥ 1.8 ×"),
        *[figure async for figure in latencies()],
    ]


async def pictures_per_second(workers: int) -> float:
    """Of the small model, 256×256, with the real engine; jobs of one picture, two of them on each worker at a time."""
    settings = RouterSettings(devices=("cpu",) * workers, threads="1")
    engine = LocalEngine(ROUTER, environ=os.environ, variables=settings.variables)
    await engine.start()
    try:
        events = engine.events()
        await anext_where(events, lambda e: isinstance(e, Ready) and sum(not w.trouble for w in e.workers) == workers)
        await paint(engine, events, settings.names, 2 * workers)  # load everything
        began = time.monotonic()
        await paint(engine, events, settings.names, PICTURES)
        return PICTURES / (time.monotonic() - began)
    finally:
        await engine.close()


async def paint(engine: LocalEngine, events: AsyncIterator[Event], names: tuple[str, ...], count: int) -> None:
    """So many jobs, two on each worker at a time."""
    waiting = [str(time.monotonic_ns() + number) for number in range(count)]
    where: dict[str, str] = {}

    async def hand(worker: str) -> None:
        if waiting:
            request = build_request("an owl at night", seed=len(waiting), steps=STEPS)
            job = Job(waiting.pop(), 1, "bench", request, worker=worker)
            where[job.id] = worker
            await engine.submit(job, {})

    for worker in names * 2:
        await hand(worker)
    for _ in range(count):
        end = await anext_where(events, lambda e: isinstance(e, Result))
        await hand(where[end.job_id])


async def anext_where(events: AsyncIterator[Event], wanted_: Callable[[Any], bool]) -> Any:
    async for event in events:
        if wanted_(event):
            return event
    raise RuntimeError("the engine has ended")


async def latencies() -> AsyncIterator[Figure]:
    """From the step of a fake engine to its progress at the client; its clock is this machine's."""
    two = RouterSettings(command=FAKE, devices=("cpu", "cpu"))
    ways = [("directly", FAKE, "", {}), ("through the router", ROUTER, "cpu-2", two.variables)]
    if importlib.util.find_spec("ray") is not None:
        ray = RouterSettings(command=FAKE, ray=RaySettings(address="local", workers=2, gpus_per_worker=0))
        ways.append(("through Ray", ROUTER, "ray-2", ray.variables))
    for name, command, worker, variables in ways:
        engine = LocalEngine(command, environ={**os.environ, "DREAMBOT_FAKE_STAMP": "1"}, variables=variables)
        await engine.start()
        try:
            events = engine.events()
            await anext_where(events, lambda e: isinstance(e, Ready) and all(not w.trouble for w in e.workers))
            late: list[float] = []
            number = 0
            while len(late) < EVENTS:
                number += 1
                request = build_request("an owl", seed=number)
                await engine.submit(Job(str(number), 1, "bench", request, worker=worker), {})
                async for event in events:
                    if isinstance(event, Progress):
                        late.append(1000 * (time.time() - event.seconds_per_step))
                    elif isinstance(event, Result):
                        break
        finally:
            await engine.close()
        late.sort()
        yield Figure(f"event latency {name}, median", statistics.median(late), "ms")
        yield Figure(f"event latency {name}, 95 % within", late[int(0.95 * len(late))], "ms", "≤ 50 ms")


def scheduling() -> Iterator[Figure]:
    """A saturated cluster: a job ends, the next one is chosen and handed to a worker, a new one comes."""
    draw = random.Random(7)
    registry = JobRegistry(time.time, time.monotonic)
    states = tuple(WorkerState(f"w{n}", 1, "GPU", 8, 8, loaded=(f"kind {n % 5}",)) for n in range(CLUSTER))
    registry.set_capacity(Ready("router", 1, "GPU", 8 * CLUSTER, (), (), (), workers=states))
    people = [Person(number, Priority.NORMAL) for number in range(WAITING // 4)]
    rows = [row(f"{n:010}", draw.choice(people), wanted(draw), time.time()) for n in range(WAITING + DECISIONS + 1000)]
    fresh = iter(rows)

    def add() -> None:
        registry._enter(next(fresh))

    for _ in range(WAITING):
        add()
    while registry.queue.next() is not None:
        pass
    spent: list[float] = []
    for _ in range(DECISIONS):
        ending = draw.choice(registry.queue.running)
        began = time.process_time()
        registry.queue.ended(ending.job_id)
        while registry.queue.next() is not None:
            pass
        add()
        spent.append(1000 * (time.process_time() - began))
    spent.sort()
    head = f"{CLUSTER} workers, {WAITING:,} waiting jobs"
    yield Figure(f"CPU of one end and the next start, {head}", statistics.median(spent), "ms", "≤ 1 ms")
    yield Figure(f"CPU of one end and the next start, {head}: 95 % within", spent[int(0.95 * len(spent))], "ms")
    yield from changes(registry, draw, people)


def changes(registry: JobRegistry, draw: random.Random, people: list[Person]) -> Iterator[Figure]:
    """The same with the forecast, from which everybody's place follows."""

    async def spent() -> tuple[float, float]:
        for job_id in {ticket.job_id for ticket in registry.queue.running}:
            registry.started(replace(registry._jobs[job_id].row, state=JobState.RUNNING, started_at=time.time()))
        began = time.process_time()
        for _ in range(DECISIONS):
            job = registry._jobs[draw.choice(registry.queue.running).job_id].row
            registry.ended(replace(job, state=JobState.DONE, finished_at=time.time()))
            while (ticket := registry.queue.next()) is not None:
                row_ = registry._jobs[ticket.job_id].row
                registry.started(replace(row_, state=JobState.RUNNING, started_at=time.time()))
            await asyncio.sleep(0)
        ends = time.process_time() - began
        began = time.process_time()
        for number in range(SUBMISSIONS):
            registry.add(row(f"new{number:07}", draw.choice(people), wanted(draw), time.time()))
            await asyncio.sleep(0)
        return 1000 * ends / DECISIONS, 1000 * (time.process_time() - began) / SUBMISSIONS

    ends, submissions = asyncio.run(spent())
    head = f"{CLUSTER} workers, {WAITING:,} waiting jobs"
    yield Figure(f"CPU of one end and the next start with the forecast, {head}", ends, "ms")
    yield Figure(f"CPU of one submission with its forecast, {head}", submissions, "ms", "≤ 10 ms")
