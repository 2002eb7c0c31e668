"""How much later than foretold people's turns come, because others come and overtake them. Learnt as it happens. Pure.

The forecast plays the queue as it is; under the fair order whoever has had little goes before whoever has had much,
even if they come later. How often that happens depends on the hour and on how long the line is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from bot.models.job import QueuePosition

_GROUPS = (1, 2, 4, 8, 16)
"""Jobs with fewer than so many ahead are looked at together; the rest is a group too."""
_MEMORY = 0.08
_WIDE = 1.3
"""Deviations to either side: about 80 % of a normal distribution."""
_SHORTEST = 1.0
"""Seconds; a wait that was to be shorter is no wait."""


@dataclass(slots=True)
class _Late:
    """Mean and variance of the logarithm of (the wait that was / the wait that was foretold)."""

    mean: float = 0.0
    variance: float = 0.15**2

    def learn(self, value: float) -> None:
        error = value - self.mean
        self.mean += _MEMORY * error
        self.variance = (1 - _MEMORY) * (self.variance + _MEMORY * error**2)


@dataclass(slots=True)
class EtaCorrection:
    """Corrects places by what has come of earlier ones. Times are unix seconds."""

    _groups: dict[int, _Late] = field(default_factory=dict)
    _foretold: dict[str, tuple[float, QueuePosition]] = field(default_factory=dict)

    def foretell(self, job_id: str, place: QueuePosition, now: float) -> None:
        """This is what the forecast said first about a job, uncorrected."""
        if place.starts - now >= _SHORTEST and not place.held:
            self._foretold.setdefault(job_id, (now, place))

    def forget(self, *job_ids: str) -> None:
        """Nothing can be learnt from these: they ended before their turn, or were held back."""
        for job_id in job_ids:
            self._foretold.pop(job_id, None)

    def starts(self, job_id: str, now: float) -> None:
        """Its turn has come."""
        asked, place = self._foretold.pop(job_id, (now, None))
        if place is not None:
            late = math.log(max(now - asked, _SHORTEST) / (place.starts - asked))
            self._late(place).learn(min(max(late, -1.5), 1.5))

    def corrected(self, place: QueuePosition, now: float) -> QueuePosition:
        """The place as it will rather be."""
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
