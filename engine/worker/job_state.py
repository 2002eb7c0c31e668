"""The runs in progress: a job attempt (`JobRun`), its images (`ImageTask`), and who takes the next free slot."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from engine.errors import DreamError
from engine.methods import Method, State
from engine.protocol.messages import Failure, Job, Progress, Result
from engine.protocol.replay_record import ReplayPlan, StepConditions, StepLog
from engine.requests.request import DreamRequest
from engine.upscalers import Upscaler

if TYPE_CHECKING:
    from engine.memory_planning.plan import MemoryEstimate

Painter = Method[Any] | Upscaler[Any]

SNAPSHOT_SECONDS = 0.4
"""Minimum seconds between two previews of one image."""
PROGRESS_SECONDS = 0.3, 1.0
"""Minimum seconds between two `Progress` events of a job: with previews, without."""
SMOOTHING = 0.3
"""Weight of the newest step in the moving average of seconds per step."""
HEARTBEAT_SECONDS = 5.0
"""Seconds between repeats of the latest `Progress` while a run upscales or encodes. Without them, the client would
consider the engine stalled."""


class Stage(Enum):
    WAITING = auto()
    """Waits for a slot."""
    PAINTING = auto()
    """Takes steps."""
    AWAY = auto()
    """Another thread loads its upscaler or encodes its PNG."""
    DONE = auto()
    FAILED = auto()


@dataclass(slots=True)
class ImageTask:
    """One image. *painter* is its method, then the upscaler that finishes it; *state* is that painter's state."""

    run: JobRun
    index: int
    painter: Painter
    state: State
    stage: Stage = Stage.WAITING
    batch: tuple[int, Hashable] | None = None
    """Batch key of its next step, as of the latest choice of the scheduler."""
    turn: int = 0
    """Number of the scheduler's step in which it was advanced last."""
    steps_done: int = 0
    """Steps of its method, without those of a finishing upscale."""
    finishing: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
    """The facts that its method returned."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Phase → seconds."""
    started: float = 0.0
    """Monotonic time of its first step."""
    since: float = 0.0
    """Monotonic time at which the current phase began."""
    snapshot_at: float = -1e9
    """Monotonic time of its latest preview."""
    encoding: bool = False
    """A preview is being encoded."""
    error: DreamError | None = None
    memory: int = 0
    """Peak bytes without the models; 0 if the device does not measure them."""
    needs: MemoryEstimate | None = None
    """Memory estimate of its method's steps, if known."""
    nets: frozenset[str] = frozenset()
    """Keys of the models that its latest step used; before the first step, those that `begin` used."""

    @property
    def expected(self) -> int:
        """Estimated bytes of its next step; 0 if unknown."""
        return self.needs.known(getattr(self.state, "memory_level", 0)) if self.needs and not self.finishing else 0

    @property
    def is_over(self) -> bool:
        return self.stage in (Stage.DONE, Stage.FAILED)

    @property
    def conditions(self) -> StepConditions | None:
        """Conditions of its next step in a replay; otherwise None."""
        return self._log.at(self.state.step) if self._log.entries else None

    @property
    def _log(self) -> StepLog:
        replay_plan = self.run.replay_plan or ReplayPlan()
        return replay_plan.finish if self.finishing else replay_plan.steps

    def prepare(self) -> None:
        """In a replay, sets the recorded conditions for the next step."""
        if (conditions := self.conditions) is None:
            return
        if hasattr(self.state, "bucket"):
            self.state.bucket = conditions.bucket
        if hasattr(self.state, "memory_level"):
            self.state.memory_level = max(conditions.memory_level, self.state.memory_level)
        if hasattr(self.state, "compiled"):
            self.state.compiled = conditions.compiled

    def clock(self, phase: str) -> None:
        """Adds the time since the previous call to *phase*."""
        now = time.monotonic()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self.since
        self.since = now


