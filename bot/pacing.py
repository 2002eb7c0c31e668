"""When which message may be edited: a burst of two, then one edit per few seconds, and one budget for the whole bot.

Messages wait at one turnstile. What ends a job goes first, progress next, places in the queue last; whoever waits
can be overtaken but not forgotten, because a newer text replaces the older one instead of standing behind it.
Knows time only as numbers, and no Discord.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import IntEnum

Clock = Callable[[], float]


class Urgency(IntEnum):
    """Who goes first when several wait."""

    FINAL = 0
    PROGRESS = 1
    PLACE = 2


@dataclass(slots=True)
class Bucket:
    """A token bucket: *capacity* at once, then one per *seconds*."""

    capacity: int
    seconds: float
    level: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until one may be taken."""
        self._fill(now)
        return max(0.0, (1 - self.level) * self.seconds)

    def take(self, now: float) -> None:
        """Take one; the level may fall below zero for what cannot wait."""
        self._fill(now)
        self.level -= 1

    def _fill(self, now: float) -> None:
        gained = (now - self.at) / self.seconds if self.seconds else float(self.capacity)
        self.level, self.at = min(float(self.capacity), self.level + gained), now


@dataclass(slots=True)
class Pace:
    """The rules alone: how long a message has to wait at a moment. One bucket per message, one for the whole bot."""

    seconds: float
    """Between two edits of one message, once its burst is used up."""
    burst: int = 2
    per_second: float = 4.0
    """Edits of the whole bot."""
    patience: float = 5.0
    """Places in the queue change for everybody at once: they wait this many times longer."""
    _whole: Bucket | None = None
    _each: dict[Hashable, Bucket] = field(default_factory=dict)
    _places: dict[Hashable, float] = field(default_factory=dict)

    def wait(self, key: Hashable, urgency: Urgency, now: float) -> float:
        """Seconds until *key* may be edited. The end of a job does not wait for its message's bucket."""
        whole = self._bucket_of_all(now).wait(now)
        if urgency is Urgency.FINAL:
            return whole
        own = self._bucket(key, now).wait(now)
        if urgency is Urgency.PLACE:
            own = max(own, self._places.get(key, now) - now)
        return max(own, whole)

    def take(self, key: Hashable, urgency: Urgency, now: float) -> None:
        """Count one edit of *key*."""
        self._bucket_of_all(now).take(now)
        self._bucket(key, now).take(now)
        self._places[key] = now + self.patience * self.seconds

    def give_back(self, key: Hashable) -> None:
        """The edit turned out to be unnecessary."""
        for bucket in (self._whole, self._each.get(key)):
            if bucket:
                bucket.level += 1

    def forget(self, key: Hashable) -> None:
        """The message is finished: its bucket is no longer needed."""
        self._each.pop(key, None)
        self._places.pop(key, None)

    def _bucket(self, key: Hashable, now: float) -> Bucket:
        return self._each.setdefault(key, Bucket(self.burst, self.seconds, self.burst, now))

    def _bucket_of_all(self, now: float) -> Bucket:
        if self._whole is None:
            self._whole = Bucket(max(1, round(self.per_second)), 1 / self.per_second, max(1, self.per_second), now)
        return self._whole


@dataclass(slots=True)
class _Waiting:
    urgency: Urgency
    let_through: asyncio.Future[None]


class Turnstile:
    """Lets one message through at a time, the most urgent first, as fast as `Pace` allows. `run` does the work."""

    def __init__(self, pace: Pace, clock: Clock = time.monotonic) -> None:
        self.pace = pace
        self._clock = clock
        self._waiting: dict[Hashable, _Waiting] = {}
        self._changed = asyncio.Event()

    async def turn(self, key: Hashable, urgency: Urgency) -> None:
        """Return when *key* may be edited; one waiter per key."""
        waiting = _Waiting(urgency, asyncio.get_running_loop().create_future())
        self._waiting[key] = waiting
        self._changed.set()
        try:
            await waiting.let_through
        finally:
            self._waiting.pop(key, None)

    def hurry(self, key: Hashable, urgency: Urgency) -> None:
        """What *key* waits with has become more (or less) urgent."""
        if key in self._waiting:
            self._waiting[key].urgency = urgency
            self._changed.set()

    async def run(self) -> None:
        """Open the turnstile again and again, until cancelled."""
        while True:
            self._changed.clear()
            pause = self._open()
            try:
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                continue

    def _open(self) -> float | None:
        """Let everybody through who may pass now; seconds until somebody else may, or None if nobody waits."""
        now = self._clock()
        pauses = []
        for key, waiting in sorted(self._waiting.items(), key=lambda item: item[1].urgency):
            pause = self.pace.wait(key, waiting.urgency, now)
            if pause > 0:
                pauses.append(pause)
            elif not waiting.let_through.done():
                self.pace.take(key, waiting.urgency, now)
                waiting.let_through.set_result(None)
        return min(pauses, default=None)
