"""How long jobs take: seconds per unit of cost by kind of work, learnt from finished jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from engine.protocol.messages import Request
from engine.requests.request import DreamRequest

Kind: TypeAlias = tuple[str, str, str]
"""(request kind, model or upscaler, method): work that takes about as long per unit of cost."""
_MEMORY = 0.25
"""Weight of the newest observation once there are several."""
_SPREAD = 1.3
"""A range spans this many standard deviations to either side: about 80 % of a normal distribution."""
_LEAST = math.log(1.1)
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
        weight = max(_MEMORY, 1 / self.seen)
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
        likely, factor = math.exp(rate.mean), math.exp(_SPREAD * max(math.sqrt(rate.variance), _LEAST))
        found = self._per_unit[kind] = DurationRange(likely / factor, likely, likely * factor)
        return found

    def _similar(self, kind: Kind) -> _Rate:
        """The mean of the same request kind, else the prior."""
        means = [rate.mean for known, rate in self._rates.items() if known[0] == kind[0]]
        return _Rate(sum(means) / len(means) if means else math.log(_GUESS), _UNKNOWN**2)
