"""How often a bot may begin a session (docs: events/gateway.mdx, "Rate Limiting", "Session Start Limit Object")."""

from collections import deque

from bot.playground.server.world.clock import Clock
from bot.playground.server.world.json_types import Json

PER_DAY = 1000
DAY = 86_400.0
CONCURRENT = 1
WINDOW = 5.0
"""CONCURRENT identifies per WINDOW seconds; more are answered with opcode 9."""


class IdentifyLimit:
    """Counts the IDENTIFYs of the last day, and those of the last seconds where that is switched on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: deque[float] = deque()
        self.per_day = PER_DAY
        self.window = 0.0
        """0: any number at a time, for tests; `realistic` makes it WINDOW."""

    def take(self) -> bool:
        """Count one; False where it comes too soon after the last ones (it is not counted then)."""
        now = self._clock.now()
        if sum(at > now - self.window for at in self._begun) >= CONCURRENT and self.window:
            return False
        self._begun.append(now)
        return True

    @property
    def remaining(self) -> int:
        """How many more today; at -1 the limit was passed."""
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
