"""How long jobs take, learnt from those that ended: seconds per unit of cost, by kind of work. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from bot.models.comparison import Asked, Comparison
from engine.protocol.messages import Request
from engine.requests.request import DreamRequest

Key: TypeAlias = tuple[str, str, str]
"""(kind, model or upscaler, method)."""
_MEMORY = 0.25
"""Weight of the newest observation once there are several."""
_SPREAD = 1.3
"""A range spans this many deviations to either side: about 80 % of a normal distribution."""
_LEAST = math.log(1.1)
_ONCE = math.log(1.6)
_UNKNOWN = math.log(2.5)
"""Deviations (of the logarithm): even a steady machine is not exact to 10 %; one measurement says something; of work
that was never seen we know little.
"""
_GUESS = 3.0
"""Seconds per unit before anything has been measured: a small CPU."""


@dataclass(frozen=True, slots=True)
class DurationRange:
    """A range of seconds."""

    low: float
    likely: float
    high: float


@dataclass(slots=True)
class _Rate:
    """Running mean and variance of the logarithm of seconds per unit; logarithms, for rates scatter by factors."""

    mean: float
    variance: float = _ONCE**2
    seen: int = 1

    def learn(self, value: float) -> None:
        self.seen += 1
        weight = max(_MEMORY, 1 / self.seen)
        error = value - self.mean
        self.mean += weight * error
        self.variance = (1 - weight) * (self.variance + weight * error**2)


def speed_key(request: Request) -> Key:
    """Work that takes about as long per unit of cost."""
    if isinstance(request, DreamRequest):
        return request.kind, request.model, request.method
    return request.kind, request.upscaler, ""


class DurationModel:
    """What has been measured so far."""

    def __init__(self) -> None:
        self._rates: dict[Key, _Rate] = {}

    def learn(self, request: Asked, seconds: float) -> None:
        """A job of this request took so long from hand-over to its end."""
        if seconds <= 0 or request.cost <= 0 or isinstance(request, Comparison):
            return
        value = math.log(seconds / request.cost)
        rate = self._rates.get(speed_key(request))
        if rate is None:
            self._rates[speed_key(request)] = _Rate(value)
        else:
            rate.learn(value)

    def expect(self, request: Asked) -> DurationRange:
        """How long this request will take; of a comparison all its ways, one after the other."""
        if isinstance(request, Comparison):
            spans = [self.expect(way.request) for way in request.ways]
            return DurationRange(sum(s.low for s in spans), sum(s.likely for s in spans), sum(s.high for s in spans))
        rate = self._rates.get(speed_key(request)) or self._similar(request)
        deviation = _SPREAD * max(math.sqrt(rate.variance), _LEAST)
        likely = request.cost * math.exp(rate.mean)
        return DurationRange(likely / math.exp(deviation), likely, likely * math.exp(deviation))

    def _similar(self, request: Request) -> _Rate:
        """For work that was never seen: the mean of the same kind of work, else a guess."""
        means = [rate.mean for key, rate in self._rates.items() if key[0] == request.kind]
        return _Rate(sum(means) / len(means) if means else math.log(_GUESS), _UNKNOWN**2)
