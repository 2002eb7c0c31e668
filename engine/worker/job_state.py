"""What the worker remembers: an attempt at a job, and each of its pictures on its way. Knows no threads, no torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from engine.errors import DreamError
from engine.methods import Method
from engine.methods._base import State
from engine.protocol.messages import Failure, Job, Progress, Result
from engine.protocol.step_log import ReplayPlan, StepConditions, StepLog
from engine.upscalers import Upscaler

if TYPE_CHECKING:
    from engine.memory_planning.estimate import MemoryEstimate

Painter = Method[Any] | Upscaler[Any]

SNAPSHOT_SECONDS = 0.4
"""Between two snapshots of one picture."""
PROGRESS_SECONDS = 0.3, 1.0
"""At least so long between two `Progress` of a job: with snapshots, without."""
SMOOTHING = 0.3
"""Weight of the newest step in the mean time of a step."""
HEARTBEAT_SECONDS = 5.0
"""A run that works without news (upscaling, encoding) repeats its latest `Progress` this often, so that its client
does not take the engine for stalled."""


class Stage(Enum):
    """Where a picture is."""

    WAITING = auto()
    """For one of the engine's slots."""
    PAINTING = auto()
    """Its painter advances it, step by step."""
    AWAY = auto()
    """Another thread has it: the upscaler is being loaded, or the PNG written."""
    DONE = auto()
    FAILED = auto()


