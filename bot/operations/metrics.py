"""What the bot has measured since its start: waits, steps, forecasts, edits, errors. Plain numbers; knows no HTTP.

`/engine` and the monitor (Prometheus) read the same figures.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.models.job import JobState, QueuePosition, Update

SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MINUTE = 60.0
LATELY = 200
"""So many of the last values make up what is said to be usual."""


@dataclass
class Tally:
    """Values sorted into buckets (upper bounds, the last one open), their sum, and the last of them."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    lately: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.lately.append(value)

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    @property
    def median(self) -> float | None:
        """Of the last ones; None before the first."""
        return sorted(self.lately)[len(self.lately) // 2] if self.lately else None


class Measures:
    """All figures. *clock* is unix seconds, *ticks* measures durations."""

    def __init__(self, clock: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._ticks = clock, ticks
        self.since = clock()
        self.ends: Counter[str] = Counter()
        """Jobs that have ended, by state."""
        self.waits = Tally(SECONDS)
        """Seconds from submission to hand-over."""
        self.lasted = Tally(SECONDS)
        """Seconds from hand-over to the end, of finished jobs."""
        self.steps = Tally(STEPS)
        """Seconds per step, once per message of the engine."""
        self.misses = Tally(SECONDS)
        """Seconds by which jobs ended beside the time that was held likely when they were submitted."""
        self.in_range = 0
        """How many of them ended within that range."""
        self.requests: Counter[str] = Counter()
        """Requests to Discord about messages, by what they did."""
        self.refusals: Counter[str] = Counter()
        """How such requests failed, by what can be done about it."""
        self.errors: Counter[str] = Counter()
        """Lines that were logged as errors, by logger."""
        self._promises: dict[str, QueuePosition] = {}
        self._started: set[tuple[str, int]] = set()
        self._recent: deque[float] = deque()

    def hear(self, update: Update) -> None:
        """Something has become of a job (subscribe this to the job service)."""
        job, key = update.job, (update.job.id, 1 if update.job.in_parts else update.job.attempt)
        if update.place is not None:
            self._promises.setdefault(job.id, update.place)
        if job.started_at is not None and key not in self._started and job.state is JobState.RUNNING:
            self._started.add(key)
            self.waits.add(max(0.0, job.started_at - job.created_at))
        if update.progress is not None and update.progress.seconds_per_step > 0:
            self.steps.add(update.progress.seconds_per_step)
        if job.state.over:
            self._ended(update)

    def sent(self, what: str, trouble: str = "") -> None:
        """One request to Discord about a message; *trouble* says how it failed."""
        self.requests[what] += 1
        self._recent.append(self._ticks())
        if trouble:
            self.refusals[trouble] += 1
        self.per_minute()

    def per_minute(self) -> int:
        """Requests about messages in the last minute."""
        while self._recent and self._recent[0] < self._ticks() - MINUTE:
            self._recent.popleft()
        return len(self._recent)

    def _ended(self, update: Update) -> None:
        job = update.job
        self.ends[job.state.value] += 1
        self._started -= {(job.id, attempt) for attempt in range(1, job.attempt + 1)}
        promised = self._promises.pop(job.id, None)
        if job.state is not JobState.DONE or job.finished_at is None or job.started_at is None:
            return
        if job.in_parts:  # which stands still for others, for as long as they like
            return
        self.lasted.add(max(0.0, job.finished_at - job.started_at))
        if promised is not None:
            self.misses.add(abs(job.finished_at - promised.ready))
            self.in_range += promised.earliest <= job.finished_at <= promised.latest


class ErrorCount(logging.Handler):
    """Counts what is logged as an error."""

    def __init__(self, measures: Measures) -> None:
        super().__init__(logging.ERROR)
        self._measures = measures

    def emit(self, record: logging.LogRecord) -> None:
        """One more."""
        self._measures.errors[record.name] += 1
