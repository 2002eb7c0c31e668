"""The quota's day in a server's time zone: no gaps, and no allowance twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.settings import Config
from bot.errors import QuotaUsedUp, Refused
from bot.policy.days import Calendar, check_zone, local_time, unix_time, zones
from bot.policy.quota import Quota, oldest_window
from bot.storage.database import Database
from bot.storage.ledger import LedgerRows
from bot.storage.moderation import Audit, SettingsTable
from tests.prepared_database import open_database

OWNER = "discord:1"
TIMES = st.floats(1_577_836_800.0, 1_893_456_000.0)  # 2020 to 2030
ZONES = st.sampled_from(sorted(zones()))


@given(ZONES, TIMES)
def test_days_follow_one_another_and_contain_their_times(zone: str, now: float) -> None:
    day = Calendar(zone).at(now)

    assert day.start <= now < day.end
    assert day.end == Calendar(zone).at(day.end).start
    assert 22 * 3600 <= day.end - day.start <= 26 * 3600


@given(st.lists(st.tuples(ZONES, st.floats(0, 2 * 86_400.0)), min_size=1, max_size=6), TIMES)
def test_no_change_of_the_zone_ends_a_day_early(changes: list[tuple[str, float]], now: float) -> None:
    calendar = Calendar()
    for zone, later in changes:
        now += later
        before = calendar.at(now)
        calendar = calendar.changed(zone, now)
        after = calendar.at(now)
        assert before.start == after.start
        assert before.end <= after.end <= before.end + 26 * 3600
        assert zone == calendar.zone


@pytest.mark.parametrize(
    ("date", "hours"),
    [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)],
)
def test_a_day_of_a_clock_change_is_shorter_or_longer(date: tuple[int, int, int], hours: int) -> None:
    day = Calendar("Europe/Berlin").at(unix_time("Europe/Berlin", datetime(*date, 12)))

    assert hours * 3600 == day.end - day.start
    assert (0, 0) == (local_time("Europe/Berlin", day.start).hour, local_time("Europe/Berlin", day.end).hour)


def test_time_zones_are_found_by_any_spelling_and_others_are_refused() -> None:
    assert "America/New_York" == check_zone("america/new york")
    assert "UTC" == check_zone("utc")
    with pytest.raises(Refused, match="is not a time zone"):
        check_zone("Middle Earth")
    assert Calendar() == Calendar.of({"timezone": "Middle/Earth", "timezone_from": "soon"})


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database(tmp_path / "ledger.sqlite3")
    yield database
    await database.close()


TOKYO, BERLIN = 1, 2
MIDNIGHT = 20_000 * 86_400.0
"""UTC. The day of Tokyo began nine hours before, that of Berlin (in October) two."""


async def quota_of(database: Database) -> Quota:
    settings = SettingsTable(database)
    await settings.put("server", str(TOKYO), "timezone", "Asia/Tokyo")
    await settings.put("server", str(BERLIN), "timezone", "Europe/Berlin")
    return Quota(Config(), LedgerRows(database), Audit(database), lambda: MIDNIGHT)


async def paint(database: Database, quota: Quota, job: str, units: float, now: float, server: int | None) -> None:
    async with database.transaction() as session:
        await quota.reserve(session, job, OWNER, units, 10.0, now, server)
        await quota.charge(session, job, now)


async def test_the_allowance_comes_back_at_the_servers_midnight(database: Database) -> None:
    quota = await quota_of(database)
    await paint(database, quota, "a", 10, MIDNIGHT - 10 * 3600, TOKYO)

    with pytest.raises(QuotaUsedUp, match=r"enough again at 00:00 Asia/Tokyo \(in 30 min\)"):
        await paint(database, quota, "b", 5, MIDNIGHT - 9.5 * 3600, TOKYO)
    await paint(database, quota, "c", 10, MIDNIGHT - 9 * 3600, TOKYO)


async def test_two_servers_of_different_zones_do_not_refill_it_twice(database: Database) -> None:
    quota = await quota_of(database)
    await paint(database, quota, "a", 10, MIDNIGHT - 5 * 3600, TOKYO)

    with pytest.raises(QuotaUsedUp, match=r"at 00:00 Asia/Tokyo \(in 16 h 0 min\)"):  # a new day only in Berlin
        await paint(database, quota, "b", 5, MIDNIGHT - 3600, BERLIN)
    balance = await quota.balance_of(OWNER, 10.0, MIDNIGHT - 3600, BERLIN)
    assert (10, MIDNIGHT + 15 * 3600) == (balance.used, balance.resets_at)


async def test_the_servers_shared_quota_follows_its_own_day(database: Database) -> None:
    quota = await quota_of(database)
    await paint(database, quota, "a", 10, MIDNIGHT - 10 * 3600, TOKYO)

    async with database.reading() as session:
        with pytest.raises(QuotaUsedUp, match=r"The next day begins at 00:00 Asia/Tokyo"):
            await quota.check_server(session, TOKYO, 1, 10, MIDNIGHT - 9.5 * 3600)
        await quota.check_server(session, TOKYO, 1, 10, MIDNIGHT - 9 * 3600)


async def test_names_in_the_ledger_stay_as_long_as_the_longest_window(database: Database) -> None:
    await quota_of(database)

    assert MIDNIGHT - 9 * 3600 == await oldest_window(Config().quota, LedgerRows(database), MIDNIGHT + 60)
