"""Counters and histograms of one process: jobs, steps, forecasts, requests to Discord, errors.

Prometheus reads the registry; `/engine` shows medians and totals of the same values.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from bot.models.job import JobState, QueuePosition, Update

SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
LAGS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MINUTE = 60.0
RECENT = 200
"""Values of which a median is taken."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Timing:
    """A histogram that remembers the last `RECENT` values. *bounds* are upper bounds of buckets, in seconds."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._histogram = Histogram(f"dreambot_{name}", text, registry=registry, buckets=bounds)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self._histogram.observe(seconds)
        self._recent.append(seconds)
        self.count += 1
        self.total += seconds

    @property
    def median(self) -> float | None:
        """Of the recent values; None before the first."""
        return sorted(self._recent)[len(self._recent) // 2] if self._recent else None


class Metrics:
    """All counters and histograms. *clock* is unix seconds, *ticks* measures durations."""

    def __init__(self, clock: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self.since = clock()
        self.registry = registry = CollectorRegistry(auto_describe=False)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"dreambot_{name}", text, labels, registry=registry)

        self.ended = counter("jobs_ended", "Ended jobs, by state.", "state")
        self.waits = Timing("job_wait_seconds", "From submission to start.", SECONDS, registry)
        self.durations = Timing("job_duration_seconds", "From start to end, of finished jobs.", SECONDS, registry)
        self.steps = Timing("step_seconds", "One step of a picture.", STEPS, registry)
        self.loop_lags = Timing("loop_lag_seconds", "Delay of the event loop, ten times a second.", LAGS, registry)
        self.misses = Timing("eta_error_seconds", "Between the end and the forecast end.", SECONDS, registry)
        self.in_range = counter("eta_in_range", "Jobs that ended within the forecast range.")
        self.requests = counter("discord_requests", "Requests about messages, by kind.", "kind")
        self.refusals = counter("discord_refusals", "Failures of such requests.", "trouble")
        self.errors = counter("errors_logged", "Logged errors, by logger.", "logger")
        self._forecasts: dict[str, QueuePosition] = {}
        self._started: set[tuple[str, int]] = set()
        self._requested: deque[float] = deque()

    def hear(self, update: Update) -> None:
        job, key = update.job, (update.job.id, 1 if update.job.in_parts else update.job.attempt)
        if update.place is not None:
            self._forecasts.setdefault(job.id, update.place)
        if job.started_at is not None and key not in self._started and job.state is JobState.RUNNING:
            self._started.add(key)
            self.waits.add(max(0.0, job.started_at - job.created_at))
        if update.progress is not None and update.progress.seconds_per_step > 0:
            self.steps.add(update.progress.seconds_per_step)
        if job.state.over:
            self._ended(update)

    def sent(self, kind: str, trouble: str = "") -> None:
        """Count one request to Discord about a message; *trouble* says how it failed."""
        self.requests.labels(kind).inc()
        self._requested.append(self._ticks())
        if trouble:
            self.refusals.labels(trouble).inc()
        self.per_minute()

    def per_minute(self) -> int:
        """Requests about messages in the last minute."""
        while self._requested and self._requested[0] < self._ticks() - MINUTE:
            self._requested.popleft()
        return len(self._requested)

    def _ended(self, update: Update) -> None:
        job = update.job
        self.ended.labels(job.state.value).inc()
        self._started -= {(job.id, attempt) for attempt in range(1, job.attempt + 1)}
        forecast = self._forecasts.pop(job.id, None)
        if job.state is not JobState.DONE or job.finished_at is None or job.started_at is None:
            return
        if job.in_parts:  # it pauses for other jobs, for any length of time
            return
        self.durations.add(max(0.0, job.finished_at - job.started_at))
        if forecast is not None:
            self.misses.add(abs(job.finished_at - forecast.ready))
            self.in_range.inc(forecast.earliest <= job.finished_at <= forecast.latest)


def totals(counter: Counter) -> dict[str, int]:
    """Value of the counter's label → count; the label is empty for a counter without labels."""
    [family] = counter.collect()
    samples = (sample for sample in family.samples if sample.name.endswith("_total"))
    return {next(iter(sample.labels.values()), ""): int(sample.value) for sample in samples}


class ErrorCount(logging.Handler):
    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.ERROR)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        self._metrics.errors.labels(record.name).inc()