@dataclass(slots=True, eq=False)
class JobRun:
    """One attempt at one job, from `Submit` to `Result` or `Failure`."""

    job: Job
    images: Mapping[str, bytes]
    replay_plan: ReplayPlan | None = None
    only: frozenset[int] = frozenset()
    """Indices of the images to paint; empty = all."""
    closely: bool = False
    """Sends a preview of every step."""
    quiet: bool = False
    """The engine's warm-up: sends no events."""
    tasks: list[ImageTask] = field(default_factory=list)
    """Empty while its models are loaded."""
    steps: int = 0
    """Steps of the method per image."""
    source: Mapping[str, object] | None = None
    """Replay record of the image to upscale."""
    notes: tuple[str, ...] = ()
    """Sentences for the user, about every image."""
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    snapshots: dict[int, bytes] = field(default_factory=dict)
    """Image index → encoded preview that has not been sent."""
    steps_taken: int = 0
    """Steps of all images, including finishing upscales."""
    _sent_steps: int = 0
    _sent_at: float = -1e9
    _beat_at: float = -1e9
    _sent_step: float = 0.0
    _rate: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        return self.job.id, self.job.attempt

    @property
    def pictures_left(self) -> int:
        """Images that have neither finished nor failed."""
        if not self.tasks:
            return len(self.only) or self.job.request.count
        return sum(not p.is_over for p in self.tasks)

    @property
    def is_over(self) -> bool:
        return bool(self.tasks) and all(p.is_over for p in self.tasks)

    def end(self) -> Result | Failure:
        """`Result`, or the `Failure` of the first image if every image failed."""
        failed = [p for p in self.tasks if p.error]
        if len(failed) == len(self.tasks):
            error = failed[0].error
            assert error is not None
            return self.failure(error)
        notes = tuple(f"Picture {p.index + 1} of {self.job.request.count} failed: {p.error}" for p in failed)
        seconds = dict(self.seconds)  # phase → seconds of the slowest image
        for task in self.tasks:
            for phase, value in task.seconds.items():
                seconds[phase] = max(value, seconds.get(phase, 0.0))
        seconds["total"] = time.monotonic() - self.started
        return Result(*self.key, len(self.tasks) - len(failed), seconds, notes)

    def failure(self, error: DreamError) -> Failure:
        return Failure(*self.key, error.code, str(error))

    def progress(self) -> Progress | None:
        """The progress to send now, or None. Waits for all previews of a step, because they are sent together."""
        now, step = time.monotonic(), sum(p.steps_done for p in self.tasks) / len(self.tasks)
        news = self.snapshots or step > self._sent_step
        waits = any(p.encoding for p in self.tasks) and not self.closely
        pause = 0.0 if self.closely and self.snapshots else PROGRESS_SECONDS[0 if self.snapshots else 1]
        works = self.steps_taken > self._sent_steps or any(p.stage is Stage.AWAY for p in self.tasks)
        if news and not waits and now - self._sent_at >= pause:
            self._measure(step, now)
            snapshots, self.snapshots = self.snapshots, {}
        elif works and now - max(self.started, self._sent_at, self._beat_at) >= HEARTBEAT_SECONDS:
            self._beat_at, snapshots = now, {}
        else:
            return None
        self._sent_steps = self.steps_taken
        return Progress(*self.key, int(step), self.steps, self._rate, snapshots)

    def _measure(self, step: float, now: float) -> None:
        """Updates the moving average of seconds per step of the whole job."""
        since = self._sent_at if self._sent_at > 0 else self.tasks[0].started
        if step > self._sent_step:
            rate = max(now - since, 0.0) / (step - self._sent_step)
            self._rate = rate if not self._rate else self._rate + SMOOTHING * (rate - self._rate)
            self._sent_step = step
        self._sent_at = now


UNDER_WAY = (Stage.PAINTING, Stage.AWAY)
BACKGROUND_TURNS = 8
"""Background images take one step for this many steps of other images."""


class JobTable:
    """At most *slots* images are in progress; the others wait. One attempt per job."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._runs: dict[str, JobRun] = {}
        self._turns = 0

    def __iter__(self) -> Iterator[JobRun]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: JobRun) -> None:
        self._runs[run.job.id] = run

    def remove(self, job_id: str) -> None:
        self._runs.pop(job_id, None)

    def clear(self) -> None:
        self._runs.clear()

    def find(self, job_id: str) -> JobRun | None:
        return self._runs.get(job_id)

    def has(self, run: JobRun) -> bool:
        """Whether *run* is still the current attempt. Results of other threads may arrive after it ended."""
        return self._runs.get(run.job.id) is run

    def in_progress(self) -> Iterator[ImageTask]:
        """Images that can take a step."""
        return (p for run in self._runs.values() for p in run.tasks if p.stage is Stage.PAINTING)

    def eligible(self) -> list[ImageTask]:
        """The images eligible for the next step: background images only every `BACKGROUND_TURNS` steps."""
        everything = list(self.in_progress())
        front = [task for task in everything if not task.run.job.background]
        if not front or len(front) == len(everything):
            return everything
        self._turns += 1
        behind = [task for task in everything if task.run.job.background]
        return front if self._turns % BACKGROUND_TURNS else behind

    def used_names(self) -> set[str]:
        """Names of the models and adapters of all jobs."""
        requests = [run.job.request for run in self._runs.values() if isinstance(run.job.request, DreamRequest)]
        adapters = (one.name for request in requests for one in getattr(request.options, "adapters", ()))
        return {*(request.model for request in requests), *adapters}

    @property
    def free(self) -> int:
        """Slots left when every waiting image has one."""
        taken = sum(a.pictures_left for a in self._runs.values() if not (a.quiet or a.job.background))
        return max(self.slots - taken, 0)

    def fill_slots(self) -> None:
        """Gives each free slot to the run that has the fewest, so that a large job does not shut out others.

        Background runs have separate slots.
        """
        for background in (False, True):
            runs = [run for run in self._runs.values() if run.job.background is background]
            for _ in range(self.slots - sum(map(_under_way, runs))):
                waiting = [run for run in runs if any(p.stage is Stage.WAITING for p in run.tasks)]
                if not waiting:
                    break
                task = next(p for p in min(waiting, key=_under_way).tasks if p.stage is Stage.WAITING)
                task.stage = Stage.PAINTING
                task.started = task.since = time.monotonic()


def _under_way(run: JobRun) -> int:
    return sum(p.stage in UNDER_WAY for p in run.tasks)