@dataclass(slots=True)
class ImageTask:
    """One picture. *painter* is its method, later perhaps the upscaler that finishes it; *state* belongs to that."""

    run: JobRun
    index: int
    painter: Painter
    state: State
    stage: Stage = Stage.WAITING
    turn: int = 0
    """When it was advanced last, in turns of the worker."""
    steps_done: int = 0
    """Of its method; a finishing upscale does not count."""
    finishing: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
    """The method's."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Phase → how long it took."""
    started: float = 0.0
    """When its first step began."""
    since: float = 0.0
    """When its present phase began."""
    snapshot_at: float = -1e9
    """When its last snapshot was ordered."""
    encoding: bool = False
    """A snapshot of it is being encoded."""
    error: DreamError | None = None
    memory: int = 0
    """Bytes that it took at most, its nets not counted; 0 where the device does not say."""
    needs: MemoryEstimate | None = None
    """What its method's steps take; nothing where that is not known."""
    nets: frozenset[str] = frozenset()
    """Keys of the nets that its latest step used, or its beginning before the first."""

    @property
    def expected(self) -> int:
        """Bytes that its next step is expected to take; 0 if nobody knows."""
        return self.needs.known(getattr(self.state, "memory_level", 0)) if self.needs and not self.finishing else 0

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it."""
        return self.stage in (Stage.DONE, Stage.FAILED)

    @property
    def terms(self) -> StepConditions | None:
        """On which its next step is to be run; None where that is free, as always but in a replay."""
        return self._script.at(self.state.step) if self._script.entries else None

    @property
    def _script(self) -> StepLog:
        script = self.run.script or ReplayPlan()
        return script.finish if self.finishing else script.steps

    def prepare(self) -> None:
        """In a replay, sets the conditions of the next step as they were the first time."""
        if (terms := self.terms) is None:
            return
        if hasattr(self.state, "bucket"):
            self.state.bucket = terms.bucket
        if hasattr(self.state, "memory_level"):
            self.state.memory_level = max(terms.memory_level, self.state.memory_level)
        if hasattr(self.state, "compiled"):
            self.state.compiled = terms.compiled

    def clock(self, phase: str) -> None:
        """What has passed since the last call was *phase*."""
        now = time.monotonic()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self.since
        self.since = now


@dataclass(slots=True, eq=False)
class JobRun:
    """One attempt at one job, from `Submit` to `Result` or `Failure`."""

    job: Job
    images: Mapping[str, bytes]
    script: ReplayPlan | None = None
    """What a replay follows."""
    only: frozenset[int] = frozenset()
    """Of many pictures, those that are wanted; empty = all."""
    closely: bool = False
    """Every step is shown, not only as many as an eye can follow."""
    quiet: bool = False
    """The engine's own warm-up: nobody is told."""
    tasks: list[ImageTask] = field(default_factory=list)
    """Empty while its nets are being loaded."""
    steps: int = 0
    """Of the method, for one picture."""
    source: Mapping[str, object] | None = None
    """The record of the picture that is enlarged."""
    notes: tuple[str, ...] = ()
    """Sentences for the person, about every picture."""
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    snapshots: dict[int, bytes] = field(default_factory=dict)
    """Encoded, not yet sent."""
    steps_taken: int = 0
    """Of all images, those of a finishing upscale too."""
    _sent_steps: int = 0
    _sent_at: float = -1e9
    _beat_at: float = -1e9
    _sent_step: float = 0.0
    _rate: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        """Job and attempt."""
        return self.job.id, self.job.attempt

    @property
    def pictures_left(self) -> int:
        """How many are not over yet."""
        if not self.tasks:
            return len(self.only) or self.job.request.count
        return sum(not p.is_over for p in self.tasks)

    @property
    def is_over(self) -> bool:
        """Every picture is done or has failed."""
        return bool(self.tasks) and all(p.is_over for p in self.tasks)

    def end(self) -> Result | Failure:
        """Its last word: a `Result` unless every picture has failed."""
        failed = [p for p in self.tasks if p.error]
        if len(failed) == len(self.tasks):
            error = failed[0].error
            assert error is not None
            return self.failure(error)
        notes = tuple(f"Picture {p.index + 1} of {self.job.request.count} failed: {p.error}" for p in failed)
        return Result(*self.key, len(self.tasks) - len(failed), self._all_seconds(), notes)

    def failure(self, error: DreamError) -> Failure:
        """The attempt as ended by *error*."""
        return Failure(*self.key, error.code, str(error))

    def progress(self) -> Progress | None:
        """The progress to send now, if any. Snapshots of one step travel together, so it waits for the last."""
        now, step = time.monotonic(), self._mean_step()
        news = self.snapshots or step > self._sent_step
        waits = any(p.encoding for p in self.tasks) and not self.closely
        if news and not waits and now - self._sent_at >= self._pause:
            self._measure(step, now)
            snapshots, self.snapshots = self.snapshots, {}
        elif self._works_silently(now):
            self._beat_at, snapshots = now, {}
        else:
            return None
        self._sent_steps = self.steps_taken
        return Progress(*self.key, int(step), self.steps, self._rate, snapshots)

    def _works_silently(self, now: float) -> bool:
        works = self.steps_taken > self._sent_steps or any(p.stage is Stage.AWAY for p in self.tasks)
        return works and now - max(self._sent_at, self._beat_at) >= HEARTBEAT_SECONDS

    def _all_seconds(self) -> dict[str, float]:
        """Phase → seconds, of pictures that are painted together those of the slowest."""
        seconds = dict(self.seconds)
        for task in self.tasks:
            for phase, value in task.seconds.items():
                seconds[phase] = max(value, seconds.get(phase, 0.0))
        return seconds | {"total": time.monotonic() - self.started}

    @property
    def _pause(self) -> float:
        if self.closely and self.snapshots:
            return 0.0
        return PROGRESS_SECONDS[0 if self.snapshots else 1]

    def _mean_step(self) -> float:
        return sum(p.steps_done for p in self.tasks) / len(self.tasks)

    def _measure(self, step: float, now: float) -> None:
        """Seconds per step of the whole job, smoothed: times the steps that are left it is the time that is left."""
        since = self._sent_at if self._sent_at > 0 else self.tasks[0].started
        if step > self._sent_step:
            rate = max(now - since, 0.0) / (step - self._sent_step)
            self._rate = rate if not self._rate else self._rate + SMOOTHING * (rate - self._rate)
            self._sent_step = step
        self._sent_at = now
