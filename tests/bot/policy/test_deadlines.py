"""Deadlines as people type them, in the server's time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.errors import Refused
from bot.policy.days import parse_deadline, parse_length

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("24h", "UTC", (2026, 3, 29, 12, 0)),
        ("3 days", "UTC", (2026, 3, 31, 12, 0)),
        ("90 min", "UTC", (2026, 3, 28, 13, 30)),
        ("1w", "UTC", (2026, 4, 4, 12, 0)),
        ("18:00", "UTC", (2026, 3, 28, 18, 0)),
        ("11:00", "UTC", (2026, 3, 29, 11, 0)),
        ("18:00", "Europe/Berlin", (2026, 3, 28, 17, 0)),
        ("2026-03-29 18:00", "Europe/Berlin", (2026, 3, 29, 16, 0)),  # summer time began that night
        ("2026-03-30", "America/New_York", (2026, 3, 30, 4, 0)),
    ],
)
def test_lengths_times_and_dates_are_read(text: str, zone: str, expected: tuple[int, ...]) -> None:
    assert datetime(*expected, tzinfo=UTC) == datetime.fromtimestamp(parse_deadline(text, NOW, zone), UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("text", ["", "soon", "24", "-3h", "25:00", "2026-13-01", "1e3 h", "3 fortnights"])
def test_other_texts_are_refused_with_what_would_work(text: str) -> None:
    with pytest.raises(Refused, match="Type 24h, 3 days, 18:00 or 2026-12-24 18:00"):
        parse_deadline(text, NOW, "UTC")


@pytest.mark.parametrize("text", ["0h", "0 min", "2026-03-28 11:59", "61 days", "2027-01-01", "99999w"])
def test_a_deadline_is_neither_past_nor_far_away(text: str) -> None:
    with pytest.raises(Refused, match="between one minute and 60 days"):
        parse_deadline(text, NOW, "UTC")


def test_a_length_is_seconds() -> None:
    assert (3600.0, 86_400.0, None, None) == tuple(parse_length(text) for text in ("1h", "1 day", "18:00", "h"))
