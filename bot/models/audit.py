"""Entries and pages of the moderation log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOG_PAGE = 10
"""Entries on one page."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: float
    actor: str
    action: str
    subject: str
    details: Mapping[str, object]
    id: int = 0
    """Later ones have larger ones."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted: of one server (None: of all), of one kind, by or about one person."""

    server_id: int | None = None
    action: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Part of the record, newest first. *total*: all that is *wanted*; *newer*, *older*: whether more follow."""

    wanted: AuditFilter
    entries: tuple[AuditEntry, ...] = ()
    total: int = 0
    newer: bool = False
    older: bool = False
