"""How a picture's steps were run, for a replay: in batches of what size, on how many threads, how thriftily, and by
compiled nets or not. No torch.

Sums are rounded otherwise in a batch of another size, on another number of threads, when they are taken in parts, or
by nets that are compiled; nothing else about a picture's neighbours, nor its place among them, leaves a trace. Pictures
join and leave, so each step has terms of its own; in the record they are rows `[bucket, threads, thrift, steps]`, one
for each stretch of steps with equal terms, and `[bucket, threads, thrift, steps, 1]` where the nets were compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LARGEST_BUCKET = 256
MOST_THREADS = 256
MOST_THRIFT = 16
MOST_STEPS = 4096
"""Of one course: more than any method takes, and than any finish has tiles."""
CORES = 32, 1024
"""A core's side in small pixels."""


class Terms(NamedTuple):
    """On which one step is run."""

    bucket: int = 1
    """Pictures in the batch, those counted that only fill it up."""
    threads: int = 0
    """Of the CPU; 0 = as it comes."""
    thrift: int = 0
    """How much memory is saved at the cost of time: see `engine.methods`."""
    compiled: bool = False
    """Whether the nets ran compiled: see `engine.runtime.compiler`."""


class Stretch(NamedTuple):
    """So many steps on the same terms."""

    terms: Terms
    steps: int


@dataclass(frozen=True, slots=True)
class Course:
    """The terms of each step, from the first on."""

    stretches: tuple[Stretch, ...] = ()

    @classmethod
    def steady(cls, terms: Terms) -> Course:
        """All steps on the same terms."""
        return cls((Stretch(terms, MOST_STEPS),))

    @property
    def steps(self) -> int:
        """How many it knows."""
        return sum(stretch.steps for stretch in self.stretches)

    @property
    def rows(self) -> list[list[int]]:
        """As JSON has it."""
        return [[*terms[:3], steps, *([1] if terms.compiled else [])] for terms, steps in self.stretches]

    def at(self, step: int) -> Terms:
        """The terms of that step, from 0; beyond its end those of the last one."""
        for stretch in self.stretches:
            if step < stretch.steps:
                return stretch.terms
            step -= stretch.steps
        return self.stretches[-1].terms if self.stretches else Terms()

    def then(self, terms: Terms) -> Course:
        """One step more."""
        if self.stretches and self.stretches[-1].terms == terms:
            return Course((*self.stretches[:-1], Stretch(terms, self.stretches[-1].steps + 1)))
        return Course((*self.stretches, Stretch(terms, 1)))

    def first(self, steps: int) -> Course:
        """Only so many of its steps."""
        kept, left = list[Stretch](), steps
        for stretch in self.stretches:
            if left > 0:
                kept.append(Stretch(stretch.terms, min(stretch.steps, left)))
            left -= stretch.steps
        return Course(tuple(kept))


@dataclass(frozen=True, slots=True)
class Script:
    """What a replay follows: the courses of the first time, and how large the tiles of the finish were."""

    steps: Course = field(default_factory=Course)
    finish: Course = field(default_factory=Course)
    core: int = 0
    """The side of a tile's core in small pixels; 0 = as it comes."""


def read_script(resolved: Mapping[str, Any]) -> Script:
    """What a record resolved, believed only where it is sensible; old ones know no more than one bucket for all."""
    core, bucket = resolved.get("upscaler_core"), resolved.get("bucket")
    steps = read_course(resolved.get("course"))
    if not steps.stretches:
        steps = Course.steady(Terms(_within(bucket, 1, LARGEST_BUCKET) or 1))
    return Script(steps, read_course(resolved.get("upscaler_course")), _within(core, *CORES))


def read_course(value: object) -> Course:
    """The course of such rows; an empty one for anything else, also if only one row of them is wrong."""
    if not isinstance(value, list) or len(value) > MOST_STEPS or not all(_is_row(row) for row in value):
        return Course()
    course = Course(tuple(Stretch(Terms(row[0], row[1], row[2], len(row) == 5), row[3]) for row in value))
    return course if course.steps <= MOST_STEPS else Course()


def _is_row(row: object) -> bool:
    """bucket, threads, thrift, steps, perhaps a 1: each within what there can be."""
    if not isinstance(row, list) or len(row) not in (4, 5):
        return False
    bounds = (1, LARGEST_BUCKET), (0, MOST_THREADS), (0, MOST_THRIFT), (1, MOST_STEPS), (1, 1)
    return all(type(n) is int and low <= n <= high for n, (low, high) in zip(row, bounds, strict=False))


def _within(value: object, low: int, high: int) -> int:
    """*value* if it is a whole number that may be; else 0."""
    return value if isinstance(value, int) and type(value) is int and low <= value <= high else 0
