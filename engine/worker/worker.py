"""Admits jobs, advances their images, and ends every attempt with one `Result` or `Failure`.

    handle(command)     runs on the loop, between two steps
    step()              takes one step of one batch; False if no image can take a step
    emit(event)         is called on the loop's thread with every event

Loading, decoding and encoding run on other threads; their results return through `Loop.post`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import psutil
from PIL import Image
from torch import Tensor

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import Cancelled, DreamError, EngineRestarting
from engine.guidance import embeddings as embedding
from engine.methods import Failed, Finished, Running, State, Step, find_method
from engine.perceptors.perceptor import Perceptor
from engine.protocol.messages import (
    DEFAULT_PERCEPTOR,
    Cancel,
    Command,
    Drain,
    Embed,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Ready,
    Restart,
    Result,
    Submit,
    WorkerState,
)
from engine.protocol.replay_record import ReplayPlan
from engine.requests.request import DreamRequest, build_request, clip_key
from engine.runtime.device import cores
from engine.runtime.model_cache import SMALL, LoadedNets
from engine.runtime.runtime import Runtime, catch
from engine.runtime.tuning import Threads
from engine.upscalers import Upscaler
from engine.worker.admission import Admitted, FindMethod, admit
from engine.worker.capabilities import find_capabilities
from engine.worker.event_loop import Background, Loop
from engine.worker.finishing import Snapshots, begin_finish, load_finisher, make_picture, merged
from engine.worker.job_state import ImageTask, JobRun, JobTable, Stage
from engine.worker.scheduler import StepScheduler

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""Seconds between two checks for installed weights and trained models."""
MEMORY_BYTES = 16 * 2**20
"""Resident memory is reported in multiples of this, so that it does not change all the time."""
WARM_UP = "warm-up"
WARM_UP_STEPS = 8


