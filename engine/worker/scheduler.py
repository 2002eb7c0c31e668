"""Which pictures take the next step together, and how that step survives lack of memory and broken neighbours.

When memory runs out: half as many at once, down to one; then nets leave that this step does not need; then the painter
makes the picture's step lighter (its `lighten`), as often as it can; and only then the picture fails, in words. What a
picture takes is measured where the device says it, and expected where it was rehearsed
(`engine.memory_planning.estimate`): no more are
advanced together than fit, and the others wait for their turn.

The one rule of order: whoever has waited longest goes next, and takes along whoever shares its lane. So lanes take
turns, and so do pictures of a lane that is too wide for the memory. One exception: where memory does not hold the nets
of all, whoever had to load its own again takes several steps with them, so that loading takes a small share of the
time. Knows no jobs, no threads, no wire.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.errors import DreamError, OutOfMemory
from engine.methods._base import Failed, Finished, State, Step
from engine.runtime.cpu_threads import Threads
from engine.runtime.error_boundary import Unexpected, guarded
from engine.runtime.runtime import SPARE, DeviceLost, Runtime
from engine.worker.job_state import Painter, Painting

if TYPE_CHECKING:
    from typing import TypeAlias

    Lane: TypeAlias = tuple[int, Hashable]


WORTH = 3.0
"""So many times as long as nets were loaded again steps are taken with them, before others come in their place."""


@runtime_checkable
class Lightens(Protocol):
    """A painter that can do with less memory, at the cost of time."""

    def lighten(self, state: State, runtime: Runtime) -> bool:
        """Make all further steps of *state* take less, and paint the same; False if that is not possible any more."""
        ...


class Lanes:
    """Advances groups of pictures. Remembers how many of a lane fit into memory, as long as the lane lives."""

    def __init__(self, runtime: Runtime, threads: Threads) -> None:
        self._runtime, self._threads = runtime, threads
        self._turn = 0
        self._widest: dict[Lane, int] = {}
        self._each: dict[Lane, int] = {}
        """Bytes that one picture of a lane takes while it is advanced."""
        self._short = False
        """Memory has run out in this step."""
        self._debt = 0.0
        """Seconds of steps that are to be taken with the nets that are here, before others come in their place."""

    def next_group(self, paintings: Iterable[Painting], under_way: Iterable[Painting] = ()) -> list[Painting]:
        """The pictures of the next step, all of one painter and lane; empty if there are none.

        *under_way*: others, which have no turn now; what is known about their lanes is kept, and so are their nets.
        """
        waiting = _by_turn(paintings)
        known = set(map(id, waiting))
        others = _by_turn(p for p in under_way if id(p) not in known)
        for painting in (*waiting, *others):
            painting.prepare()
        group = self._whose_nets_are_here(waiting, others) if waiting else []
        self.keep([*waiting, *others], group)
        if not group:
            return []
        lane = _lane(group[0])
        return group[: min(self._widest.get(lane, len(group)), self._fitting(lane, group[0].expected))]

    def _whose_nets_are_here(self, waiting: list[Painting], others: list[Painting]) -> list[Painting]:
        """All of the lane whose turn it is, or of one for which nothing has to be loaded while that would not pay."""
        crowd, first = waiting, waiting[0]
        if self._debt > 0 and not (here := self._runtime.nets.keys()) >= first.nets:
            first = next((p for p in (*waiting, *others) if here >= p.nets), first)
            crowd = waiting if any(p is first for p in waiting) else others
        return [p for p in crowd if _lane(p) == _lane(first)]

    def keep(self, everybody: Sequence[Painting], group: Sequence[Painting] = ()) -> None:
        """What is known of lanes, and the nets, of *everybody* under way; *group* is next."""
        for known in (self._widest, self._each) if everybody else ():
            for lane in known.keys() - set(map(_lane, everybody)):
                del known[lane]
        steps = [max(p.memory, p.expected) for p in everybody]
        largest = max(steps) if steps and all(steps) else 0
        coming = group[0].nets if group else frozenset()
        self._runtime.keep(frozenset().union(*(p.nets for p in everybody)), largest, coming)

    def advance(self, group: list[Painting]) -> list[Step]:
        """One step for each of *group*, answered in order. Raises DeviceLost."""
        self._turn += 1
        for painting in group:
            painting.turn = self._turn
        lane = _lane(group[0])
        terms = group[0].terms
        with (
            self._threads.step((lane, len(group)), terms.threads if terms else 0),
            self._runtime.peak() as peak,
            self._using(group),
        ):
            self._short = False
            steps = self._advance(group[0].painter, [p.state for p in group], lane)
        if not self._short:  # else what did not fit counts too
            self._note(lane, group, peak.bytes // len(group))
            _learn(group, steps)
        return steps

    @contextmanager
    def _using(self, group: list[Painting]) -> Iterator[None]:
        """Around a step: which nets it uses, and whether they were worth loading yet."""
        began = time.monotonic()
        with self._runtime.using() as use:
            yield
        worked = time.monotonic() - began - use.again
        self._debt = max(self._debt - worked, WORTH * use.again)
        for painting in group:
            painting.nets = frozenset(use.nets)

    def _fitting(self, lane: Lane, expected: int) -> int:
        """How many pictures of *lane* the memory has room for, at least one. What was measured goes before *expected*.

        Batches are filled up to a power of two, so that an expected step of three takes as much as one of four.
        """
        each = self._each.get(lane, 0) or expected
        if not each:
            return sys.maxsize
        room = max(int(self._runtime.free_memory() * SPARE) // each, 1)
        return room if lane in self._each else 1 << (room.bit_length() - 1)

    def _note(self, lane: Lane, group: list[Painting], each: int) -> None:
        if each:
            self._each[lane] = max(each, self._each.get(lane, 0))
        for painting in group:
            painting.memory = max(painting.memory, each)

    def _advance(self, painter: Painter, states: list[State], lane: Lane) -> list[Step]:
        """Together if it works; else in halves, down to those that fail alone."""
        began = time.monotonic()
        steps = guarded(_checked_advance, painter, states, self._runtime)
        if not isinstance(steps, DreamError):
            return steps
        if isinstance(steps, Unexpected) and not self._runtime.alive():
            raise DeviceLost("The device does not compute any more.")
        if isinstance(steps, OutOfMemory):
            self._short = True
            self._runtime.release()
            self._widest[lane] = max(min(self._widest.get(lane, len(states)), len(states) // 2), 1)
        if len(states) > 1:
            middle = (len(states) + 1) // 2
            return [*self._advance(painter, states[:middle], lane), *self._advance(painter, states[middle:], lane)]
        if isinstance(steps, OutOfMemory) and self._relieve(painter, states[0], began):
            return self._advance(painter, states, lane)
        return [Failed(steps)]

    def _relieve(self, painter: Painter, state: State, began: float) -> bool:
        """Whether the step that began then, and ran out of memory with *state* alone, is worth another try."""
        if self._runtime.shed(unused_since=began):
            return True
        return isinstance(painter, Lightens) and painter.lighten(state, self._runtime)


def _learn(group: list[Painting], steps: list[Step]) -> None:
    """A picture that is through tells what its kind takes."""
    for painting, step in zip(group, steps, strict=True):
        if isinstance(step, Finished) and painting.needs and painting.memory and not painting.finishing:
            painting.needs.learn(getattr(painting.state, "thrift", 0), painting.memory)


def _by_turn(paintings: Iterable[Painting]) -> list[Painting]:
    return sorted(paintings, key=lambda p: p.turn)


def _lane(painting: Painting) -> Lane:
    return id(painting.painter), painting.painter.lane(painting.state)


def _checked_advance(painter: Painter, states: list[State], runtime: Runtime) -> list[Step]:
    steps = painter.advance(states, runtime)
    if len(steps) != len(states):
        raise RuntimeError(f"{type(painter).__name__} answered {len(steps)} steps for {len(states)} pictures")
    return steps
