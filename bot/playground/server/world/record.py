"""The record of requests and gateway events, for schema checks and for the page. It holds no tokens."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.world.json_types import Json

CAPACITY = 2000


@dataclass
class Exchange:
    """One HTTP request of the bot and the answer it got."""

    number: int
    at: float
    method: str
    path: str
    """The path with tokens replaced by "…"."""
    route: str
    """The template, e.g. "/channels/{channel}/messages"; empty for an unknown route."""
    query: dict[str, str]
    content_type: str
    body: Any
    files: tuple[tuple[str, str, int], ...]
    """Of each uploaded file: form field, file name, bytes."""
    status: int = 0
    answer: Any = None
    seconds: float = 0.0
    injected: bool = False
    """An injected fault made the answer."""
    expected: bool = False
    """A fault switch explains the refusal."""
    findings: list[str] = field(default_factory=list)
    """Mistakes that a schema check or the server found."""


@dataclass
class SentEvent:
    """One gateway event as it was sent to the bot."""

    name: str
    data: Json
    findings: list[str] = field(default_factory=list)


class Record:
    """The newest CAPACITY exchanges and events. `checks` and `event_checks` see each and add findings."""

    def __init__(self) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=CAPACITY)
        self.events: deque[SentEvent] = deque(maxlen=CAPACITY)
        self.checks: list[Callable[[Exchange], list[str]]] = []
        self.event_checks: list[Callable[[str, Json], list[str]]] = []
        self.listeners: list[Callable[[Exchange], None]] = []
        self.faults_until = 0.0
        """Refusals of requests until this time (unix seconds) are `expected`."""
        self._count = 0

    def number(self) -> int:
        self._count += 1
        return self._count

    def add(self, exchange: Exchange) -> None:
        for check in self.checks:
            exchange.findings += check(exchange)
        exchange.expected = exchange.injected or (exchange.status >= 400 and exchange.at <= self.faults_until)
        self.exchanges.append(exchange)
        for listener in self.listeners:
            listener(exchange)

    def add_event(self, name: str, data: Json) -> None:
        if self.event_checks:
            findings = [text for check in self.event_checks for text in check(name, data)]
            self.events.append(SentEvent(name, data, findings))
        else:
            self.events.append(SentEvent(name, data))

    def findings(self) -> list[str]:
        """All findings, oldest first."""
        http = [f"{e.method} {e.path} → {e.status}: {text}" for e in self.exchanges for text in e.findings]
        return http + [f"{event.name}: {text}" for event in self.events for text in event.findings]


def redacted(path: str) -> str:
    """*path* without interaction and webhook tokens: they are passwords for a quarter of an hour."""
    path = re.sub(r"(/interactions/\d+/)[^/]+", r"\1…", path)
    return re.sub(r"(/webhooks/\d+/)[^/]+", r"\1…", path)
