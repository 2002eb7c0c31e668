"""Deadlines as people type them: ``24h``, ``3 days``, ``2026-12-24 18:00`` on the clocks of a time zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from bot.errors import Refused
from bot.policy.days import local_time, unix_time

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
