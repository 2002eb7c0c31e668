"""Rate limits per bucket with Discord's headers (docs: topics/rate-limits.mdx). Sizes: see assumptions.md."""

import hashlib
from collections import deque
from dataclasses import dataclass, field

from bot.playground.server.validation.errors import too_many_old_edits
from bot.playground.server.world.clock import Clock
from bot.playground.server.world.messages import Message

GLOBAL_PER_SECOND = 50
INVALID_PER_TEN_MINUTES = 10_000


@dataclass(frozen=True)
class BucketSize:
    """*limit* requests per *seconds*."""

    limit: int
    seconds: float


ROOMY = {"": BucketSize(1000, 1.0)}
"""For tests: headers are sent, but the limits are never reached."""
REALISTIC = {
    "POST /channels/{channel}/messages": BucketSize(5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": BucketSize(5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": BucketSize(5, 1.0),
    "POST /webhooks/{app}/{token}": BucketSize(5, 2.0),
    "PATCH /webhooks/{app}/{token}/messages/{message}": BucketSize(5, 2.0),
    "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me": BucketSize(1, 0.25),
    "DELETE /channels/{channel}/messages/{message}/reactions/{emoji}/@me": BucketSize(1, 0.25),
    "": BucketSize(10, 1.0),
}
"""Sizes that were observed in headers; Discord publishes none."""


OLD_SECONDS = 3600.0
OLD_EDITS = 30
"""Edits per hour of a message older than an hour. Error 30046 is documented, the number is not (assumptions.md)."""


@dataclass
class Bucket:
    """The requests of one bucket in its current window."""

    began: float = 0.0
    used: int = 0


@dataclass
class RateLimitResult:
    """Whether a request passes, and its rate-limit headers."""

    passed: bool
    headers: dict[str, str]
    retry_after: float = 0.0
    everywhere: bool = False


@dataclass
class RateLimits:
    """Counts requests per bucket and in total."""

    clock: Clock
    allowances: dict[str, BucketSize] = field(default_factory=lambda: dict(ROOMY))
    global_per_second: int = GLOBAL_PER_SECOND * 100
    invalid_allowed: int = INVALID_PER_TEN_MINUTES
    old_edits: int = OLD_EDITS
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    _lately: deque[float] = field(default_factory=deque)
    _invalid: deque[float] = field(default_factory=deque)

    def realistic(self) -> None:
        self.allowances = dict(REALISTIC)
        self.global_per_second = GLOBAL_PER_SECOND

    def take(self, method: str, template: str, params: dict[str, str], *, by_token: bool) -> RateLimitResult:
        """Count one request. Interaction endpoints are exempt from the global limit ("Global Rate Limit")."""
        now = self.clock.now()
        if not by_token and self._too_many_in_all(now):
            wait = self._lately[0] + 1 - now
            return RateLimitResult(
                False, {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}, wait, everywhere=True
            )
        name = f"{method} {template}".replace("@original", "{message}")
        allowance = self.allowances.get(name, self.allowances[""])
        bucket = self._buckets.setdefault((name, _major(params)), Bucket())
        if now >= bucket.began + allowance.seconds:
            bucket.began, bucket.used = now, 0
        bucket.used += 1
        return _result(name, allowance, bucket, now)

    def take_old_edit(self, message: Message) -> None:
        """Count an edit of *message*; raises ApiError 30046 above `old_edits` if it is older than an hour."""
        now = self.clock.now()
        if now - message.created_at < OLD_SECONDS:
            return
        message.old_edits = [at for at in message.old_edits if at > now - OLD_SECONDS]
        if len(message.old_edits) >= self.old_edits:
            raise too_many_old_edits(message.old_edits[0] + OLD_SECONDS - now if message.old_edits else OLD_SECONDS)
        message.old_edits.append(now)

    def note(self, status: int, *, shared: bool = False) -> None:
        """Count 401, 403 and 429; too many lead to a ban of the IP address ("Invalid Request Limit")."""
        if status in (401, 403, 429) and not shared:
            self._invalid.append(self.clock.now())

    @property
    def invalid(self) -> int:
        """Invalid requests of the last ten minutes."""
        while self._invalid and self._invalid[0] < self.clock.now() - 600:
            self._invalid.popleft()
        return len(self._invalid)

    @property
    def banned(self) -> bool:
        return self.invalid >= self.invalid_allowed

    def _too_many_in_all(self, now: float) -> bool:
        while self._lately and self._lately[0] <= now - 1:
            self._lately.popleft()
        if len(self._lately) >= self.global_per_second:
            return True
        self._lately.append(now)
        return False


def _result(name: str, allowance: BucketSize, bucket: Bucket, now: float) -> RateLimitResult:
    left = bucket.began + allowance.seconds - now
    passed = bucket.used <= allowance.limit
    headers = {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(max(0, allowance.limit - bucket.used)),
        "X-RateLimit-Reset": f"{now + left:.3f}",
        "X-RateLimit-Reset-After": f"{left:.3f}",
        "X-RateLimit-Bucket": hashlib.sha256(name.encode()).hexdigest()[:32],
    }
    if passed:
        return RateLimitResult(True, headers)
    return RateLimitResult(False, {**headers, "X-RateLimit-Scope": "user"}, left)


def _major(params: dict[str, str]) -> str:
    """The top-level resource of a bucket: a channel, a guild, or a webhook with its token."""
    return params.get("channel") or params.get("guild") or params.get("token") or ""
