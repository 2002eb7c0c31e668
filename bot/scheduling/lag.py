"""Finds workers that lag: they make progress, but several times slower than measured before.

A step counts as its duration over the duration expected for its work and its company on that device
(`ThroughputModel.stepped`). The median of the latest steps ignores single long ones, which load weights or compile.
Steps of other workers at that time are the yardstick if those are slow, too.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

LAGS = 3.0
"""A worker lags if its steps take this many times longer than expected …"""
LAG_SECONDS = 30.0
"""… for this long."""
FINE = 1.5
"""It has recovered once its steps take at most this many times longer."""
REST_SECONDS = 300.0
"""Without steps, it gets another chance after this time."""
STEPS = 16
"""The latest steps, of which a median is taken."""
_LEAST = 8
"""A median of fewer steps counts as 1."""
_RECENT_SECONDS = 60.0
"""Workers without a step for this time are no yardstick."""


@dataclass(slots=True)
class _Pace:
    """The latest steps of a worker. Times are seconds of a monotonic clock."""

    steps: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS))
    latest: float = 0.0
    slow_since: float | None = None
    lags_until: float | None = None
    times: float = 1.0
    """How many times longer its steps take than expected and than those of the others."""

    @property
    def median(self) -> float:
        return statistics.median(self.steps) if len(self.steps) >= _LEAST else 1.0


class LagWatch:
    """Which workers lag. *at*: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}

    def step(self, worker: str, longer: float, at: float) -> None:
        """A step of *worker* took *longer* (≥ 0) times as long as expected."""
        pace = self._paces.setdefault(worker, _Pace())
        pace.steps.append(longer)
        pace.latest = at
        pace.times = pace.median / self._yardstick(worker, at)
        if pace.lags_until is not None:
            pace.lags_until = None if pace.times <= FINE else at + REST_SECONDS
        elif pace.times < LAGS:
            pace.slow_since = None
        elif pace.slow_since is None:
            pace.slow_since = at
        elif at - pace.slow_since >= LAG_SECONDS:
            pace.lags_until = at + REST_SECONDS

    def forget(self, worker: str) -> None:
        """Judge *worker* anew: its process was replaced."""
        self._paces.pop(worker, None)

    def suspects(self, worker: str) -> bool:
        """Whether its speed says nothing about its device: it lags, or may do so."""
        pace = self._paces.get(worker)
        return pace is not None and (pace.slow_since is not None or pace.lags_until is not None)

    def lagging(self, at: float) -> Mapping[str, float]:
        """Worker that lags → how many times longer its steps take. A worker whose rest is over is judged anew."""
        for worker, pace in list(self._paces.items()):
            if pace.lags_until is not None and at >= pace.lags_until:
                self.forget(worker)
        return {worker: pace.times for worker, pace in self._paces.items() if pace.lags_until is not None}

    def _yardstick(self, worker: str, at: float) -> float:
        """The median of the other workers that made steps lately; at least 1."""
        others = [
            pace.median
            for name, pace in self._paces.items()
            if name != worker and at - pace.latest <= _RECENT_SECONDS and len(pace.steps) >= _LEAST
        ]
        return max(1.0, statistics.median(others)) if others else 1.0
