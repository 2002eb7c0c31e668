"""Chooses between one CPU thread and all cores by timing real steps.

It must be measured: on a busy machine two threads were 28 times slower than one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator

import torch

from engine.errors import InvalidRequest

WARM_UP = 1
"""Steps after a change of threads that are not timed."""
TRIALS = 2
"""Timed steps per number of threads."""
WORTH = 0.9
"""All cores are used if they bring the time of a step down to this share."""
COLLAPSE = 3.0
"""Two steps in a row that are this many times slower than the best end the use of all cores."""
AGAIN_SECONDS = 600.0
"""The choice is measured again after this time, because machines become busy and idle."""


AUTO = "auto"
MOST = 1024
"""Upper limit of `[engine] threads`."""


def use_threads(count: int) -> None:
    """Sets the number of threads that torch computes with when called from this thread."""
    torch.set_num_threads(count)
    torch.get_num_threads()  # otherwise the first computation would use what another thread sets later


class Threads:
    """*wanted* is a number, or "auto"; raises InvalidRequest for anything else.

    Must be used on one thread only: torch counts threads per thread.
    """

    def __init__(
        self,
        wanted: str,
        cores: int,
        *,
        apply: Callable[[int], None] = use_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        fixed = 0 if wanted == AUTO else _number(wanted)
        self._candidates = (fixed,) if fixed else (1, cores) if cores > 1 else (1,)
        self._apply, self._clock, self._cores = apply, clock, cores
        self.count = 0
        self._decided_at = clock()
        self._trial: _Trial | None = _Trial(self._candidates) if len(self._candidates) > 1 else None
        self._best: dict[Hashable, float] = {}
        self._slow = 0
        self._use(self._candidates[0])

    @contextlib.contextmanager
    def step(self, kind: Hashable, count: int = 0) -> Iterator[None]:
        """Around one step. Only steps of one *kind* (batch key and size) are compared with each other.

        *count*: the threads that a replay recorded; used if there are so many cores and the host fixed no number.
        """
        if 0 < count <= self._cores and len(self._candidates) > 1:
            with self._as_wanted(count):
                yield
            return
        if self._trial is None and len(self._candidates) > 1 and self._clock() - self._decided_at > AGAIN_SECONDS:
            self._trial = _Trial(self._candidates)
        if self._trial:
            self._use(self._trial.count(kind))
        started = self._clock()
        yield
        seconds = self._clock() - started
        if self._trial:
            self._take(self._trial, kind, seconds)
        else:
            self._watch(kind, seconds)

    @contextlib.contextmanager
    def _as_wanted(self, count: int) -> Iterator[None]:
        former = self.count
        self._use(count)
        try:
            yield
        finally:
            self._use(former)

    def _take(self, trial: _Trial, kind: Hashable, seconds: float) -> None:
        if (verdict := trial.add(kind, seconds)) is not None:
            self._trial, self._decided_at, self._slow = None, self._clock(), 0
            self._best.clear()
            self._use(verdict)

    def _watch(self, kind: Hashable, seconds: float) -> None:
        """Goes back to one thread when steps on all cores become much slower, because other programs need the cores."""
        best = self._best[kind] = min(self._best.get(kind, seconds), seconds)
        self._slow = self._slow + 1 if seconds > best * COLLAPSE else 0
        if self._slow >= 2 and self.count > 1 and len(self._candidates) > 1:
            self._decided_at, self._slow = self._clock(), 0
            self._use(1)

    def _use(self, count: int) -> None:
        if count != self.count:
            self.count = count
            self._apply(count)


def _number(wanted: str) -> int:
    if not wanted.isdecimal() or len(wanted) > 4 or not 1 <= int(wanted) <= MOST:
        raise InvalidRequest(
            f"“{wanted[:40]}” is no number of CPU threads: it must be from 1 to {MOST}, or {AUTO}, which finds out "
            "what is fastest."
        )
    return int(wanted)


class _Trial:
    """Times steps of each kind with one thread, then with all cores. The first kind that is done decides."""

    def __init__(self, candidates: tuple[int, ...]) -> None:
        self._candidates = candidates
        self._times: dict[Hashable, list[list[float]]] = {}

    def count(self, kind: Hashable) -> int:
        """The number of threads for the next step of *kind*."""
        return self._candidates[len(self._times.get(kind, [[]])) - 1]

    def add(self, kind: Hashable, seconds: float) -> int | None:
        """Records one step; returns the number of threads to use once it is known."""
        times = self._times.setdefault(kind, [[]])
        times[-1].append(seconds)
        if len(times[-1]) < WARM_UP + TRIALS:
            return None
        if len(times) < len(self._candidates):
            times.append([])
            return None
        few, many = (min(times[WARM_UP:]) for times in times)
        return self._candidates[1] if many < few * WORTH else self._candidates[0]
