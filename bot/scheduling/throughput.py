"""Jobs in the engine share its time: in every round each takes one step, so how long one takes depends on the others.

What is learnt is how long each would take alone, and how much is saved by painting together: k pictures at a time take
k to the power `together` as long as one, which is 1 where nothing is saved. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.models.comparison import Asked, Comparison
from bot.scheduling.durations import DurationModel, DurationRange
from engine.requests.request import ClipDiffusionOptions, DreamRequest

TOGETHER = 0.9
"""Before anything is known: a CPU saves little."""
_LEAST, _MOST = 0.3, 1.1
_TILES = 4
"""Steps of an upscale; a guess, for it depends on the upscaler."""
_MEMORY = 0.05
_RATE = 0.1
_TRUST = (0.4, 2.5)
"""By how much a job may differ from what was expected of it, as far as one believes it."""


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What a job still takes. *alone*: seconds if nothing else is painted; *rounds* in which it takes a step."""

    alone: DurationRange
    rounds: float
    pictures: int = 1


@dataclass(slots=True)
class _Member:
    request: Asked
    work: RemainingWork
    expected: float = 0.0
    """Rounds that should have been painted by now."""
    present: float = 0.0
    crowd: float = 0.0
    """Seconds; and the sum over them of the logarithm of the pictures that were painted together."""


@dataclass(slots=True)
class ThroughputModel:
    """Who is in the engine; learns from everybody who leaves it finished. Times are seconds of any one clock."""

    durations: DurationModel = field(default_factory=DurationModel)
    together: float = TOGETHER
    _members: dict[str, _Member] = field(default_factory=dict)
    _until: float = 0.0
    _mean: float = math.log(2)
    _variance: float = 0.25

    def started(self, job_id: str, request: Asked, at: float) -> None:
        """From now on it is painted."""
        self._go_on(at)
        self._members[job_id] = _Member(request, self.work(request))

    def stopped(self, job_id: str, at: float, *, finished: bool) -> None:
        """It is not painted any more; what is *finished* teaches how long such work takes."""
        self._go_on(at)
        member = self._members.pop(job_id, None)
        if member is not None and finished and member.expected > 0:
            self._learn(member)

    def replay(self, past: Iterable[tuple[str, Asked, float, float]]) -> None:
        """Learn from finished jobs of an earlier life: id, request, when each began and ended."""
        happened: list[tuple[float, bool, str, Asked]] = []
        for job_id, request, began, ended in past:
            happened += [(began, False, job_id, request), (ended, True, job_id, request)]
        for at, over, job_id, request in sorted(happened, key=lambda one: one[:2]):
            if over:
                self.stopped(job_id, at, finished=True)
            else:
                self.started(job_id, request, at)

    def work(self, request: Asked, share: float = 1.0) -> RemainingWork:
        """What that request takes from beginning to end, or a *share* of it."""
        whole = self.durations.expect(request)
        alone = DurationRange(whole.low * share, whole.likely * share, whole.high * share)
        return RemainingWork(alone, rounds_of(request), 1 if isinstance(request, Comparison) else request.count)

    def left(self, job_id: str, painted: float, at: float) -> RemainingWork | None:
        """What a member still takes, of which the part *painted* (0…1) is there; None for who is none.

        How fast it has been so far is the best witness of how fast it will be.
        """
        self._go_on(at)
        member = self._members.get(job_id)
        if member is None:
            return None
        whole, done = member.work, painted * member.work.rounds
        low, high = _TRUST
        if painted > 0:
            factor, rest = min(max(member.expected / done, low), high), 1 - painted
            likely = whole.alone.likely * rest * factor
            return RemainingWork(
                DurationRange(likely * 0.85, likely, likely * 1.3), whole.rounds * rest, whole.pictures
            )
        rest = max(0.02, 1 - member.expected / whole.rounds)
        alone = DurationRange(whole.alone.low * rest, whole.alone.likely * rest, whole.alone.high * max(rest, 0.3))
        return RemainingWork(alone, max(whole.rounds * rest, 0.02), whole.pictures)

    def _go_on(self, at: float) -> None:
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
        alone = member.work.alone.likely * member.expected / member.work.rounds
        self.durations.learn(member.request, alone)
        if member.present <= 0:
            return
        crowd, slower = member.crowd / member.present, math.log(member.expected / member.work.rounds)
        away = crowd - self._mean
        self._mean += _MEMORY * away
        self._variance += _MEMORY * (away**2 - self._variance)
        step = _RATE * min(max(slower, -1.0), 1.0) * away / (self._variance + 0.25)
        self.together = min(max(self.together + step, _LEAST), _MOST)


def round_seconds(steps: list[float], pictures: int, together: float) -> float:
    """One round: a step of everybody, whose *steps* take so many seconds alone."""
    return float(sum(steps) * pictures ** (together - 1))


def rounds_of(request: Asked) -> float:
    """In how many rounds a request is painted; of a comparison one way after the other."""
    if isinstance(request, Comparison):
        return sum(rounds_of(way.request) for way in request.ways)
    if not isinstance(request, DreamRequest):
        return _TILES
    skipped = request.options.skip_steps if isinstance(request.options, ClipDiffusionOptions) else 0
    return max(1, request.options.steps - skipped)
