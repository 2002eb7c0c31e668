"""Corrects forecast waits by the outcome of earlier forecasts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from bot.models.job import QueuePosition

_GROUPS = (1, 2, 4, 8, 16)
"""Groups by the number of jobs ahead: upper bounds; the rest is one more group."""
_MEMORY = 0.08
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
        self.mean += _MEMORY * error
        self.variance = (1 - _MEMORY) * (self.variance + _MEMORY * error**2)


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
