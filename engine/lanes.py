"""Which pictures take the next step together, and how that step survives lack of memory and broken neighbours.

The one rule of order: whoever has waited longest goes next, and takes along whoever shares its lane. So lanes take
turns, and so do pictures of a lane that is too wide for the memory. Knows no jobs, no threads, no wire.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from engine.attempts import Painter, Painting
from engine.border import Unexpected, guarded
from engine.errors import DreamError, OutOfMemory
from engine.runtime import DeviceLost, Runtime
from engine.steps import Failed, State, Step
from engine.threads import Threads

if TYPE_CHECKING:
    from typing import TypeAlias

    Lane: TypeAlias = tuple[int, Hashable]


class Lanes:
    """Advances groups of pictures. Remembers how many of a lane fit into memory, as long as the lane lives."""

    def __init__(self, runtime: Runtime, threads: Threads) -> None:
        self._runtime, self._threads = runtime, threads
        self._turn = 0
        self._widest: dict[Lane, int] = {}

    def next_group(self, paintings: Iterable[Painting]) -> list[Painting]:
        """The pictures of the next step, all of one painter and lane; empty if there are none."""
        waiting = sorted(paintings, key=lambda p: p.turn)
        if not waiting:
            return []
        lanes = [_lane(p) for p in waiting]
        group = [p for p, lane in zip(waiting, lanes, strict=True) if lane == lanes[0]]
        self._widest = {lane: most for lane, most in self._widest.items() if lane in lanes}
        return group[: self._widest.get(lanes[0], len(group))]

    def advance(self, group: list[Painting]) -> list[Step]:
        """One step for each of *group*, answered in order. Raises DeviceLost."""
        self._turn += 1
        for painting in group:
            painting.turn = self._turn
        lane = _lane(group[0])
        with self._threads.step((lane, len(group))):
            return self._advance(group[0].painter, [p.state for p in group], lane)

    def _advance(self, painter: Painter, states: list[State], lane: Lane) -> list[Step]:
        """Together if it works; else in halves, down to those that fail alone."""
        steps = guarded(_checked_advance, painter, states, self._runtime)
        if not isinstance(steps, DreamError):
            return steps
        if isinstance(steps, Unexpected) and not self._runtime.alive():
            raise DeviceLost("The device does not compute any more.")
        if isinstance(steps, OutOfMemory):
            self._runtime.release()
            self._widest[lane] = max(min(self._widest.get(lane, len(states)), len(states) // 2), 1)
        if len(states) > 1:
            middle = (len(states) + 1) // 2
            return [*self._advance(painter, states[:middle], lane), *self._advance(painter, states[middle:], lane)]
        if isinstance(steps, OutOfMemory) and self._runtime.shed():
            return self._advance(painter, states, lane)
        return [Failed(steps)]


def _lane(painting: Painting) -> Lane:
    return id(painting.painter), painting.painter.lane(painting.state)


def _checked_advance(painter: Painter, states: list[State], runtime: Runtime) -> list[Step]:
    steps = painter.advance(states, runtime)
    if len(steps) != len(states):
        raise RuntimeError(f"{type(painter).__name__} answered {len(steps)} steps for {len(states)} pictures")
    return steps
