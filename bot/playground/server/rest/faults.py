"""Injected faults: slow responses, 429, 5xx, and single refusals."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.world.json_types import Json


@dataclass
class Fault:
    """Applies to requests whose "METHOD /path" matches *pattern*, `times` times (-1: always).

    With *after* the request is carried out and only its response is replaced, as when a proxy fails.
    """

    pattern: str
    status: int = 0
    """The status of the response; 0 delays the request only."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    times: int = 1
    after: bool = False
    every: int = 1
    """Applies to every n-th matching request."""
    seen: int = 0

    def matches(self, line: str) -> bool:
        if self.times == 0 or re.search(self.pattern, line) is None:
            return False
        self.seen += 1
        return self.seen % self.every == 0


@dataclass(frozen=True)
class Injected:
    """The response of a fault."""

    status: int
    body: Any
    headers: dict[str, str]


class Faults:
    """The active faults, in order."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.hits = 0

    def add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        if fault in self._waiting:
            self._waiting.remove(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def rate_limited(
        self, pattern: str = "", retry_after: float = 0.05, *, times: int = 1, scope: str = "user"
    ) -> Fault:
        """429 (docs: topics/rate-limits.mdx, "Exceeding A Rate Limit")."""
        body: Json = {"message": "You are being rate limited.", "retry_after": retry_after, "code": 0}
        body["global"] = scope == "global"
        headers = {"Retry-After": f"{max(1, round(retry_after))}", "X-RateLimit-Scope": scope}
        if scope == "global":
            headers["X-RateLimit-Global"] = "true"
        return self.add(Fault(pattern, 429, body, headers, times=times))

    def server_error(self, pattern: str = "", status: int = 502, *, times: int = 1, after: bool = False) -> Fault:
        """A 5xx of the proxy in front of Discord."""
        return self.add(
            Fault(pattern, status, {"message": f"{status}: local fault", "code": 0}, times=times, after=after)
        )

    def refuse(self, pattern: str, status: int, code: int, message: str, *, times: int = 1) -> Fault:
        """A refusal with Discord's error code, e.g. 50013 or 20009."""
        return self.add(Fault(pattern, status, {"message": message, "code": code}, times=times))

    def slow(self, pattern: str = "", seconds: float = 1.0, *, times: int = -1) -> Fault:
        """Delays responses until cleared."""
        return self.add(Fault(pattern, delay=seconds, times=times))

    async def before(self, method: str, path: str) -> Injected | None:
        return await self._hit(f"{method} {path}", after=False)

    async def after(self, method: str, path: str) -> Injected | None:
        return await self._hit(f"{method} {path}", after=True)

    async def _hit(self, line: str, *, after: bool) -> Injected | None:
        for fault in tuple(self._waiting):
            if fault.after is not after or not fault.matches(line):
                continue
            fault.times -= 1
            self.hits += 1
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.status:
                return Injected(fault.status, fault.body, fault.headers)
        return None
