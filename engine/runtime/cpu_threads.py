"""How many CPU threads torch uses: one or all cores, whichever a few real steps show to be faster.

It must be measured: on a machine that is busy with something else, two threads were 28 times slower than one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator

import torch

from engine.errors import InvalidRequest

WARM_UP = 1
"""Steps after a change that are not counted."""
TRIALS = 2
"""Steps per number of threads that are."""
WORTH = 0.9
"""More threads must at least bring the time down to this share."""
COLLAPSE = 3.0
"""A step so many times slower than its best is no accident when it happens twice."""
AGAIN_SECONDS = 600.0
"""A verdict holds so long; machines become busy and idle."""


AUTO = "auto"
MOST = 1024
"""Threads that may be asked for, as in `[engine] threads`."""


def use_threads(count: int) -> None:
    """torch computes with so many threads when it is called from this one."""
    torch.set_num_threads(count)
    torch.get_num_threads()  # without this the first computation would take over what another thread has set since


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
        """Around one step. Only steps of one *kind* (lane and number of pictures) are compared with each other.

        *count*: a replay wants so many threads, and gets them where there are so many cores and nobody has chosen.
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
        """Many threads that collapse (others need the cores now) become one."""
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
    """Steps of each kind, first with few threads, then with many; the first kind that is through decides."""

    def __init__(self, candidates: tuple[int, ...]) -> None:
        self._candidates = candidates
        self._times: dict[Hashable, list[list[float]]] = {}

    def count(self, kind: Hashable) -> int:
        """Threads for the next step of that kind."""
        return self._candidates[len(self._times.get(kind, [[]])) - 1]

    def add(self, kind: Hashable, seconds: float) -> int | None:
        """Note one step; the number of threads to keep, once that is known."""
        times = self._times.setdefault(kind, [[]])
        times[-1].append(seconds)
        if len(times[-1]) < WARM_UP + TRIALS:
            return None
        if len(times) < len(self._candidates):
            times.append([])
            return None
        few, many = (min(times[WARM_UP:]) for times in times)
        return self._candidates[1] if many < few * WORTH else self._candidates[0]
