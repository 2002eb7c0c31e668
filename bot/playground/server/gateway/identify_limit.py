"""The session start limit (docs: events/gateway.mdx, "Rate Limiting", "Session Start Limit Object")."""

from collections import deque

from bot.playground.server.world.clock import Clock
from bot.playground.server.world.json_types import Json

PER_DAY = 1000
DAY = 86_400.0
CONCURRENT = 1
WINDOW = 5.0
"""CONCURRENT identifies per WINDOW seconds; more are answered with opcode 9."""


class IdentifyLimit:
    """Counts the IDENTIFYs of the last day, and with `window` those of the last seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: deque[float] = deque()
        self.per_day = PER_DAY
        self.window = 0.0
        """Seconds; 0, for tests, allows any number at a time."""

    def take(self) -> bool:
        """Count one; returns False, without counting, above CONCURRENT per window."""
        now = self._clock.now()
        if sum(at > now - self.window for at in self._begun) >= CONCURRENT and self.window:
            return False
        self._begun.append(now)
        return True

    @property
    def remaining(self) -> int:
        """The remaining IDENTIFYs of the day; negative above the limit."""
        while self._begun and self._begun[0] <= self._clock.now() - DAY:
            self._begun.popleft()
        return self.per_day - len(self._begun)

    def payload(self) -> Json:
        """The `session_start_limit` of GET /gateway/bot."""
        remaining = max(0, self.remaining)
        after = self._begun[0] + DAY - self._clock.now() if self._begun else DAY
        return {
            "total": self.per_day,
            "remaining": remaining,
            "reset_after": round(after * 1000),
            "max_concurrency": CONCURRENT,
        }
