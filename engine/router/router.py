"""Passes commands to the worker that they name, and the workers' events to the client.

The client chooses the worker of each job (`Job.worker`), because it knows the queue. Images pass through as they are;
only the JSON headers are read, on both sides, so that a broken worker cannot break the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from engine.client.transport import Streams
from engine.errors import DreamError, EngineRestarting, EngineUnusable
from engine.protocol.framing import WireError, read_message, write_message
from engine.protocol.messages import (
    DEFAULT_PERCEPTOR,
    Cancel,
    Drain,
    Embed,
    Embeddings,
    Event,
    Failure,
    Ready,
    Restart,
    Result,
    Submit,
    WorkerState,
)
from engine.requests.request import adapter_key, clip_key
from engine.router.managed_worker import ManagedWorker
from engine.weights.store.trained_models import bounded

NAME = "router"


def merged_ready(workers: Sequence[ManagedWorker], pid: int) -> Ready | None:
    """The abilities of all *workers* together and of each; None before the first `Ready`.

    The engine can do what at least one worker can do; `WorkerState.lacks` names what a worker cannot. Only running
    workers count; if none runs, the last known states count, so that jobs are accepted and wait.
    """
    known = [worker for worker in workers if worker.known is not None]
    if not known:
        return None
    if all(worker.unusable for worker in workers):
        why = "; ".join(f"{worker.name}: {worker.unusable}" for worker in workers)
        return Ready(NAME, pid, "none", 0, (), (), (), {"engine": why}, workers=_states(workers, set(), set(), set()))
    able = [worker for worker in known if not worker.unusable]
    if not able:
        return None
    running = [worker for worker in able if not worker.cannot] or able
    readies = [worker.known for worker in running if worker.known]
    everywhere = set.intersection(*(set(ready.unavailable) for ready in readies))
    sizes = set.intersection(*(set(ready.largest) for ready in readies))
    models = _union([ready.models for ready in readies])
    trained = [ready.trained for ready in readies if ready.trained is not None]
    together = bounded({name: table for tables in reversed(trained) for name, table in tables.items()})
    states = _states(workers, everywhere, {*models}, {*together})
    return Ready(
        worker=NAME,
        pid=pid,
        device=_devices([state.device for state in states if state.name in {w.name for w in running}]),
        slots=sum(state.free for state in states if not state.trouble),
        methods=_union([ready.methods for ready in readies]),
        upscalers=_union([ready.upscalers for ready in readies]),
        models=models,
        unavailable={name: why for name, why in readies[0].unavailable.items() if name in everywhere},
        largest={kind: max(ready.largest[kind] for ready in readies) for kind in sorted(sizes)},
        compiled=next((ready.compiled for ready in readies if ready.compiled), ""),
        workers=states,
        trained=together if trained else None,
    )


def _states(
    workers: Sequence[ManagedWorker], everywhere: set[str], models: set[str], trained: set[str]
) -> tuple[WorkerState, ...]:
    """The state of each worker. Workers with `should_not` still accept jobs if no other worker can.

    *everywhere*: what all workers lack. *models*, *trained*: names that at least one worker has.
    """
    good = any(not worker.cannot and not worker.should_not for worker in workers)
    return tuple(
        replace(
            worker.state(),
            trouble=worker.cannot or (worker.should_not if good else ""),
            lacks=tuple(sorted(_lacks(worker.known, models, trained) - everywhere)) if worker.known else (),
        )
        for worker in workers
    )


def _lacks(ready: Ready, models: set[str], trained: set[str]) -> set[str]:
    """What a worker cannot use, and what was trained on another machine and is unknown on its own."""
    absent = trained - (ready.trained or {}).keys() if ready.trained is not None else set()
    unknown = (models & absent) - {*ready.models}
    return {*ready.unavailable, *unknown, *(adapter_key(name) for name in absent)}


def _union(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _devices(names: Sequence[str]) -> str:
    """``2 × NVIDIA RTX 4090 (24 GB), CPU``"""
    return ", ".join(f"{number} × {name}" if number > 1 else name for name, number in Counter(names).items()) or "none"


log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Interval of checks for changes without an event: stalled workers, and rests that end."""
DRAIN_SECONDS = 86_400.0
FLUSH_SECONDS = 2.0
"""Time limit for sending the last events to the client."""
NOT_TAKEN = "This worker cannot take a job now; the job waits for another one."


