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
"""Upper bound of the steps of a method and of the tiles of an upscale."""
CORES = 32, 1024
"""Smallest and largest side of a tile's core, in pixels before upscaling."""


class StepConditions(NamedTuple):
    """The conditions of one step."""

    bucket: int = 1
    """Batch size, padding included."""
    threads: int = 0
    """CPU threads; 0 = not fixed."""
    memory_level: int = 0
    """How far memory is saved at the cost of time: see `engine.methods`."""
    compiled: bool = False
    """Whether the networks were compiled: see `engine.runtime.compiler`."""


class LogEntry(NamedTuple):
    """A number of consecutive steps under equal conditions."""

    conditions: StepConditions
    steps: int


@dataclass(frozen=True, slots=True)
class StepLog:
    """The conditions of each step, first step first."""

    entries: tuple[LogEntry, ...] = ()

    @classmethod
    def uniform(cls, conditions: StepConditions) -> StepLog:
        """A log in which all steps have equal conditions."""
        return cls((LogEntry(conditions, MOST_STEPS),))

    @property
    def steps(self) -> int:
        """Number of recorded steps."""
        return sum(entry.steps for entry in self.entries)

    @property
    def rows(self) -> list[list[int]]:
        """The rows of the replay record."""
        return [[*c[:3], steps, *([1] if c.compiled else [])] for c, steps in self.entries]

    def at(self, step: int) -> StepConditions:
        """The conditions of *step*, from 0. Steps after the last one have its conditions."""
        for entry in self.entries:
            if step < entry.steps:
                return entry.conditions
            step -= entry.steps
        return self.entries[-1].conditions if self.entries else StepConditions()

    def appended(self, conditions: StepConditions) -> StepLog:
        """This log with one more step."""
        if self.entries and self.entries[-1].conditions == conditions:
            return StepLog((*self.entries[:-1], LogEntry(conditions, self.entries[-1].steps + 1)))
        return StepLog((*self.entries, LogEntry(conditions, 1)))

    def first(self, steps: int) -> StepLog:
        """The first *steps* steps of this log."""
        kept, left = list[LogEntry](), steps
        for entry in self.entries:
            if left > 0:
                kept.append(LogEntry(entry.conditions, min(entry.steps, left)))
            left -= entry.steps
        return StepLog(tuple(kept))


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay repeats: the conditions of the original steps and the tile size of the upscale."""

    steps: StepLog = field(default_factory=StepLog)
    finish: StepLog = field(default_factory=StepLog)
    core: int = 0
    """Side of a tile's core in pixels before upscaling; 0 = not fixed."""


def read_replay_plan(resolved: Mapping[str, Any]) -> ReplayPlan:
    """Read the replay plan of a record. Invalid values are ignored. Old records hold one bucket for all steps."""
    core, bucket = resolved.get("upscaler_core"), resolved.get("bucket")
    steps = read_step_log(resolved.get("course"))
    if not steps.entries:
        steps = StepLog.uniform(StepConditions(_within(bucket, 1, LARGEST_BUCKET) or 1))
    return ReplayPlan(steps, read_step_log(resolved.get("upscaler_course")), _within(core, *CORES))


def read_step_log(value: object) -> StepLog:
    """Parse the rows of a replay record. Returns an empty log if any row is invalid."""
    if not isinstance(value, list) or len(value) > MOST_STEPS or not all(_is_row(row) for row in value):
        return StepLog()
    log = StepLog(tuple(LogEntry(StepConditions(row[0], row[1], row[2], len(row) == 5), row[3]) for row in value))
    return log if log.steps <= MOST_STEPS else StepLog()


def _is_row(row: object) -> bool:
    """Whether *row* is [bucket, threads, memory level, steps] or that with a 1, each within its range."""
    if not isinstance(row, list) or len(row) not in (4, 5):
        return False
    bounds = (1, LARGEST_BUCKET), (0, MOST_THREADS), (0, MOST_MEMORY_LEVEL), (1, MOST_STEPS), (1, 1)
    return all(type(n) is int and low <= n <= high for n, (low, high) in zip(row, bounds, strict=False))


def _within(value: object, low: int, high: int) -> int:
    """*value* if it is an int in the range, else 0."""
    return value if isinstance(value, int) and type(value) is int and low <= value <= high else 0