class Worker:
    """*threads*: number of CPU threads, or "auto". *slots*: images in progress; 0 = as many as suit the device.

    *idle_seconds*: large models are evicted after this time without a job; 0 = never.
    """

    def __init__(
        self,
        runtime: Runtime,
        loop: Loop,
        emit: Callable[[Event], None],
        *,
        name: str = "local",
        threads: str = "auto",
        slots: int = 0,
        idle_seconds: float = 0.0,
        find_method: FindMethod = find_method,
    ) -> None:
        self.runtime = runtime
        self._loop, self._emit, self._find_method = loop, emit, find_method
        self._scheduler = StepScheduler(runtime, Threads(threads, cores() if runtime.device.type == "cpu" else 1))
        self._loading, self._encoding = Background(loop, "loading", 2), Background(loop, "encoding", 2)
        self._snapshots = Snapshots(self._encoding, lambda task: self._tell(task.run))
        self._jobs = JobTable(slots or runtime.hardware.slots)
        self._name, self._looked_at = name, time.monotonic()
        self.ready = find_capabilities(name, os.getpid(), runtime.hardware.description, self._jobs.free)
        self._told: Ready | None = None
        self._loaded = LoadedNets(runtime.cache)
        self._resident = _resident_bytes()
        self._largest: Mapping[str, int] = {}
        self._kinds = 0
        """Number of memory kinds at the last update of `_largest`."""
        self._idle_seconds, self._busy_at, self._unloaded = idle_seconds, time.monotonic(), False
        self._draining = False

    def handle(self, command: Command) -> None:
        match command:
            case Submit(job, images):
                self.submit(job, images)
            case Cancel(job_id, attempt):
                if (found := self._jobs.find(job_id)) and found.job.attempt == attempt:
                    self._end(found, found.failure(Cancelled("Cancelled.")))
            case Embed():
                self._busy_at, self._unloaded = time.monotonic(), False
                kind = clip_key(command.perceptor or DEFAULT_PERCEPTOR)
                prepare = partial(self._loaded.noting, kind, embedding.prepare, command, self.runtime)
                self._loading.run(prepare, partial(self._answer, command))
            case Drain() | Restart():
                self._draining = True

    def step(self) -> bool:
        """Advances the batch that has waited longest and sends due progress. Raises DeviceLost."""
        self._jobs.fill_slots()
        self._announce()
        group = self._scheduler.next_group(self._jobs.eligible(), list(self._jobs.in_progress()))
        if group:
            for task, step in zip(group, self._scheduler.advance(group), strict=True):
                self._take_step(task, step)
        for run in self._jobs:
            self._tell(run)
        self._announce()
        if self._draining and not self._jobs:
            self._loop.stop()
        self._unload_when_idle()
        return bool(group)

    def submit(
        self,
        job: Job,
        images: Mapping[str, bytes],
        replay_plan: ReplayPlan | None = None,
        *,
        only: Collection[int] = (),
        closely: bool = False,
    ) -> None:
        """Starts *job*. *replay_plan*: recorded conditions of the steps.

        *only*: indices of the images to paint; empty = all. *closely*: a preview of every step.
        """
        self._submit(JobRun(job, images, replay_plan=replay_plan, only=frozenset(only), closely=closely))

    def warm_up(self) -> None:
        """Paints a small image to load models, select kernels and measure threads. The first job ends it."""
        method = next((name for name in MODELS[DEFAULT_MODEL].methods if name in self.ready.methods), "")
        if method and not self._jobs:
            request = build_request("a red circle", method=method, seed=0, steps=WARM_UP_STEPS)
            self._submit(JobRun(Job(WARM_UP, 0, "", request), {}, quiet=True))

    def close(self) -> None:
        """Drops all jobs and stops the background threads."""
        self._jobs.clear()
        self._loading.close()
        self._encoding.close()

    def _unload_when_idle(self) -> None:
        """Evicts large models after `idle_seconds` without a job or embedding."""
        if self._jobs:
            self._busy_at, self._unloaded = time.monotonic(), False
        elif self._idle_seconds and not self._unloaded and time.monotonic() - self._busy_at > self._idle_seconds:
            self._unloaded = True
            if self.runtime.cache.shed(unused_since=self._busy_at + self._idle_seconds, larger_than=SMALL):
                log.info("Idle for %.0f minutes: evicted large models.", self._idle_seconds / 60)

    # before the first step

    def _submit(self, run: JobRun) -> None:
        older = self._jobs.find(run.job.id)
        if older and older.job.attempt == run.job.attempt:
            return
        if self._draining:
            self._send(run, run.failure(EngineRestarting("The engine is about to restart; try again.")))
            return
        if older:
            self._end(older, older.failure(Cancelled("Replaced by a newer attempt.")))
        self._jobs.remove(WARM_UP)
        self._jobs.add(run)
        self._loading.run(
            partial(admit, run.job, run.images, self.runtime, self._find_method), partial(self._admit, run)
        )

    def _admit(self, run: JobRun, admitted: Admitted | DreamError) -> None:
        if isinstance(admitted, DreamError):
            if self._jobs.has(run):
                self._end(run, run.failure(admitted))
            return
        if self._jobs.has(run):
            self._take_up(run, admitted)
        if admitted.held:  # the images in progress hold the models from here on
            self.runtime.cache.end(admitted.held)
        if run.tasks and isinstance(run.job.request, DreamRequest):  # loads during the first steps
            self._loading.run(partial(load_finisher, run.job.request, self.runtime), lambda _: None)

    def _take_up(self, run: JobRun, admitted: Admitted) -> None:
        run.images, run.source = {}, admitted.source
        self._loaded.note(run.job.request.nets, admitted.nets)
        states = [state for state in admitted.states if not run.only or state.index in run.only]
        run.seconds.update(admitted.seconds)
        run.steps = max(state.steps for state in states)
        run.tasks = [
            ImageTask(run, state.index, admitted.painter, state, needs=admitted.needs, nets=admitted.nets)
            for state in states
        ]
        self._scheduler.keep([*self._jobs.in_progress(), *run.tasks])

    # steps

    def _take_step(self, task: ImageTask, step: Step) -> None:
        task.run.steps_taken += 1
        match step:
            case Running():
                if not task.finishing:
                    task.steps_done = step.step
                    task.run.steps = max(p.state.steps for p in task.run.tasks if not p.finishing)
                if not task.run.job.background:  # background images need no previews
                    self._snapshots.offer(task, step)
            case Finished(image, facts):
                task.stage = Stage.AWAY
                if task.finishing:
                    task.clock("finish")
                    task.facts = merged(task.facts, facts)
                    self._deliver(task, image)
                else:
                    task.clock("steps")
                    task.steps_done, task.facts = task.run.steps, facts
                    self._finish(task, image)
            case Failed(error):
                self._fail(task, error)

    def _finish(self, task: ImageTask, image: Image.Image) -> None:
        """Starts the finishing upscale if the image is too small; otherwise encodes it."""
        request = task.run.job.request
        if isinstance(request, DreamRequest) and image.size != (request.width, request.height):
            self._loading.run(partial(begin_finish, task, image, self.runtime), partial(self._go_on, task))
        else:
            self._deliver(task, image)

    def _go_on(self, task: ImageTask, begun: tuple[Upscaler[Any], State, str] | DreamError) -> None:
        if not self._jobs.has(task.run):
            return
        if isinstance(begun, DreamError):
            self._fail(task, begun)
            return
        task.painter, task.state, note = begun
        task.nets = frozenset()
        task.finishing, task.stage = True, Stage.PAINTING
        if note:
            task.run.notes = (note,)

    def _deliver(self, task: ImageTask, image: Image.Image) -> None:
        notes = task.run.notes
        encode = partial(make_picture, task, image, notes, self.runtime, self._name)
        self._encoding.run(encode, partial(self._hand_over, task))

    def _hand_over(self, task: ImageTask, picture: Picture | DreamError) -> None:
        if not self._jobs.has(task.run):
            return
        if isinstance(picture, DreamError):
            self._fail(task, picture)
            return
        task.stage = Stage.DONE
        task.clock("encode")
        self._send(task.run, picture)
        self._end_if_over(task.run)

    def _fail(self, task: ImageTask, error: DreamError) -> None:
        task.stage, task.error = Stage.FAILED, error
        self._end_if_over(task.run)

    def _answer(self, question: Embed, prepared: tuple[Perceptor, Tensor | None] | DreamError) -> None:
        answered: Embeddings | DreamError = (
            prepared if isinstance(prepared, DreamError) else catch(embedding.answer, question, *prepared, self.runtime)
        )
        if isinstance(answered, DreamError):
            answered = Embeddings(question.id, (), question.perceptor, str(answered))
        self._emit(answered)

    # events

    def _tell(self, run: JobRun) -> None:
        if run.tasks and (progress := run.progress()):
            self._send(run, progress)

    def _announce(self) -> None:
        """Sends `Ready` at the start and whenever it changes, e.g. after weights were installed."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS or len(self.runtime.memory.sizes) > self._kinds:
            self._looked_at, self._kinds = time.monotonic(), len(self.runtime.memory.sizes)
            device, used = self.runtime.hardware.description, self._jobs.used_names()
            self.ready = find_capabilities(self._name, os.getpid(), device, self._jobs.free, used)
            self._largest = self.runtime.memory.largest(self.runtime.hardware.most()) if self._kinds else {}
            self._resident = _resident_bytes()
        self.ready = dataclasses.replace(
            self.ready,
            slots=self._jobs.free,
            compiled=self.runtime.compiler.state,
            largest=self._largest,
            workers=(self._state,),
        )
        if self.ready != self._told:
            self._told = self.ready
            self._emit(self.ready)

    @property
    def _state(self) -> WorkerState:
        return WorkerState(
            name=self._name,
            pid=os.getpid(),
            device=self.runtime.hardware.description,
            slots=self._jobs.slots,
            free=self._jobs.free,
            loaded=self._loaded.here,
            memory=self._resident,
            largest=self._largest,
        )

    def _end_if_over(self, run: JobRun) -> None:
        if run.is_over:
            self._end(run, run.end())

    def _end(self, run: JobRun, event: Result | Failure) -> None:
        self._jobs.remove(run.job.id)
        self._send(run, event)

    def _send(self, run: JobRun, event: Event) -> None:
        if not run.quiet:
            self._emit(event)
        elif isinstance(event, Failure):
            log.warning("Warming up failed: %s", event.message)


def _resident_bytes() -> int:
    """Resident memory of this process, in multiples of `MEMORY_BYTES`."""
    resident = int(psutil.Process().memory_info().rss)  # type: ignore[no-untyped-call]
    return round(resident / MEMORY_BYTES) * MEMORY_BYTES
