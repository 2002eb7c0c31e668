"""Admits jobs, keeps their pictures moving, and answers for every one of them. Knows no pipe, no Discord.

    handle(command)     on the loop, between two steps
    step()              one step of one lane; False when there is nothing to do
    emit(event)         is called, on the loop's thread, with everything that happens

What is slow (loading, decoding, encoding) happens on other threads and comes back through `Loop.post`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from PIL import Image
from torch import Tensor

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import Cancelled, DreamError, EngineRestarting
from engine.guidance import embeddings as embedding
from engine.guidance.perceptor import Perceptor
from engine.methods import find_method
from engine.methods._base import Failed, Finished, Running, State, Step
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
    Ready,
    Result,
    Submit,
)
from engine.protocol.step_log import ReplayPlan
from engine.requests.request import DreamRequest, build_request
from engine.runtime.cpu_threads import Threads
from engine.runtime.device import cores
from engine.runtime.error_boundary import catch
from engine.runtime.model_cache import SMALL
from engine.runtime.runtime import Runtime
from engine.upscalers import Upscaler
from engine.worker.admission import Admitted, FindMethod, admit
from engine.worker.capabilities import look_around
from engine.worker.event_loop import Loop
from engine.worker.finishing import begin_finish, load_finisher, make_picture, merged, needs_finish
from engine.worker.job_state import ImageTask, JobRun, Stage
from engine.worker.job_table import JobTable
from engine.worker.previews import Snapshots
from engine.worker.scheduler import StepScheduler
from engine.worker.thread_pool import Background

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""Between two looks at what is installed."""
WARM_UP = "warm-up"
WARM_UP_STEPS = 8


