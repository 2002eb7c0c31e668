"""The clock of the local Discord: wall time that tests can advance."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(order=True)
class Timer:
    """A call at `when` (unix seconds of this clock)."""

    when: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Wall time plus the sum of all `forward` calls. Its timers follow."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._timers: list[Timer] = []
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self._offset

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `when` (unix seconds); needs a running event loop."""
        timer = Timer(when, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        self._arm()
        return timer

    def forward(self, seconds: float) -> None:
        """Advance by `seconds`; calls all timers that become due before it returns."""
        if seconds < 0:
            raise ValueError(f"the clock moves only forward, not by {seconds} s")
        self._offset += seconds
        self._ring()

    def close(self) -> None:
        """Cancel all timers."""
        self._timers.clear()
        if self._alarm is not None:
            self._alarm.cancel()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._timers:
            wait = max(0.0, self._timers[0].when - self.now())
            self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        while self._timers and self._timers[0].when <= self.now():
            timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.callback()
        self._arm()


def iso(seconds: float) -> str:
    """The timestamp format of the API: ISO 8601 with an offset (docs: reference.mdx, "ISO8601 Date/Time")."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
