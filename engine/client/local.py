"""The engine as its clients see it, and `LocalEngine`: a supervised child process.

Every submitted attempt ends in exactly one `Result` or `Failure`, also when the process dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.client.supervisor import DEFAULT_COMMAND, EngineConnection, StartEngine, Supervisor, SupervisorTimeouts
from engine.environment import MemoryRules, child_environment
from engine.errors import Cancelled, DreamError, EngineRestarting, EngineUnusable
from engine.protocol.framing import Message, WireError
from engine.protocol.messages import (
    Cancel,
    Command,
    Drain,
    Embed,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Restart,
    Result,
    Submit,
)
from engine.requests.request import UpscaleRequest


class EventQueue:
    """Never full: what can come without end (progress) is merged, everything else comes once per picture."""

    def __init__(self) -> None:
        self._events: OrderedDict[object, Event] = OrderedDict()
        self._count = 0
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add *event*; unread snapshots of an older progress are kept where the newer one has none."""
        key: object = (event.job_id, event.attempt) if isinstance(event, Progress) else self._count
        self._count += 1
        older = self._events.pop(key, None)
        if isinstance(event, Progress) and isinstance(older, Progress):
            event = dataclasses.replace(event, snapshots={**older.snapshots, **event.snapshots})
        self._events[key] = event
        self._changed.set()

    def close(self) -> None:
        """After what is still unread, the reader's loop ends."""
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._events:
                yield self._events.popitem(last=False)[1]
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()


log = logging.getLogger(__name__)

RESTARTING = "The engine is restarting; the job can be tried again in a moment."
SNAPSHOT_BYTES = 2**20
"""The most that the snapshot of one image may take; snapshots are small WebP or JPEG files."""
PICTURE_OVERHEAD = 2 * 2**20
"""Bytes that a PNG may have beside its pixels."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The state of an engine's process."""

    ends: int = 0
    """How often it has ended and was started again."""
    rest: float = 0.0
    """Seconds until the next start; 0 while it runs or is starting."""
    last_words: str = ""
    """The last line that the latest process to end has printed."""
    stalled: float = 0.0
    """Seconds of silence with work at hand, if that is at least half of what is allowed; else 0."""


