"""When which message may be edited: a burst of two, then one edit per few seconds, and one budget for the whole bot.

Messages wait at one turnstile. What ends a job goes first, progress next, places in the queue last; whoever waits
can be overtaken but not forgotten, because a newer text replaces the older one instead of standing behind it.
Knows time only as numbers, and no Discord.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum

Clock = Callable[[], float]
PRUNE = 256
"""Buckets from which on full ones are dropped."""
PATIENCE = 5.0
"""Places in the queue change for everybody at once: they wait this many times longer than progress."""


class Urgency(IntEnum):
    """Who goes first when several wait."""

    FINAL = 0
    PARTING = 1
    PROGRESS = 2
    PLACE = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """*capacity* at once, then one per *seconds*."""

    capacity: int
    seconds: float


@dataclass(slots=True)
class TokenBucket:
    """A token bucket: what is left of a rate."""

    rate: Rate
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until one may be taken."""
        self._fill(now)
        return max(0.0, (1 - self.level) * self.rate.seconds)

    def take(self, now: float) -> None:
        """Take one; the level may fall below zero for what cannot wait."""
        self._fill(now)
        self.level -= 1

    def full(self, now: float) -> bool:
        """Whether nothing is taken from it."""
        self._fill(now)
        return self.level >= self.rate.capacity

    def _fill(self, now: float) -> None:
        gained = max(0.0, now - self.at) / self.rate.seconds
        self.level, self.at = min(float(self.rate.capacity), self.level + gained), now


@dataclass(frozen=True, slots=True)
class MessageKey:
    """One message, and the channel whose limits it shares."""

    message: Hashable
    channel: Hashable


class EditBudget:
    """The rules alone: how long a message has to wait at a moment. A bucket each for messages, channels, the bot.

    *seconds* lie between two edits of one message, once its *burst* is used up. Discord limits a channel to about one
    edit per second; we stay a little below that, so that ends never wait behind progress.
    """

    def __init__(self, seconds: float, burst: int = 2, *, share: float = 0.4, per_second: float = 4.0) -> None:
        self._message = Rate(burst, seconds)
        self._channel = Rate(3, seconds * share)
        self._bot = Rate(8, 1 / per_second)
        self._place_seconds = PATIENCE * seconds
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._places: dict[Hashable, float] = {}
        self._prune_at = PRUNE

    def wait(self, spot: MessageKey, urgency: Urgency, now: float) -> float:
        """Seconds until *spot* may be edited; what is said last waits for nothing but the whole bot's limit."""
        if urgency in (Urgency.FINAL, Urgency.PARTING):
            return self._of_bot(now).wait(now)
        later = self._places.get(spot.message, now) - now if urgency is Urgency.PLACE else 0.0
        return max(later, *(bucket.wait(now) for bucket in self._all(spot, now)))

    def take(self, spot: MessageKey, now: float) -> None:
        """Count one edit of *spot*."""
        if len(self._buckets) >= self._prune_at:
            self._prune(now)
        for bucket in self._all(spot, now):
            bucket.take(now)
        self._places[spot.message] = now + self._place_seconds

    def give_back(self, spot: MessageKey, now: float) -> None:
        """The edit turned out to be unnecessary."""
        for bucket in self._all(spot, now):
            bucket.level += 1

    def forget(self, spot: MessageKey) -> None:
        """The message is finished: its bucket is no longer needed."""
        self._buckets.pop(("message", spot.message), None)
        self._places.pop(spot.message, None)

    def _prune(self, now: float) -> None:
        """Drop full buckets, which are equal to new ones, and pauses that are over."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.full(now)}
        self._places = {message: at for message, at in self._places.items() if at > now}
        self._prune_at = max(PRUNE, 2 * len(self._buckets))

    def _all(self, spot: MessageKey, now: float) -> tuple[TokenBucket, TokenBucket, TokenBucket]:
        message = self._bucket(("message", spot.message), self._message, now)
        return message, self._bucket(("channel", spot.channel), self._channel, now), self._of_bot(now)

    def _of_bot(self, now: float) -> TokenBucket:
        return self._bucket("bot", self._bot, now)

    def _bucket(self, key: Hashable, rate: Rate, now: float) -> TokenBucket:
        return self._buckets.setdefault(key, TokenBucket(rate, rate.capacity, now))


@dataclass(slots=True)
class _Waiting:
    urgency: Urgency
    let_through: asyncio.Future[None]


class EditLimiter:
    """Grants edits one at a time, the most urgent first, as fast as `EditBudget` allows. `run` does the work."""

    def __init__(self, pace: EditBudget, clock: Clock = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._waiting: dict[MessageKey, _Waiting] = {}
        self._changed = asyncio.Event()

    async def turn(self, spot: MessageKey, urgency: Urgency) -> None:
        """Return when *spot* may be edited; one waiter per message."""
        waiting = _Waiting(urgency, asyncio.get_running_loop().create_future())
        self._waiting[spot] = waiting
        self._changed.set()
        try:
            await waiting.let_through
        finally:
            self._waiting.pop(spot, None)

    def hurry(self, spot: MessageKey, urgency: Urgency) -> None:
        """What *spot* waits with has become more (or less) urgent."""
        if spot in self._waiting:
            self._waiting[spot].urgency = urgency
            self._changed.set()

    def give_back(self, spot: MessageKey) -> None:
        """Its turn was not needed."""
        self._pace.give_back(spot, self._clock())
        self._changed.set()

    def forget(self, spot: MessageKey) -> None:
        """There will be no more turns."""
        self._pace.forget(spot)

    async def run(self) -> None:
        """Open the turnstile again and again, until cancelled."""
        while True:
            self._changed.clear()
            pause = self._open()
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    def _open(self) -> float | None:
        """Let everybody through who may pass now; seconds until somebody else may, or None if nobody waits."""
        now = self._clock()
        pauses = []
        for spot, waiting in sorted(self._waiting.items(), key=lambda item: item[1].urgency):
            if waiting.let_through.done():
                continue
            pause = self._pace.wait(spot, waiting.urgency, now)
            if pause > 0:
                pauses.append(pause)
            else:
                self._pace.take(spot, now)
                waiting.let_through.set_result(None)
        return min(pauses, default=None)