class Worker:
    """One engine's work. *threads* is a number of CPU threads or "auto"; *slots* pictures are painted together.

    *idle_seconds*: after so long without a job large nets leave; 0 = never.
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
        self._lanes = StepScheduler(runtime, Threads(threads, cores() if runtime.device.type == "cpu" else 1))
        self._loading, self._encoding = Background(loop, "loading", 2), Background(loop, "encoding", 2)
        self._snapshots = Snapshots(self._encoding, lambda painting: self._tell(painting.attempt))
        self._jobs = JobTable(slots or runtime.hardware.slots)
        self._name, self._looked_at = name, time.monotonic()
        self._can = look_around(name, os.getpid(), runtime.hardware.description, self._jobs.free)
        self._told: Ready | None = None
        self._largest: Mapping[str, int] = {}
        self._kinds = 0
        """Of pictures, about which it is known how large they may be."""
        self._idle_seconds, self._busy_at, self._unloaded = idle_seconds, time.monotonic(), False
        self._draining = False

    @property
    def ready(self) -> Ready:
        """What it can do now."""
        return self._can

    def handle(self, command: Command) -> None:
        """Take a command."""
        match command:
            case Submit(job, images):
                self.submit(job, images)
            case Cancel(job_id, attempt):
                if (found := self._jobs.find(job_id)) and found.job.attempt == attempt:
                    self._end(found, found.failure(Cancelled("Cancelled.")))
            case Embed():
                self._busy_at, self._unloaded = time.monotonic(), False
                self._loading.run(partial(embedding.prepare, command, self.runtime), partial(self._answer, command))
            case Drain():
                self._draining = True

    def step(self) -> bool:
        """One step of whoever has waited longest, and news of everybody. Raises DeviceLost."""
        self._jobs.fill_slots()
        self._announce()
        group = self._lanes.next_group(self._jobs.whose_turn(), list(self._jobs.painting()))
        if group:
            for painting, step in zip(group, self._lanes.advance(group), strict=True):
                self._take_step(painting, step)
        for attempt in self._jobs:
            self._tell(attempt)
        self._announce()
        if self._draining and not self._jobs:
            self._loop.stop()
        self._unload_when_idle()
        return bool(group)

    def submit(
        self,
        job: Job,
        images: Mapping[str, bytes],
        script: ReplayPlan | None = None,
        *,
        only: Collection[int] = (),
        closely: bool = False,
    ) -> None:
        """Start *job*. *script*: what a replay follows.

        *only*: the indices of the pictures that are wanted, if not all. *closely*: a snapshot of every step.
        """
        self._submit(JobRun(job, images, script=script, only=frozenset(only), closely=closely))

    def warm_up(self) -> None:
        """Paint a small picture for nobody: nets in memory, kernels chosen, threads counted. Real work ends it."""
        method = next((name for name in MODELS[DEFAULT_MODEL].methods if name in self._can.methods), "")
        if method and not self._jobs:
            request = build_request("a red circle", method=method, seed=0, steps=WARM_UP_STEPS)
            self._submit(JobRun(Job(WARM_UP, 0, "", request), {}, quiet=True))

    def close(self) -> None:
        """Leave everything as it is and start nothing more."""
        self._jobs.clear()
        self._loading.close()
        self._encoding.close()

    def _unload_when_idle(self) -> None:
        """Large nets leave when nobody has wanted anything for long: others may need the memory."""
        if self._jobs:
            self._busy_at, self._unloaded = time.monotonic(), False
        elif self._idle_seconds and not self._unloaded and time.monotonic() - self._busy_at > self._idle_seconds:
            self._unloaded = True
            if self.runtime.cache.shed(unused_since=self._busy_at + self._idle_seconds, larger_than=SMALL):
                log.info("Nobody has wanted anything for %.0f minutes: large nets left.", self._idle_seconds / 60)

    # before the first step

    def _submit(self, attempt: JobRun) -> None:
        older = self._jobs.find(attempt.job.id)
        if older and older.job.attempt == attempt.job.attempt:
            return
        if self._draining:
            self._send(attempt, attempt.failure(EngineRestarting("The engine is about to restart; try again.")))
            return
        if older:
            self._end(older, older.failure(Cancelled("A newer attempt has taken its place.")))
        self._jobs.remove(WARM_UP)
        self._jobs.add(attempt)
        self._loading.run(
            partial(admit, attempt.job, attempt.images, self.runtime, self._find_method), partial(self._admit, attempt)
        )

    def _admit(self, attempt: JobRun, admitted: Admitted | DreamError) -> None:
        if isinstance(admitted, DreamError):
            if self._jobs.has(attempt):
                self._end(attempt, attempt.failure(admitted))
            return
        if self._jobs.has(attempt):
            self._take_up(attempt, admitted)
        if admitted.held:  # now that they are among the nets of pictures under way, or of nobody
            self.runtime.cache.end(admitted.held)
        if attempt.paintings and isinstance(attempt.job.request, DreamRequest):  # while the first steps are taken
            self._loading.run(partial(load_finisher, attempt.job.request, self.runtime), lambda _: None)

    def _take_up(self, attempt: JobRun, admitted: Admitted) -> None:
        attempt.images, attempt.source = {}, admitted.source
        states = [state for state in admitted.states if not attempt.only or state.index in attempt.only]
        attempt.seconds.update(admitted.seconds)
        attempt.steps = max(state.steps for state in states)
        attempt.paintings = [
            ImageTask(attempt, state.index, admitted.painter, state, needs=admitted.needs, nets=admitted.nets)
            for state in states
        ]
        self._lanes.keep([*self._jobs.painting(), *attempt.paintings])

    # from step to step

    def _take_step(self, painting: ImageTask, step: Step) -> None:
        painting.attempt.steps_taken += 1
        match step:
            case Running():
                if not painting.finishing:
                    painting.steps_done = step.step
                    painting.attempt.steps = max(p.state.steps for p in painting.attempt.paintings if not p.finishing)
                if not painting.attempt.job.background:  # nobody watches so many at a time
                    self._snapshots.offer(painting, step)
            case Finished(image, facts):
                painting.stage = Stage.AWAY
                if painting.finishing:
                    painting.clock("finish")
                    painting.facts = merged(painting.facts, facts)
                    self._deliver(painting, image)
                else:
                    painting.clock("steps")
                    painting.steps_done, painting.facts = painting.attempt.steps, facts
                    self._finish(painting, image)
            case Failed(error):
                self._fail(painting, error)

    def _finish(self, painting: ImageTask, image: Image.Image) -> None:
        """Enlarge it if it is smaller than what was asked for; then it is done."""
        if not needs_finish(painting.attempt.job.request, image):
            self._deliver(painting, image)
            return
        self._loading.run(partial(begin_finish, painting, image, self.runtime), partial(self._go_on, painting))

    def _go_on(self, painting: ImageTask, begun: tuple[Upscaler[Any], State, str] | DreamError) -> None:
        if not self._jobs.has(painting.attempt):
            return
        if isinstance(begun, DreamError):
            self._fail(painting, begun)
            return
        painting.painter, painting.state, note = begun
        painting.nets = frozenset()
        painting.finishing, painting.stage = True, Stage.PAINTING
        if note:
            painting.attempt.notes = (note,)

    def _deliver(self, painting: ImageTask, image: Image.Image) -> None:
        notes = painting.attempt.notes
        self._encoding.run(
            partial(make_picture, painting, image, notes, self.runtime), partial(self._hand_over, painting)
        )

    def _hand_over(self, painting: ImageTask, picture: Picture | DreamError) -> None:
        if not self._jobs.has(painting.attempt):
            return
        if isinstance(picture, DreamError):
            self._fail(painting, picture)
            return
        painting.stage = Stage.DONE
        painting.clock("encode")
        self._send(painting.attempt, picture)
        self._end_if_over(painting.attempt)

    def _fail(self, painting: ImageTask, error: DreamError) -> None:
        painting.stage, painting.error = Stage.FAILED, error
        self._end_if_over(painting.attempt)

    def _answer(self, question: Embed, prepared: tuple[Perceptor, Tensor | None] | DreamError) -> None:
        answered: Embeddings | DreamError = (
            prepared if isinstance(prepared, DreamError) else catch(embedding.answer, question, *prepared, self.runtime)
        )
        if isinstance(answered, DreamError):
            answered = Embeddings(question.id, (), question.perceptor, str(answered))
        self._emit(answered)

    # what others are told

    def _tell(self, attempt: JobRun) -> None:
        if attempt.paintings and (progress := attempt.progress()):
            self._send(attempt, progress)

    def _announce(self) -> None:
        """`Ready`: at first, and whenever something about it has changed (weights may be installed meanwhile)."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS or len(self.runtime.memory.sizes) > self._kinds:
            self._looked_at, self._kinds = time.monotonic(), len(self.runtime.memory.sizes)
            self._can = look_around(self._name, os.getpid(), self.runtime.hardware.description, self._jobs.free)
            self._largest = self.runtime.memory.largest(self.runtime.hardware.most()) if self._kinds else {}
        self._can = dataclasses.replace(
            self._can, slots=self._jobs.free, compiled=self.runtime.compiler.state, largest=self._largest
        )
        if self._can != self._told:
            self._told = self._can
            self._emit(self._can)

    def _end_if_over(self, attempt: JobRun) -> None:
        if attempt.is_over:
            self._end(attempt, attempt.end())

    def _end(self, attempt: JobRun, event: Result | Failure) -> None:
        self._jobs.remove(attempt.job.id)
        self._send(attempt, event)

    def _send(self, attempt: JobRun, event: Event) -> None:
        if not attempt.quiet:
            self._emit(event)
        elif isinstance(event, Failure):
            log.warning("Warming up failed: %s", event.message)
