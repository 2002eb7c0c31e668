"""What crossed the wire, kept for the judges of the tests and for the page's panel. Secrets are not kept."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.world.json_types import Json

KEPT = 2000


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
    """The answer was made by a fault on purpose."""
    findings: list[str] = field(default_factory=list)
    """What a judge has against it."""


@dataclass
class Sent:
    """One gateway event as it was sent to the bot."""

    name: str
    data: Json
    findings: list[str] = field(default_factory=list)


class Record:
    """The newest KEPT exchanges and events. Judges are asked about each and may add findings."""

    def __init__(self) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)
        self.events: deque[Sent] = deque(maxlen=KEPT)
        self.judges: list[Callable[[Exchange], list[str]]] = []
        self.event_judges: list[Callable[[str, Json], list[str]]] = []
        self.listeners: list[Callable[[Exchange], None]] = []
        self._count = 0

    def number(self) -> int:
        self._count += 1
        return self._count

    def add(self, exchange: Exchange) -> None:
        for judge in self.judges:
            exchange.findings += judge(exchange)
        self.exchanges.append(exchange)
        for listener in self.listeners:
            listener(exchange)

    def add_event(self, name: str, data: Json) -> None:
        if self.event_judges:
            findings = [text for judge in self.event_judges for text in judge(name, data)]
            self.events.append(Sent(name, data, findings))
        else:
            self.events.append(Sent(name, data))

    def findings(self) -> list[str]:
        """All findings in words, oldest first."""
        http = [f"{e.method} {e.path} → {e.status}: {text}" for e in self.exchanges for text in e.findings]
        return http + [f"{event.name}: {text}" for event in self.events for text in event.findings]


def redacted(path: str) -> str:
    """*path* without interaction and webhook tokens: they are passwords for a quarter of an hour."""
    path = re.sub(r"(/interactions/\d+/)[^/]+", r"\1…", path)
    return re.sub(r"(/webhooks/\d+/)[^/]+", r"\1…", path)
