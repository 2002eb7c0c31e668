"""How each step of an image was run, so that a replay repeats it: batch size, CPU threads, memory level, compilation.

Floating-point results depend on these, and on nothing else about the images in the same batch. Images join and leave
batches, so every step records its own conditions. The replay record holds rows `[bucket, threads, memory level,
steps]`, one for each run of steps under equal conditions, with a fifth element 1 where the networks were compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LARGEST_BUCKET = 256
MOST_THREADS = 256
MOST_MEMORY_LEVEL = 16
MOST_STEPS = 4096
"""Of one course: more than any method takes, and than any finish has tiles."""
CORES = 32, 1024
"""A core's side in small pixels."""


class StepConditions(NamedTuple):
    """On which one step is run."""

    bucket: int = 1
    """Pictures in the batch, those counted that only fill it up."""
    threads: int = 0
    """Of the CPU; 0 = as it comes."""
    memory_level: int = 0
    """How much memory is saved at the cost of time: see `engine.methods`."""
    compiled: bool = False
    """Whether the nets ran compiled: see `engine.runtime.compiler`."""


class LogEntry(NamedTuple):
    """So many steps on the same terms."""

    terms: StepConditions
    steps: int


@dataclass(frozen=True, slots=True)
class StepLog:
    """The terms of each step, from the first on."""

    entries: tuple[LogEntry, ...] = ()

    @classmethod
    def steady(cls, terms: StepConditions) -> StepLog:
        """All steps on the same terms."""
        return cls((LogEntry(terms, MOST_STEPS),))

    @property
    def steps(self) -> int:
        """How many it knows."""
        return sum(stretch.steps for stretch in self.entries)

    @property
    def rows(self) -> list[list[int]]:
        """As JSON has it."""
        return [[*terms[:3], steps, *([1] if terms.compiled else [])] for terms, steps in self.entries]

    def at(self, step: int) -> StepConditions:
        """The terms of that step, from 0; beyond its end those of the last one."""
        for stretch in self.entries:
            if step < stretch.steps:
                return stretch.terms
            step -= stretch.steps
        return self.entries[-1].terms if self.entries else StepConditions()

    def then(self, terms: StepConditions) -> StepLog:
        """One step more."""
        if self.entries and self.entries[-1].terms == terms:
            return StepLog((*self.entries[:-1], LogEntry(terms, self.entries[-1].steps + 1)))
        return StepLog((*self.entries, LogEntry(terms, 1)))

    def first(self, steps: int) -> StepLog:
        """Only so many of its steps."""
        kept, left = list[LogEntry](), steps
        for stretch in self.entries:
            if left > 0:
                kept.append(LogEntry(stretch.terms, min(stretch.steps, left)))
            left -= stretch.steps
        return StepLog(tuple(kept))


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay follows: the courses of the first time, and how large the tiles of the finish were."""

    steps: StepLog = field(default_factory=StepLog)
    finish: StepLog = field(default_factory=StepLog)
    core: int = 0
    """The side of a tile's core in small pixels; 0 = as it comes."""


def read_replay_plan(resolved: Mapping[str, Any]) -> ReplayPlan:
    """What a record resolved, believed only where it is sensible; old ones know no more than one bucket for all."""
    core, bucket = resolved.get("upscaler_core"), resolved.get("bucket")
    steps = read_step_log(resolved.get("course"))
    if not steps.entries:
        steps = StepLog.steady(StepConditions(_within(bucket, 1, LARGEST_BUCKET) or 1))
    return ReplayPlan(steps, read_step_log(resolved.get("upscaler_course")), _within(core, *CORES))


def read_step_log(value: object) -> StepLog:
    """The course of such rows; an empty one for anything else, also if only one row of them is wrong."""
    if not isinstance(value, list) or len(value) > MOST_STEPS or not all(_is_row(row) for row in value):
        return StepLog()
    course = StepLog(tuple(LogEntry(StepConditions(row[0], row[1], row[2], len(row) == 5), row[3]) for row in value))
    return course if course.steps <= MOST_STEPS else StepLog()


def _is_row(row: object) -> bool:
    """Whether *row* is [bucket, threads, memory level, steps] or that with a 1, each within its range."""
    if not isinstance(row, list) or len(row) not in (4, 5):
        return False
    bounds = (1, LARGEST_BUCKET), (0, MOST_THREADS), (0, MOST_MEMORY_LEVEL), (1, MOST_STEPS), (1, 1)
    return all(type(n) is int and low <= n <= high for n, (low, high) in zip(row, bounds, strict=False))


def _within(value: object, low: int, high: int) -> int:
    """*value* if it is a whole number that may be; else 0."""
    return value if isinstance(value, int) and type(value) is int and low <= value <= high else 0
