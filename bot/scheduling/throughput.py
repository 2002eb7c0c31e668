"""Throughput model of concurrent jobs: k images at a time take k**`together` times as long as one.

Jobs on one worker share its time: in every round each of them takes one step. The model learns how long each kind of
work takes alone (`DurationModel`), how much rendering together saves (`together`; 1 saves nothing), and how much slower
each device is than the first one. `EtaCorrection` corrects forecast waits by the outcome of earlier forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bot.models.job import JobRequest, QueuePosition, parts_of
from engine.protocol.messages import Request
from engine.requests.request import ClipDiffusionOptions, DreamRequest

Kind: TypeAlias = tuple[str, str, str]
"""(request kind, model or upscaler, method): work that takes about as long per unit of cost."""
_NEWEST = 0.25
"""Weight of the newest observation once there are several."""
_SPREAD = 1.3
"""A range spans this many standard deviations to either side: about 80 % of a normal distribution."""
_KNOWN = math.log(1.1)
_ONCE = math.log(1.6)
_UNKNOWN = math.log(2.5)
"""Standard deviations of the logarithm: the smallest, after one observation, and without any."""
_SEVERAL = 3
_GUESS = 3.0
"""Seconds per unit before any observation: a small CPU."""


@dataclass(frozen=True, slots=True)
class DurationRange:
    low: float
    likely: float
    high: float


@dataclass(slots=True)
class _Rate:
    """Running mean and variance of log(seconds per unit); logarithms, because rates scatter by factors."""

    mean: float
    variance: float = _ONCE**2
    seen: int = 1

    def learn(self, value: float) -> None:
        self.seen += 1
        weight = max(_NEWEST, 1 / self.seen)
        error = value - self.mean
        self.mean += weight * error
        self.variance = (1 - weight) * (self.variance + weight * error**2)


def kind_of(request: Request) -> Kind:
    if isinstance(request, DreamRequest):
        return request.kind, request.model, request.method
    return request.kind, request.upscaler, ""


class DurationModel:
    """Learns seconds per unit. *version* changes whenever an expectation may have changed."""

    def __init__(self) -> None:
        self.version = 0
        self._rates: dict[Kind, _Rate] = {}
        self._per_unit: dict[Kind, DurationRange] = {}
        self._devices: dict[str, _Rate] = {}
        """Device → log of its slowness. The first device is the reference and stays at 0."""

    def knows(self, kind: Kind, device: str) -> bool:
        """Whether several observations of that kind and on *device* agree."""
        rate, known = self._rates.get(kind), self._devices.get(device)
        agree = rate is not None and rate.seen >= _SEVERAL and rate.variance <= _ONCE**2
        return agree and known is not None and (known.seen >= _SEVERAL or next(iter(self._devices)) == device)

    def slow(self, device: str) -> float:
        """How many times longer a step takes on *device* than on the first one; 1 for an unknown one."""
        rate = self._devices.get(device)
        return 1.0 if rate is None else math.exp(rate.mean)

    def learn(self, cost: tuple[Kind, float], seconds: float, device: str = "") -> None:
        """Work of that kind and of so many units took *seconds* alone on *device* (empty: not known)."""
        kind, units = cost
        if seconds <= 0 or units <= 0:
            return
        value = self._without_device(kind, math.log(seconds / units), device)
        if (rate := self._rates.get(kind)) is None:
            self._rates[kind] = _Rate(value)
        else:
            rate.learn(value)
        self._per_unit.clear()
        self.version += 1

    def _without_device(self, kind: Kind, value: float, device: str) -> float:
        """What *value*, a log of seconds per unit, would have been on the first device."""
        if not device:
            return value
        if device not in self._devices:
            self._devices[device] = _Rate(0.0, seen=0)
        if next(iter(self._devices)) == device:
            return value
        own = self._devices[device]
        if (rate := self._rates.get(kind)) is not None:
            own.learn(value - rate.mean)
        return value - own.mean

    def expect(self, costs: Sequence[tuple[Kind, float]]) -> DurationRange:
        """Duration on the first device of parts that run one after the other, each (kind, units)."""
        low = likely = high = 0.0
        for kind, units in costs:
            rate = self._per_unit.get(kind) or self._seconds_per_unit(kind)
            low += rate.low * units
            likely += rate.likely * units
            high += rate.high * units
        return DurationRange(low, likely, high)

    def _seconds_per_unit(self, kind: Kind) -> DurationRange:
        """Of a kind without observations: the mean of the same request kind, else the prior."""
        rate = self._rates.get(kind)
        if rate is None:
            means = [rate.mean for known, rate in self._rates.items() if known[0] == kind[0]]
            rate = _Rate(sum(means) / len(means) if means else math.log(_GUESS), _UNKNOWN**2)
        likely, factor = math.exp(rate.mean), math.exp(_SPREAD * max(math.sqrt(rate.variance), _KNOWN))
        found = self._per_unit[kind] = DurationRange(likely / factor, likely, likely * factor)
        return found


TOGETHER = 0.9
"""Prior of `together`: a CPU saves little."""
_LEAST, _MOST = 0.3, 1.1
_TILES = 4
"""Assumed steps of an upscale; the real number depends on the upscaler."""
_MEMORY = 0.05
"""Weight of the newest job in the mean and variance of the crowd."""
_RATE = 0.1
_TRUST = (0.4, 2.5)
"""Bounds of the factor by which a running job may differ from its expected duration."""
_NEARLY = 0.02
"""Smallest share of a running job that is assumed to be left."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a job costs, priced once. *costs*: (kind of work, units) of its parts, which run one after the other."""

    costs: tuple[tuple[Kind, float], ...]
    rounds: float
    pictures: int = 1

    @classmethod
    def of(cls, request: JobRequest, missing: Collection[int] | None = None) -> Workload:
        """The workload of a request, or of its pictures *missing* (indices) only."""
        parts = parts_of(request)
        if len(parts) > 1:
            left = [part for part in parts if missing is None or part.first in missing]
            costs = tuple((kind_of(part.request), part.cost) for part in left)
            return cls(costs, sum(_rounds(part.request) for part in left) or 1.0)
        whole, share = parts[0].request, 1.0 if missing is None else min(len(missing) / request.count, 1.0)
        return cls(((kind_of(whole), whole.cost * share),), _rounds(whole), whole.count)


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What a job still takes. *alone*: seconds without other jobs; *rounds* in which it takes a step."""

    alone: DurationRange
    rounds: float
    pictures: int = 1

    def times(self, slow: float) -> RemainingWork:
        """The same on a device whose steps take *slow* times as long."""
        if slow == 1.0:
            return self
        alone = DurationRange(self.alone.low * slow, self.alone.likely * slow, self.alone.high * slow)
        return RemainingWork(alone, self.rounds, self.pictures)


@dataclass(frozen=True, slots=True)
class PastJob:
    """A finished job: its start and end in seconds, and who rendered it; empty = not known."""

    id: str
    load: Workload
    began: float
    ended: float
    worker: str = ""
    device: str = ""


@dataclass(slots=True)
class _JobProgress:
    load: Workload
    work: RemainingWork
    device: str = ""
    expected: float = 0.0
    """Rounds that should be done by now."""
    present: float = 0.0
    crowd: float = 0.0
    """Seconds, and the integral over them of the logarithm of the pictures rendered together."""
    reported: tuple[float, float] = 0.0, 0.0
    """Rounds that were done at the latest progress, and those that should have been."""


@dataclass(slots=True)
class _WorkerJobs:
    """The jobs of one worker."""

    running: dict[str, _JobProgress] = field(default_factory=dict)
    until: float = 0.0

    def advance(self, at: float, together: float) -> None:
        seconds, self.until = max(0.0, at - self.until), at
        if not self.running or not seconds:
            return
        running = self.running.values()
        pictures = sum(job.work.pictures for job in running)
        rounds = seconds / round_seconds(
            [job.work.alone.likely / job.work.rounds for job in running], pictures, together
        )
        for job in running:
            job.expected += rounds
            job.present += seconds
            job.crowd += seconds * math.log(pictures)


@dataclass(slots=True)
class ThroughputModel:
    """The jobs on the workers. It learns from every job that finishes. Times are seconds of a monotonic clock."""

    durations: DurationModel = field(default_factory=DurationModel)
    together: float = TOGETHER
    _workers: dict[str, _WorkerJobs] = field(default_factory=dict)
    _where: dict[str, _WorkerJobs] = field(default_factory=dict)
    _mean: float = math.log(2)
    _variance: float = 0.25

    def started(self, job_id: str, load: Workload, at: float, worker: str = "", device: str = "") -> None:
        """That worker renders the job from now on, on *device*."""
        worker_jobs = self._where[job_id] = self._workers.setdefault(worker, _WorkerJobs())
        worker_jobs.advance(at, self.together)
        worker_jobs.running[job_id] = _JobProgress(load, self.work(load).times(self.durations.slow(device)), device)

    def stepped(self, job_id: str, painted: float, at: float, jobs: int) -> float | None:
        """Duration since the last call over the expected one; None if unknown, or unless all *jobs* there are known."""
        worker_jobs = self._where.get(job_id)
        if worker_jobs is None or len(worker_jobs.running) != jobs:
            return None
        worker_jobs.advance(at, self.together)
        job = worker_jobs.running[job_id]
        (then, due), job.reported = job.reported, (painted * job.work.rounds, job.expected)
        done = job.reported[0] - then
        known = all(self.durations.knows(kind, job.device) for kind, _ in job.load.costs)
        return (job.expected - due) / done if known and then > 0 and done > 0 else None

    def stopped(self, job_id: str, at: float, *, finished: bool) -> None:
        """The engine renders the job no more; a *finished* one teaches the duration of its kind of work."""
        if (worker_jobs := self._where.pop(job_id, None)) is None:
            return
        worker_jobs.advance(at, self.together)
        job = worker_jobs.running.pop(job_id)
        if finished and job.expected > 0:
            self._learn(job)

    def replay(self, past: Iterable[PastJob]) -> None:
        """Learn from finished jobs of the previous run."""
        happened: list[tuple[float, bool, PastJob]] = []
        for job in past:
            happened += [(job.began, False, job), (job.ended, True, job)]
        for at, over, job in sorted(happened, key=lambda one: one[:2]):
            if over:
                self.stopped(job.id, at, finished=True)
            else:
                self.started(job.id, job.load, at, job.worker, job.device)
        self._workers.clear()

    def work(self, load: Workload) -> RemainingWork:
        """What that workload takes from start to end, on the first device."""
        return RemainingWork(self.durations.expect(load.costs), load.rounds, load.pictures)

    def left(self, job_id: str, painted: float, at: float) -> RemainingWork | None:
        """What a running job still takes on its device after the share *painted* (0…1); None for one that does not run.

        Its speed so far is the best predictor of its further speed.
        """
        if (worker_jobs := self._where.get(job_id)) is None:
            return None
        worker_jobs.advance(at, self.together)
        job = worker_jobs.running[job_id]
        whole, done = job.work, painted * job.work.rounds
        low, high = _TRUST
        if painted > 0:
            factor, rest = min(max(job.expected / done, low), high), max(1 - painted, _NEARLY)
            likely = whole.alone.likely * rest * factor
            return RemainingWork(
                DurationRange(likely * 0.85, likely, likely * 1.3), whole.rounds * rest, whole.pictures
            )
        rest = max(_NEARLY, 1 - job.expected / whole.rounds)
        alone = DurationRange(whole.alone.low * rest, whole.alone.likely * rest, whole.alone.high * max(rest, 0.3))
        return RemainingWork(alone, whole.rounds * rest, whole.pictures)

    def _learn(self, job: _JobProgress) -> None:
        if len(job.load.costs) == 1:
            seconds = job.work.alone.likely * job.expected / job.work.rounds
            self.durations.learn(job.load.costs[0], seconds, job.device)
        if job.present <= 0:
            return
        crowd, slower = job.crowd / job.present, math.log(job.expected / job.work.rounds)
        away = crowd - self._mean
        self._mean += _MEMORY * away
        self._variance += _MEMORY * (away**2 - self._variance)
        step = _RATE * min(max(slower, -1.0), 1.0) * away / (self._variance + 0.25)
        self.together = min(max(self.together + step, _LEAST), _MOST)


def round_seconds(steps: Sequence[float], pictures: int, together: float) -> float:
    """Duration of one round: one step of every job, whose *steps* take so many seconds alone."""
    return float(sum(steps) * pictures ** (together - 1))


def _rounds(request: Request) -> float:
    """Number of rounds in which a request is rendered."""
    if not isinstance(request, DreamRequest):
        return _TILES
    skipped = request.options.skip_steps if isinstance(request.options, ClipDiffusionOptions) else 0
    return max(1, request.options.steps - skipped)


_GROUPS = (1, 2, 4, 8, 16)
"""Groups by the number of jobs ahead: upper bounds; the rest is one more group."""
_DELAY_MEMORY = 0.08
_WIDE = 1.3
"""Standard deviations to either side: about 80 % of a normal distribution."""
_SHORTEST = 1.0
"""Seconds; shorter waits are ignored."""


@dataclass(slots=True)
class _Late:
    """Mean and variance of log(actual wait / forecast wait)."""

    mean: float = 0.0
    variance: float = 0.15**2

    def learn(self, value: float) -> None:
        error = value - self.mean
        self.mean += _DELAY_MEMORY * error
        self.variance = (1 - _DELAY_MEMORY) * (self.variance + _DELAY_MEMORY * error**2)


@dataclass(slots=True)
class EtaCorrection:
    """Corrects positions by the outcome of earlier forecasts. Times are unix seconds."""

    _groups: dict[int, _Late] = field(default_factory=dict)
    _foretold: dict[str, tuple[float, QueuePosition]] = field(default_factory=dict)

    def foretell(self, job_id: str, place: QueuePosition, now: float) -> None:
        """Remember the first, uncorrected forecast of a job."""
        if place.starts - now >= _SHORTEST and not place.held:
            self._foretold.setdefault(job_id, (now, place))

    def forget(self, *job_ids: str) -> None:
        """Drop forecasts of jobs that ended before their start or were held."""
        for job_id in job_ids:
            self._foretold.pop(job_id, None)

    def starts(self, job_id: str, now: float) -> None:
        asked, place = self._foretold.pop(job_id, (now, None))
        if place is not None:
            late = math.log(max(now - asked, _SHORTEST) / (place.starts - asked))
            self._late(place).learn(min(max(late, -1.5), 1.5))

    def corrected(self, place: QueuePosition, now: float) -> QueuePosition:
        """*place* with its wait scaled by the learnt error, and its range widened by the spread of that error.

        A job that need not wait keeps its forecast.
        """
        wait, rest = place.starts - now, place.ready - now
        if wait <= 0 or rest <= 0:
            return place
        late = self._late(place)
        unsure = _WIDE * math.sqrt(late.variance) * wait / rest
        early = math.hypot(math.log(rest / max(place.earliest - now, rest / 100)), unsure)
        tardy = math.hypot(math.log(max(place.latest - now, rest) / rest), unsure)
        more = wait * (math.exp(late.mean) - 1)
        return replace(
            place,
            starts=place.starts + more,
            earliest=now + (rest + more) * math.exp(-early),
            ready=place.ready + more,
            latest=now + (rest + more) * math.exp(tardy),
        )

    def _late(self, place: QueuePosition) -> _Late:
        group = sum(place.position - 1 >= limit for limit in _GROUPS)
        return self._groups.setdefault(group, _Late())
