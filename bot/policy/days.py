"""The quota's days, and deadlines, both on the clocks of a time zone.

Days end at midnight, exact across changes to and from daylight saving time. People type deadlines as ``24h``,
``3 days`` or ``2026-12-24 18:00``.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from bot.errors import Refused

UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True)
class Day:
    """One day: unix seconds of its *start* and *end*, and the name of its time zone."""

    start: float
    end: float
    zone: str = UTC_NAME


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of one server. A new time zone counts from *since* on; the day that began at *day* lasts until then.

    So no change of the time zone starts a new day early, which would refill all quotas.
    """

    zone: str = UTC_NAME
    since: float = 0.0
    day: float = 0.0

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Calendar:
        """From the values `timezone`, `timezone_from` and `timezone_day` of a server; unreadable ones mean UTC."""
        zone, since, day = (settings.get(key) for key in ("timezone", "timezone_from", "timezone_day"))
        known = zone if isinstance(zone, str) and zone in zones() else UTC_NAME
        number = (int, float)
        return cls(
            known, float(since) if isinstance(since, number) else 0.0, float(day) if isinstance(day, number) else 0.0
        )

    @property
    def settings(self) -> dict[str, object]:
        """The values that `of` reads."""
        return {"timezone": self.zone, "timezone_from": self.since, "timezone_day": self.day}

    def at(self, now: float) -> Day:
        """The day that contains *now* (unix seconds)."""
        if self.day <= now < self.since:
            return Day(self.day, self.since, self.zone)
        return _day(self.zone, now)

    def changed(self, zone: str, now: float) -> Calendar:
        """The calendar after a change to *zone* at *now*: the present day lasts at least as long as it would have."""
        today = self.at(now)
        if self.zone == zone:
            return self
        first = _day(zone, today.end)
        start = first.start if first.start >= today.end else first.end
        return Calendar(zone, start, today.start)


@functools.cache
def zones() -> frozenset[str]:
    """Names of all known time zones."""
    return frozenset(name for name in available_timezones() if "/" in name) | {UTC_NAME}


def check_zone(name: str) -> str:
    """The time zone as it is spelt in the database. Raises Refused."""
    wanted = name.strip().replace(" ", "_").casefold()
    for zone in zones():
        if zone.casefold() == wanted:
            return zone
    raise Refused(f"“{name}” is not a time zone. Choose one from the list, for example Europe/Berlin or UTC.")


def _zone(name: str) -> tzinfo:
    return UTC if name == UTC_NAME else ZoneInfo(name)


def local_time(name: str, unix: float) -> datetime:
    """*unix* on the clocks of the time zone *name*."""
    return datetime.fromtimestamp(math.floor(unix), _zone(name))


def unix_time(name: str, local: datetime) -> float:
    """Unix seconds of a *local* date and time without a zone; the first one where the clocks are set back."""
    return local.replace(tzinfo=_zone(name)).timestamp()


def _day(name: str, now: float) -> Day:
    today = local_time(name, now).date()
    start, end = (unix_time(name, datetime.combine(today + timedelta(days=days), time())) for days in (0, 1))
    return Day(start, end, name)


_LENGTH = re.compile(r"(\d{1,5})\s*(m|min|minutes?|h|hours?|d|days?|w|weeks?)", re.IGNORECASE)
_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%H:%M")
LEAST, MOST = 60.0, 60 * 86_400.0
"""Seconds until a deadline."""


def parse_length(text: str) -> float | None:
    """``24h`` → seconds; None for anything else."""
    found = _LENGTH.fullmatch(text.strip())
    return int(found[1]) * _SECONDS[found[2][0].lower()] if found else None


def parse_deadline(text: str, now: float, zone: str) -> float:
    """*text* → unix seconds; a time of day is the next one. Raises Refused with what would work."""
    length = parse_length(text)
    at = now + length if length is not None else _at(text.strip(), now, zone)
    if at is None:
        raise Refused(f"“{text}” is not a deadline. Type 24h, 3 days, 18:00 or 2026-12-24 18:00 ({zone}).")
    if not LEAST <= at - now <= MOST:
        raise Refused("A deadline is between one minute and 60 days from now.")
    return at


def _at(text: str, now: float, zone: str) -> float | None:
    for form in _FORMS:
        try:
            typed = datetime.strptime(text, form)
        except ValueError:
            continue
        if form != "%H:%M":
            return unix_time(zone, typed)
        today = local_time(zone, now).replace(tzinfo=None, hour=typed.hour, minute=typed.minute, second=0)
        at = unix_time(zone, today)
        return at if at > now else unix_time(zone, today + timedelta(days=1))
    return None