class Router:
    """*streams*: the connection to the client."""

    def __init__(self, streams: Streams, workers: Sequence[ManagedWorker]) -> None:
        self._reader, self._writer = streams
        self._workers = {worker.name: worker for worker in workers}
        self._jobs: dict[str, tuple[str, int]] = {}
        """Job → worker and attempt."""
        self._told: Ready | None = None
        self._troubles: dict[str, str] = {}
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._rolling: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until the client closes the connection, or all jobs before `Drain` have ended."""
        pumps = []
        for worker in self._workers.values():
            worker.on_change = self._announce
            await worker.engine.start()
            pumps.append(self._begin(self._pump(worker)))
        self._begin(self._look())
        try:
            await self._read()
        finally:
            await asyncio.gather(*(worker.engine.close() for worker in self._workers.values()))
            await asyncio.wait(pumps, timeout=FLUSH_SECONDS)  # the last events of the workers
            for task in self._tasks:
                task.cancel()
            self._writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._writer.wait_closed(), FLUSH_SECONDS)

    def roll(self) -> None:
        """Restarts the workers one after the other, each after its present jobs."""
        if self._rolling is None or self._rolling.done():
            self._rolling = self._begin(self._roll())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ConnectionError):
            log.error("A task of the router failed.", exc_info=error)

    # from the client

    async def _read(self) -> None:
        try:
            while (message := await read_message(self._reader)) is not None:
                match message:
                    case Submit():
                        await self._submit(message)
                    case Cancel(job_id, attempt):
                        await self._cancel(job_id, attempt)
                    case Embed():
                        self._begin(self._embed(message))
                    case Drain():
                        self._draining = True
                        self._begin(self._drain())
                    case Restart():
                        self.roll()
                    case _:
                        raise WireError(f"A client does not send {type(message).__name__}.")
        except (WireError, OSError) as error:
            log.error("The client's connection broke: %s", error)

    async def _submit(self, message: Submit) -> None:
        job = message.job
        before, attempt = self._jobs.get(job.id, ("", 0))
        if before and attempt == job.attempt:
            return
        if before:
            await self._cancel(job.id, attempt)
        if self._draining:
            self._send(Failure(job.id, job.attempt, EngineRestarting.__name__, "The engine is about to restart."))
            return
        worker = self._workers.get(job.worker) or max(
            (one for one in self._workers.values() if not one.cannot), key=lambda one: one.state().free, default=None
        )
        try:
            if worker is None or worker.cannot:
                raise EngineRestarting(NOT_TAKEN)
            await worker.engine.submit(job, message.images)
        except (EngineRestarting, EngineUnusable):
            self._announce()  # first, so that the client does not choose it again
            self._send(Failure(job.id, job.attempt, EngineUnusable.__name__, NOT_TAKEN))
        else:
            self._jobs[job.id] = worker.name, job.attempt

    async def _cancel(self, job_id: str, attempt: int) -> None:
        name, running = self._jobs.get(job_id, ("", 0))
        if name and running == attempt:
            with contextlib.suppress(EngineRestarting, EngineUnusable):
                await self._workers[name].engine.cancel(job_id, attempt)

    async def _embed(self, question: Embed) -> None:
        """Ask a worker that has the perceptor; retry once on another one if that worker's process ends."""
        for last in (False, True):
            worker = self._best_for(clip_key(question.perceptor or DEFAULT_PERCEPTOR))
            try:
                if worker is None:
                    raise EngineRestarting("The engine is restarting; try again in a moment.")
                answer = await worker.engine.embed(
                    texts=question.texts,
                    images=question.images,
                    perceptor=question.perceptor,
                    pulls=question.pulls,
                )
            except EngineRestarting as error:
                if not last and worker is not None:
                    continue
                answer = Embeddings(question.id, (), question.perceptor, str(error))
            except DreamError as error:
                answer = Embeddings(question.id, (), question.perceptor, str(error))
            self._send(replace(answer, id=question.id))
            await self._writer.drain()
            return

    def _best_for(self, perceptor: str) -> ManagedWorker | None:
        """The worker with that perceptor loaded, else installed; among equals the one with the most free slots."""

        def order(worker: ManagedWorker) -> tuple[bool, bool, int]:
            state = worker.state()
            installed = worker.known is not None and perceptor not in worker.known.unavailable
            return installed, perceptor in state.loaded, state.free

        usable = [worker for worker in self._workers.values() if not worker.cannot]
        return max(usable, key=order, default=None)

    async def _drain(self) -> None:
        await asyncio.gather(*(worker.engine.drain(DRAIN_SECONDS) for worker in self._workers.values()))
        self._reader.feed_eof()

    # from the workers

    async def _pump(self, worker: ManagedWorker) -> None:
        """Passes the events of one worker on; a slow client makes `Progress` events merge in the worker's queue."""
        async for event in worker.engine.events():
            worker.hear(event)
            self._hear(worker, event)
            await self._writer.drain()

    def _hear(self, worker: ManagedWorker, event: Event) -> None:
        if isinstance(event, Ready):
            self._announce()
            return
        if isinstance(event, Result | Failure) and self._jobs.get(event.job_id) == (worker.name, event.attempt):
            del self._jobs[event.job_id]
        self._send(event)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._announce()

    def _announce(self) -> None:
        """Sends the merged `Ready` whenever it changes, and logs workers that were taken out or are back."""
        ready = merged_ready(list(self._workers.values()), os.getpid())
        if ready is None or ready == self._told:
            return
        self._told = ready
        for state in ready.workers:
            if state.trouble != self._troubles.get(state.name, ""):
                log.warning(
                    "Worker %s %s.",
                    state.name,
                    f"accepts no jobs: {state.trouble}" if state.trouble else "accepts jobs",
                )
            self._troubles[state.name] = state.trouble
        self._send(ready)

    def _send(self, event: Event) -> None:
        if not self._writer.is_closing():
            write_message(self._writer, event)

    async def _roll(self) -> None:
        for worker in self._workers.values():
            if not await worker.restart():
                continue  # it is starting already
            while worker.cannot:
                if worker.unusable:
                    log.error("Worker %s does not start again; the other workers are not restarted.", worker.name)
                    return
                await asyncio.sleep(LOOK_SECONDS / 4)
        log.info("All workers have been restarted.")
