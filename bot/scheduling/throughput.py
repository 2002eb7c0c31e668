"""Throughput model of concurrent jobs: k images at a time take k**`together` times as long as one.

Jobs in the engine share its time: in every round each of them takes one step. The model learns how long each kind of
work takes alone (`DurationModel`) and how much rendering together saves (`together`; 1 saves nothing).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bot.models.job import JobRequest, parts_of
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

    def learn(self, cost: tuple[Kind, float], seconds: float) -> None:
        """Work of that kind and of so many units took *seconds* alone."""
        kind, units = cost
        if seconds <= 0 or units <= 0:
            return
        value = math.log(seconds / units)
        if (rate := self._rates.get(kind)) is None:
            self._rates[kind] = _Rate(value)
        else:
            rate.learn(value)
        self._per_unit.clear()
        self.version += 1

    def expect(self, costs: Sequence[tuple[Kind, float]]) -> DurationRange:
        """Duration of parts that run one after the other, each (kind, units)."""
        low = likely = high = 0.0
        for kind, units in costs:
            rate = self._per_unit.get(kind) or self._seconds_per_unit(kind)
            low += rate.low * units
            likely += rate.likely * units
            high += rate.high * units
        return DurationRange(low, likely, high)

    def _seconds_per_unit(self, kind: Kind) -> DurationRange:
        rate = self._rates.get(kind) or self._similar(kind)
        likely, factor = math.exp(rate.mean), math.exp(_SPREAD * max(math.sqrt(rate.variance), _KNOWN))
        found = self._per_unit[kind] = DurationRange(likely / factor, likely, likely * factor)
        return found

    def _similar(self, kind: Kind) -> _Rate:
        """The mean of the same request kind, else the prior."""
        means = [rate.mean for known, rate in self._rates.items() if known[0] == kind[0]]
        return _Rate(sum(means) / len(means) if means else math.log(_GUESS), _UNKNOWN**2)


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
            left = [part.request for part in parts if missing is None or part.first in missing]
            return cls(tuple((kind_of(one), one.cost) for one in left), sum(map(_rounds, left)) or 1.0)
        whole, share = parts[0].request, 1.0 if missing is None else min(len(missing) / request.count, 1.0)
        return cls(((kind_of(whole), whole.cost * share),), _rounds(whole), whole.count)


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What a job still takes. *alone*: seconds without other jobs; *rounds* in which it takes a step."""

    alone: DurationRange
    rounds: float
    pictures: int = 1


@dataclass(slots=True)
class _Member:
    load: Workload
    work: RemainingWork
    expected: float = 0.0
    """Rounds that should be done by now."""
    present: float = 0.0
    crowd: float = 0.0
    """Seconds, and the integral over them of the logarithm of the pictures rendered together."""


@dataclass(slots=True)
class ThroughputModel:
    """The jobs in the engine. It learns from every job that finishes. Times are seconds of a monotonic clock."""

    durations: DurationModel = field(default_factory=DurationModel)
    together: float = TOGETHER
    _members: dict[str, _Member] = field(default_factory=dict)
    _until: float = 0.0
    _mean: float = math.log(2)
    _variance: float = 0.25

    def started(self, job_id: str, load: Workload, at: float) -> None:
        """The engine renders the job from now on."""
        self._advance(at)
        self._members[job_id] = _Member(load, self.work(load))

    def stopped(self, job_id: str, at: float, *, finished: bool) -> None:
        """The engine renders the job no more; a *finished* one teaches the duration of its kind of work."""
        self._advance(at)
        member = self._members.pop(job_id, None)
        if member is not None and finished and member.expected > 0:
            self._learn(member)

    def replay(self, past: Iterable[tuple[str, Workload, float, float]]) -> None:
        """Learn from finished jobs of the previous run: id, workload, start, end."""
        happened: list[tuple[float, bool, str, Workload]] = []
        for job_id, load, began, ended in past:
            happened += [(began, False, job_id, load), (ended, True, job_id, load)]
        for at, over, job_id, load in sorted(happened, key=lambda one: one[:2]):
            if over:
                self.stopped(job_id, at, finished=True)
            else:
                self.started(job_id, load, at)

    def work(self, load: Workload) -> RemainingWork:
        """What that workload takes from start to end."""
        return RemainingWork(self.durations.expect(load.costs), load.rounds, load.pictures)

    def left(self, job_id: str, painted: float, at: float) -> RemainingWork | None:
        """What a running job still takes after the share *painted* (0…1); None for a job that does not run.

        Its speed so far is the best predictor of its further speed.
        """
        self._advance(at)
        member = self._members.get(job_id)
        if member is None:
            return None
        whole, done = member.work, painted * member.work.rounds
        low, high = _TRUST
        if painted > 0:
            factor, rest = min(max(member.expected / done, low), high), max(1 - painted, _NEARLY)
            likely = whole.alone.likely * rest * factor
            return RemainingWork(
                DurationRange(likely * 0.85, likely, likely * 1.3), whole.rounds * rest, whole.pictures
            )
        rest = max(_NEARLY, 1 - member.expected / whole.rounds)
        alone = DurationRange(whole.alone.low * rest, whole.alone.likely * rest, whole.alone.high * max(rest, 0.3))
        return RemainingWork(alone, whole.rounds * rest, whole.pictures)

    def _advance(self, at: float) -> None:
        seconds, self._until = max(0.0, at - self._until), at
        if not self._members:
            return
        members = self._members.values()
        pictures = sum(member.work.pictures for member in members)
        rounds = seconds / round_seconds(
            [member.work.alone.likely / member.work.rounds for member in members], pictures, self.together
        )
        for member in members:
            member.expected += rounds
            member.present += seconds
            member.crowd += seconds * math.log(pictures)

    def _learn(self, member: _Member) -> None:
        if len(member.load.costs) == 1:
            self.durations.learn(member.load.costs[0], member.work.alone.likely * member.expected / member.work.rounds)
        if member.present <= 0:
            return
        crowd, slower = member.crowd / member.present, math.log(member.expected / member.work.rounds)
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
