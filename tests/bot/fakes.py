"""Fakes of the world around the core: an engine in this process, which does what the test says, and a clock."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from engine.client.local import Pulse
from engine.errors import EngineRestarting
from engine.protocol.messages import (
    STARTING,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Result,
    WorkerState,
)
from engine.requests.request import DreamRequest


class FakeClock:
    """Unix seconds that move when they are told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeEngine:
    """Satisfies `engine.client.local.Engine`. Nothing happens by itself: tests say what is painted, what fails, what
    dies."""

    def __init__(self, slots: int = 1, workers: int = 0) -> None:
        self.ready: Ready | None = None
        self.all_slots = slots
        self.workers = [f"worker {number}" for number in range(1, workers + 1)]
        """Names of several workers with *slots* each; none = a single process."""
        self.down: set[str] = set()
        self.under_way: dict[str, Job] = {}
        self.images: dict[str, Mapping[str, bytes]] = {}
        self.handed: list[Job] = []
        self.cancelled: list[tuple[str, int]] = []
        self.restarts = 0
        self.refuses = False
        self.pid = 1
        self.pulse = Pulse()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def start(self) -> None:
        self.tell_ready()

    async def submit(self, job: Job, images: Mapping[str, bytes]) -> None:
        if self.refuses or self.ready is None:
            raise EngineRestarting("The engine is restarting.")
        self.under_way[job.id] = job
        self.images[job.id] = images
        self.handed.append(job)
        self.tell_ready()

    async def cancel(self, job_id: str, attempt: int) -> None:
        self.cancelled.append((job_id, attempt))
        if job_id in self.under_way:
            self.fail(job_id, "Cancelled", "Stopped.")

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        found = tuple((1.0, 0.0) for _ in (*texts, *images))
        return Embeddings("1", found, perceptor, pulls=(1.0,) * len(texts) if pulls else ())

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event

    async def drain(self, seconds: float) -> None:
        self.refuses = True

    async def restart(self) -> None:
        self.restarts += 1

    async def close(self) -> None:
        self._events.put_nowait(None)

    # What tests make happen

    def tell_ready(self, unavailable: Mapping[str, str] | None = None) -> None:
        states = tuple(map(self.state, self.workers))
        self.ready = Ready(
            worker="fake",
            pid=self.pid,
            device="none",
            slots=sum(state.free for state in states) if states else self.free(self.under_way),
            methods=("clip_diffusion", "pixels"),
            upscalers=("primer", "lanczos"),
            models=("primer",),
            unavailable=unavailable or {},
            workers=states,
        )
        self.say(self.ready)

    def state(self, worker: str) -> WorkerState:
        trouble = STARTING if worker in self.down else ""
        return WorkerState(
            worker, 1, "none", self.all_slots, 0 if trouble else self.free(self.inside(worker)), trouble=trouble
        )

    def inside(self, worker: str) -> list[str]:
        return [job_id for job_id, job in self.under_way.items() if job.worker == worker]

    def free(self, job_ids: Iterable[str]) -> int:
        taken = (self.under_way[job_id] for job_id in job_ids)
        return max(0, self.all_slots - sum(job.request.count for job in taken if not job.background))

    def say(self, event: Event) -> None:
        self._events.put_nowait(event)

    def progress(self, job_id: str, step: int, steps: int = 10, snapshots: Mapping[int, bytes] | None = None) -> None:
        self.say(Progress(job_id, self.under_way[job_id].attempt, step, steps, 0.1, snapshots or {}))

    def picture(self, job_id: str, index: int = 0, embedding: Sequence[float] | None = None) -> bytes:
        """Say that one picture is done; its bytes."""
        job = self.under_way[job_id]
        png = png_of(job, index)
        width, height = size_of(job)
        facts = {"width": width, "height": height, "seed": index, "clip_score": 0.3, "perceptor": "fake", "notes": []}
        self.say(Picture(job_id, job.attempt, index, png, {**facts, "embedding": embedding}))
        return png

    def paint(self, job_id: str) -> None:
        """Every picture, then the result."""
        job = self.under_way[job_id]
        for index in range(job.request.count):
            self.picture(job_id, index)
        self.result(job_id)

    def result(self, job_id: str) -> None:
        job = self.under_way.pop(job_id)
        self.say(Result(job_id, job.attempt, job.request.count, {"steps": 1.0}))
        self.tell_ready()

    def fail(self, job_id: str, error: str, message: str) -> None:
        job = self.under_way.pop(job_id)
        self.say(Failure(job_id, job.attempt, error, message))
        self.tell_ready()

    def die(self) -> None:
        """As `LocalEngine` does when its child is gone; `revive` follows."""
        self.ready = None
        for job in self.under_way.values():
            self.say(Failure(job.id, job.attempt, "EngineRestarting", "The engine is restarting."))
        self.under_way.clear()

    def revive(self) -> None:
        self.pid += 1
        self.down.clear()
        self.tell_ready()

    def die_worker(self, worker: str) -> None:
        """As the router does when one worker is gone; `revive_worker` follows."""
        self.down.add(worker)
        dead = [self.under_way.pop(job_id) for job_id in self.inside(worker)]
        self.tell_ready()
        for job in dead:
            self.say(Failure(job.id, job.attempt, "EngineRestarting", "The engine is restarting."))

    def revive_worker(self, worker: str) -> None:
        self.down.discard(worker)
        self.tell_ready()


def png_of(job: Job, index: int) -> bytes:
    """Not a PNG, for the core never looks inside; the same for every attempt."""
    seed = job.request.seed if isinstance(job.request, DreamRequest) else 0
    return b"png:" + hashlib.sha256(f"{job.id}/{index}/{seed}".encode()).digest()


def size_of(job: Job) -> tuple[int, int]:
    request = job.request
    scale = 1 if isinstance(request, DreamRequest) else request.scale
    return round(request.width * scale), round(request.height * scale)
