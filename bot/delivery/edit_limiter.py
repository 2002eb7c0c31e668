"""Rate limiter for message edits: a burst of two, then one edit per few seconds, within one budget for the whole bot.

Final updates go first, within a larger budget; then progress, then queue positions. A newer update replaces an older
one that still waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum

from bot.retry import wait_for_news

PRUNE_ABOVE = 256
"""Number of buckets above which full ones are dropped."""
POSITION_DELAY_FACTOR = 5.0
"""Queue positions change for all jobs at once, so their edits wait this many times longer than progress."""


class Urgency(IntEnum):
    """Order among waiting edits."""

    FINAL = 0
    SHUTDOWN = 1
    PROGRESS = 2
    QUEUE_POSITION = 3

    @property
    def parting(self) -> bool:
        """Whether this process edits the message no more."""
        return self <= Urgency.SHUTDOWN


@dataclass(frozen=True, slots=True)
class Rate:
    """A burst of *capacity*, then one edit per *seconds*."""

    capacity: int
    seconds: float


@dataclass(slots=True)
class TokenBucket:
    """The remaining tokens of a rate at time *at*."""

    rate: Rate
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until one token is available."""
        self._fill(now)
        return max(0.0, (1 - self.level) * self.rate.seconds)

    def take(self, now: float) -> None:
        """Take one token; the level may fall below zero for final updates."""
        self._fill(now)
        self.level -= 1

    def full(self, now: float) -> bool:
        """Whether it equals a new bucket."""
        self._fill(now)
        return self.level >= self.rate.capacity

    def _fill(self, now: float) -> None:
        gained = max(0.0, now - self.at) / self.rate.seconds
        self.level, self.at = min(float(self.rate.capacity), self.level + gained), now


@dataclass(frozen=True, slots=True)
class MessageKey:
    """A message and its channel, whose limit it shares."""

    message: Hashable
    channel: Hashable


class EditBudget:
    """How long an edit has to wait: token buckets for each message, each channel and the whole bot.

    *seconds* between two edits of one message after its *burst*. Discord allows about one edit per second and channel;
    staying below that keeps final updates from waiting behind progress. The whole bot makes *per_second* edits, and
    up to *finals* final ones: Discord allows 50 requests per second. Times are seconds of one monotonic clock.
    """

    def __init__(self, seconds: float, burst: int, *, per_second: float = 4.0, finals: float = 20.0) -> None:
        self._message = Rate(burst, seconds)
        self._channel = Rate(3, 0.4 * seconds)
        self._bot = TokenBucket(Rate(8, 1 / per_second), 8.0, 0.0)
        self._finals = TokenBucket(Rate(20, 1 / finals), 20.0, 0.0)
        self._place_seconds = POSITION_DELAY_FACTOR * seconds
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._places: dict[Hashable, float] = {}
        self._prune_at = PRUNE_ABOVE

    def wait(self, key: MessageKey, urgency: Urgency, now: float) -> float:
        """Seconds until *key* may be edited; final and parting updates wait for one bucket only."""
        if urgency.parting:
            return self.shortest_wait(urgency, now)
        later = self._places.get(key.message, now) - now if urgency is Urgency.QUEUE_POSITION else 0.0
        return max(later, *(bucket.wait(now) for bucket in self._all(key, now)))

    def shortest_wait(self, urgency: Urgency, now: float) -> float:
        """Seconds until any message may be edited: final updates share one bucket, all others another."""
        return (self._finals if urgency.parting else self._bot).wait(now)

    def take(self, key: MessageKey, urgency: Urgency, now: float) -> None:
        """Count one edit. A final one counts in both budgets, and delays other edits by a bounded time."""
        if len(self._buckets) >= self._prune_at:
            self._prune(now)
        for bucket in (*self._all(key, now), *([self._finals] if urgency.parting else [])):
            bucket.take(now)
        self._bot.level = max(self._bot.level, -float(self._bot.rate.capacity))
        self._places[key.message] = now + self._place_seconds

    def give_back(self, key: MessageKey, now: float) -> None:
        for bucket in self._all(key, now):
            bucket.level += 1

    def forget(self, key: MessageKey) -> None:
        self._buckets.pop(("message", key.message), None)
        self._places.pop(key.message, None)

    def _prune(self, now: float) -> None:
        """Drop full buckets, which are equal to new ones, and pauses that are over."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.full(now)}
        self._places = {message: at for message, at in self._places.items() if at > now}
        self._prune_at = max(PRUNE_ABOVE, 2 * len(self._buckets))

    def _all(self, key: MessageKey, now: float) -> tuple[TokenBucket, TokenBucket, TokenBucket]:
        message = self._bucket(("message", key.message), self._message, now)
        return message, self._bucket(("channel", key.channel), self._channel, now), self._bot

    def _bucket(self, key: Hashable, rate: Rate, now: float) -> TokenBucket:
        return self._buckets.setdefault(key, TokenBucket(rate, rate.capacity, now))


@dataclass(slots=True)
class _WaitingEdit:
    urgency: Urgency
    granted: asyncio.Future[None]


class EditLimiter:
    """Grants edits one at a time, the most urgent first, as fast as `EditBudget` allows. `run` does the work."""

    def __init__(self, budget: EditBudget) -> None:
        self._budget = budget
        self._waiting: dict[MessageKey, _WaitingEdit] = {}
        self._changed = asyncio.Event()

    async def turn(self, key: MessageKey, urgency: Urgency) -> None:
        """Return when *key* may be edited; one waiter per message."""
        waiting = _WaitingEdit(urgency, asyncio.get_running_loop().create_future())
        self._waiting[key] = waiting
        self._changed.set()
        try:
            await waiting.granted
        finally:
            self._waiting.pop(key, None)

    def hurry(self, key: MessageKey, urgency: Urgency) -> None:
        if key in self._waiting:
            self._waiting[key].urgency = urgency
            self._changed.set()

    def give_back(self, key: MessageKey) -> None:
        self._budget.give_back(key, time.monotonic())
        self._changed.set()

    def forget(self, key: MessageKey) -> None:
        self._budget.forget(key)

    async def run(self) -> None:
        while True:
            await wait_for_news(self._changed, self._open())

    def _open(self) -> float | None:
        """Grant all edits that are possible now; returns the seconds until the next one, or None if none waits."""
        now = time.monotonic()
        pauses = []
        for key, waiting in sorted(self._waiting.items(), key=lambda item: item[1].urgency):
            if waiting.granted.done():
                continue
            if (rest := self._budget.shortest_wait(waiting.urgency, now)) > 0:
                pauses.append(rest)
                if waiting.urgency.parting:
                    continue
                break  # hundreds may wait in a crowd; none of them can go before
            pause = self._budget.wait(key, waiting.urgency, now)
            if pause > 0:
                pauses.append(pause)
            else:
                self._budget.take(key, waiting.urgency, now)
                waiting.granted.set_result(None)
        return min(pauses, default=None)