class Engine(Protocol):
    """The interface of an engine: it takes jobs and reports events to one reader."""

    @property
    def ready(self) -> Ready | None:
        """The capabilities of the running engine; None while it is down."""
        ...

    @property
    def pulse(self) -> Pulse:
        """The state of its process."""
        ...

    async def start(self) -> None:
        """Begin to start; `Ready` is the first event."""
        ...

    async def submit(self, job: Job, images: Mapping[str, bytes]) -> None:
        """Submit *job*. Raises EngineRestarting or EngineUnusable."""
        ...

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Request cancellation of an attempt; its last event reports the outcome."""
        ...

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        """CLIP embeddings of texts or images, or of one image and texts with their *pulls*; raises DreamErrors."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """All events until `close`."""
        ...

    async def drain(self, seconds: float) -> None:
        """Accept no more jobs, and wait at most *seconds* for running attempts."""
        ...

    async def restart(self) -> None:
        """Replace its processes one at a time, each after its attempts. Raises EngineRestarting, EngineUnusable."""
        ...

    async def close(self) -> None:
        """Stop the engine and all of its processes."""
        ...


@dataclass(slots=True)
class _Run:
    """One attempt in progress."""

    job: Job
    slowest_step: float = 0.0
    """Longest time between two signs of progress, in seconds; 0 before the second."""
    heard: float = 0.0
    """Monotonic time of its latest progress."""
    cancelling: asyncio.TimerHandle | None = None


class LocalEngine:
    """An engine in a child process.

    *data*: the folder in which `engine.pid` names the process. *threads*: a number, or "auto". *compiled*: the folder
    for compiled networks, None = off. *variables*: more of the child's environment. *start*: starts an engine somewhere
    else; None = as a child.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        data: Path | None = None,
        environ: Mapping[str, str] | None = None,
        threads: int | str = "auto",
        device: str = "auto",
        memory: MemoryRules | None = None,
        compiled: Path | None = None,
        timeouts: SupervisorTimeouts | None = None,
        variables: Mapping[str, str] | None = None,
        start: StartEngine | None = None,
    ) -> None:
        self.ready: Ready | None = None
        self._timeouts = timeouts or SupervisorTimeouts()
        self._supervisor = Supervisor(
            tuple(command or DEFAULT_COMMAND),
            child_environment(
                os.environ if environ is None else environ,
                device=device,
                threads=str(threads),
                memory=memory,
                compiled=compiled,
            )
            | dict(variables or {}),
            self,
            self._timeouts,
            data / "engine.pid" if data else None,
            start,
        )
        self._supervising: asyncio.Task[None] | None = None
        self._events = EventQueue()
        self._runs: dict[str, _Run] = {}
        self._questions: dict[str, asyncio.Future[Embeddings]] = {}
        self._numbers = itertools.count(1)
        self._unusable = ""
        self._closing = False

    @property
    def pulse(self) -> Pulse:
        supervisor = self._supervisor
        return Pulse(supervisor.ends, supervisor.rest, supervisor.last_words, supervisor.stalled)

    async def start(self) -> None:
        """Starts the process and keeps one running from now on."""
        self._supervising = asyncio.create_task(self._supervisor.run(), name="engine supervisor")

    def events(self) -> AsyncIterator[Event]:
        """All events until `close`; for one reader."""
        return aiter(self._events)

    async def submit(self, job: Job, images: Mapping[str, bytes]) -> None:
        """Hands *job* over; it then ends in one `Result` or `Failure`. Submitting an attempt twice has no effect.

        Returns at once: a process that hangs must not block its client.
        """
        child = self._usable_child()
        former = self._runs.get(job.id)
        if former and former.job.attempt == job.attempt:
            return
        self._write(child, Submit(job, images))
        self._runs[job.id] = _Run(job)

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Asks for the end of that attempt, if it is in progress. It ends within seconds even if nothing answers."""
        run = self._runs.get(job_id)
        if run is None or run.job.attempt != attempt:
            return
        self._write(self._usable_child(), Cancel(job_id, attempt))
        if run.cancelling is None:
            loop = asyncio.get_running_loop()
            run.cancelling = loop.call_later(self._timeouts.cancel, self._report, _cancelled(run))

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        """CLIP embeddings as of `Embed`; raises EngineRestarting if the process dies, DreamError for a refusal."""
        child = self._usable_child()
        number = str(next(self._numbers))
        answer: asyncio.Future[Embeddings] = asyncio.get_running_loop().create_future()
        self._write(child, Embed(number, tuple(texts), tuple(images), perceptor, pulls))
        self._questions[number] = answer
        try:
            embeddings = await answer
        finally:
            del self._questions[number]
        if embeddings.error:
            raise DreamError(embeddings.error)
        return embeddings

    async def drain(self, seconds: float) -> None:
        """Accepts no more jobs, and waits at most *seconds* for running attempts. Call `close` afterwards."""
        self._closing = True
        self._supervisor.stop()
        if self._supervising and (child := self._supervisor.child):
            with contextlib.suppress(EngineRestarting):
                self._write(child, Drain())
            await asyncio.wait([self._supervising], timeout=seconds)

    async def restart(self) -> None:
        """Replaces the process after its attempts in progress; behind a router, one worker's process at a time.

        Raises EngineRestarting, EngineUnusable.
        """
        self._write(self._usable_child(), Restart())

    async def close(self) -> None:
        """Ends the process; attempts in progress end as EngineRestarting, then the events end."""
        self._closing = True
        self._supervisor.stop()
        if self._supervising:
            self._supervising.cancel()
            await asyncio.wait([self._supervising])
        self._events.close()

    def _usable_child(self) -> EngineConnection:
        if self._unusable:
            raise EngineUnusable(self._unusable)
        child = self._supervisor.child
        if child is None or self.ready is None or self._closing:
            raise EngineRestarting(RESTARTING)
        return child

    def _write(self, child: EngineConnection, command: Command) -> None:
        idle = self.slowest_step() is None
        try:
            child.write(command)
        except ConnectionError as error:
            raise EngineRestarting(RESTARTING) from error
        if idle:
            self._supervisor.touch()

    # what the supervisor reports

    def frame_budget(self, kind: str, body: Any) -> int | None:
        """Blobs are only accepted for attempts in progress, and not larger than their images can be."""
        if kind not in (Progress.__name__, Picture.__name__):
            return 0
        known = isinstance(body, Mapping) and self._run_of(body.get("job_id"), body.get("attempt"))
        if not known:
            return None
        request = known.job.request
        if kind == Progress.__name__:
            return request.count * SNAPSHOT_BYTES
        width, height = request.result if isinstance(request, UpscaleRequest) else (request.width, request.height)
        return 4 * width * height + PICTURE_OVERHEAD

    def received(self, message: Message) -> bool:
        """Passes *message* on; true if it belongs to work in progress."""
        match message:
            case Ready():
                self.ready, self._unusable = message, ""
                self._events.put(message)
                return False
            case Progress() | Picture() | Result() | Failure():
                return self._report(message)
            case Embeddings():
                question = self._questions.get(message.id)
                if question and not question.done():
                    question.set_result(message)
                return question is not None
            case _:
                raise WireError(f"An engine does not send {type(message).__name__}.")

    def died(self) -> None:
        self.ready = None
        for run in list(self._runs.values()):
            failure = Failure(run.job.id, run.job.attempt, EngineRestarting.__name__, RESTARTING)
            self._report(_cancelled(run) if run.cancelling else failure)
        for question in self._questions.values():
            if not question.done():
                question.set_exception(EngineRestarting(RESTARTING))

    def gave_up(self, why: str) -> None:
        """Reports once that nothing can be painted, and why."""
        if not self._unusable:
            self._unusable = f"The engine cannot start: {why}"
            log.error("%s", self._unusable)
            self._events.put(Ready("local", 0, "none", 0, (), (), (), {"engine": self._unusable}))

    def slowest_step(self) -> float | None:
        """Seconds; 0 while any work has not shown a second progress yet, None if there is no work."""
        if not self._runs and not self._questions:
            return None
        steps = [run.slowest_step for run in self._runs.values()]
        if self.ready and self.ready.compiled:  # any step may wait for the compiler
            return 0.0
        return max(steps) if steps and all(steps) else 0.0

    def _run_of(self, job_id: object, attempt: object) -> _Run | None:
        run = self._runs.get(job_id) if isinstance(job_id, str) else None
        return run if run and run.job.attempt == attempt else None

    def _report(self, event: Progress | Picture | Result | Failure) -> bool:
        """Passes on an event of an attempt in progress; drops one of an older attempt, which came too late."""
        run = self._run_of(event.job_id, event.attempt)
        if run is None:
            log.debug("Late: %s of %s, attempt %d.", type(event).__name__, event.job_id, event.attempt)
            return False
        if isinstance(event, Progress):
            now = time.monotonic()
            gap = now - run.heard if run.heard else 0.0
            run.slowest_step, run.heard = max(run.slowest_step, gap, event.seconds_per_step), now
        elif isinstance(event, Result | Failure):
            del self._runs[event.job_id]
            if run.cancelling:
                run.cancelling.cancel()
        self._events.put(event)
        return True


def _cancelled(run: _Run) -> Failure:
    return Failure(run.job.id, run.job.attempt, Cancelled.__name__, "Cancelled.")
