"""Chooses which images take the next step together, and handles lack of memory and failing neighbours.

When memory runs out, a step is retried with half the batch, down to one image. Then models that the step does not need
are evicted; then the image's memory level is raised, as often as its method allows; then the image fails. The memory of
an image is measured where the device reports it, and estimated otherwise (`engine.memory_planning.plan`): a batch
holds no more images than fit.

Order: the image that has waited longest goes next, together with all that share its batch key. One exception: where
memory does not hold the models of all images, images whose models were just loaded again take several steps, so that
loading takes a small share of the time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.errors import DreamError, OutOfMemory
from engine.methods import Failed, Finished, State, Step
from engine.runtime.device import allow_any_kernel
from engine.runtime.runtime import SPARE, DeviceLost, Runtime, Unexpected, catch
from engine.runtime.tuning import Threads
from engine.worker.job_state import ImageTask, Painter

if TYPE_CHECKING:
    from typing import TypeAlias

    BatchKey: TypeAlias = tuple[int, Hashable]


_TURN = attrgetter("turn")
WORTH = 3.0
"""Reloaded models take steps for this many times their loading time before other models replace them."""


@runtime_checkable
class ReducesMemory(Protocol):
    """A method or upscaler whose steps can take less memory and more time."""

    def reduce_memory(self, state: State, runtime: Runtime) -> bool:
        """Raises the memory level of *state* without changing its image. Returns False at the highest level."""
        ...


class StepScheduler:
    """Advances groups of images. Remembers the largest batch per batch key while the key is in use."""

    def __init__(self, runtime: Runtime, threads: Threads) -> None:
        self._runtime, self._threads = runtime, threads
        self._turn = 0
        self._widest: dict[BatchKey, int] = {}
        self._each: dict[BatchKey, int] = {}
        """Batch key → bytes that one image takes during a step."""
        self._short = False
        """Memory ran out during this step."""
        self._debt = 0.0
        """Seconds of steps that the loaded models still run before other models replace them."""

    def next_group(self, tasks: Iterable[ImageTask], under_way: Iterable[ImageTask] = ()) -> list[ImageTask]:
        """Images of the next step, all with one batch key; empty if no image can take a step.

        *under_way*: every image in progress. Their models and measured sizes are kept.
        """
        waiting = sorted(tasks, key=_TURN)
        known = set(map(id, waiting))
        others = sorted((p for p in under_way if id(p) not in known), key=_TURN)
        everything = [*waiting, *others]
        for task in everything:
            task.prepare()
            task.batch = _batch_key(task)
        if not waiting:
            self.keep(everything)
            return []
        crowd, first = waiting, waiting[0]
        if self._debt > 0 and not (here := self._runtime.cache.sizes.keys()) >= first.nets:
            first = next((p for p in everything if here >= p.nets), first)  # loaded models keep running for a while
            crowd = waiting if any(p is first for p in waiting) else others
        key = _batch_key(first)
        group = [p for p in crowd if p.batch == key]
        self.keep(everything, group)
        return group[: min(self._widest.get(key, len(group)), self._fitting(key, group[0].expected))]

    def keep(self, tasks: Sequence[ImageTask], group: Sequence[ImageTask] = ()) -> None:
        """Keeps the models and measured sizes of all *tasks* and drops the rest. *group* takes the next step."""
        if self._widest or self._each:
            present = {task.batch or _batch_key(task) for task in tasks}
            for known in (self._widest, self._each):
                for key in known.keys() - present if tasks else ():
                    del known[key]
        steps = [max(p.memory, p.expected) for p in tasks]
        largest = max(steps) if steps and all(steps) else 0
        coming = group[0].nets if group else frozenset()
        self._runtime.cache.keep(frozenset().union(*(p.nets for p in tasks)), largest, coming)

    def advance(self, group: list[ImageTask]) -> list[Step]:
        """Takes one step for each image of *group*; returns the results in order. Raises DeviceLost."""
        self._turn += 1
        for task in group:
            task.turn = self._turn
        key = _batch_key(group[0])
        conditions = group[0].conditions
        with (
            self._threads.step((key, len(group)), conditions.threads if conditions else 0),
            self._runtime.hardware.peak() as peak,
            self._using(group),
        ):
            self._short = False
            steps = self._advance(group[0].painter, [p.state for p in group], key)
        if not self._short:  # otherwise the peak includes the failed allocation
            self._learn(key, group, steps, peak.bytes // len(group))
        return steps

    @contextmanager
    def _using(self, group: list[ImageTask]) -> Iterator[None]:
        """Records the models that a step uses, and charges their reload time against its duration."""
        began = time.monotonic()
        with self._runtime.cache.lease() as lease:
            yield
        worked = time.monotonic() - began - lease.reload_seconds
        self._debt = max(self._debt - worked, WORTH * lease.reload_seconds)
        for task in group:
            task.nets = frozenset(lease.keys)

    def _fitting(self, key: BatchKey, expected: int) -> int:
        """How many images of *key* memory has room for, at least one. Measured bytes go before *expected* ones.

        Off the CPU batches are filled up to a power of two, so an expected step of three takes as much as one of four.
        """
        each = self._each.get(key, 0) or expected
        if not each:
            return sys.maxsize
        room = max(int(self._runtime.free_memory() * SPARE) // each, 1)
        filled_up = key not in self._each and self._runtime.device.type != "cpu"
        return 1 << (room.bit_length() - 1) if filled_up else room

    def _learn(self, key: BatchKey, group: list[ImageTask], steps: list[Step], each: int) -> None:
        """A step took *each* bytes per image (0: not measured); a finished image teaches the estimate of its kind."""
        if each:
            self._each[key] = max(each, self._each.get(key, 0))
        for task, step in zip(group, steps, strict=True):
            task.memory = max(task.memory, each)
            if isinstance(step, Finished) and task.needs and task.memory and not task.finishing:
                task.needs.learn(getattr(task.state, "memory_level", 0), task.memory)

    def _advance(self, painter: Painter, states: list[State], key: BatchKey) -> list[Step]:
        """Steps the whole batch. After an error, halves it until only the failing images remain."""
        began = time.monotonic()
        steps = catch(_checked_advance, painter, states, self._runtime)
        if not isinstance(steps, DreamError):
            return steps
        if isinstance(steps, Unexpected) and not self._runtime.hardware.alive():
            raise DeviceLost("The device stopped computing.")
        if isinstance(steps, OutOfMemory):
            self._short = True
            self._runtime.hardware.release()
            self._widest[key] = max(min(self._widest.get(key, len(states)), len(states) // 2), 1)
        if len(states) > 1:
            middle = (len(states) + 1) // 2
            return [*self._advance(painter, states[:middle], key), *self._advance(painter, states[middle:], key)]
        if isinstance(steps, OutOfMemory) and (
            self._runtime.cache.shed(unused_since=began)
            or (isinstance(painter, ReducesMemory) and painter.reduce_memory(states[0], self._runtime))
        ):
            return self._advance(painter, states, key)
        return [Failed(steps)]


def _batch_key(task: ImageTask) -> BatchKey:
    return id(task.painter), task.painter.batch_key(task.state)


def _checked_advance(painter: Painter, states: list[State], runtime: Runtime) -> list[Step]:
    try:
        steps = painter.advance(states, runtime)
    except RuntimeError as error:
        if not allow_any_kernel(error):
            raise
        steps = painter.advance(states, runtime)
    if len(steps) != len(states):
        raise RuntimeError(f"{type(painter).__name__} answered {len(steps)} steps for {len(states)} pictures")
    return steps
