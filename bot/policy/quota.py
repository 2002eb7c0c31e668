"""Quota accounting: reserve → charge or refund, keyed by job id, so every call is idempotent.

A job is paid from the allowance of the window in which it was *submitted*, then from credit (grants). A refund goes
back where it came from, credit first, so a refund after midnight does not extend the next day's allowance. For every
owner, at any time: granted = credit left + credit held + credit spent.

Units are megapixel steps (`request.cost`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from bot.config.sections import QuotaSection
from bot.config.settings import Config
from bot.errors import QuotaUsedUp
from bot.models.job import owner_of
from bot.policy.days import UTC_NAME, Calendar, Day, local_time
from bot.policy.limits import server_units, standing_of
from bot.storage.database import Session
from bot.storage.jobs import STEPS_PER_UNIT, pixel_steps
from bot.storage.ledger import Charge, LedgerRows, Totals
from bot.storage.moderation import Audit

DAY = 86_400.0
FREE_JOBS = 5
"""Jobs of one person per `DAY` that cost no quota: entries of challenges."""
_LOOK_BACK = 3 * DAY
"""The places of a person's jobs within this time decide which days count. A day has up to 48 h: see `Calendar`."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Amounts in units; times in unix seconds."""

    allowance: float
    """Per window; 0 = no limit."""
    used: float
    """Charged in the present window."""
    reserved: float
    """Held in the present window for unfinished jobs."""
    credit: float
    """Granted beyond the allowance; it does not expire."""
    resets_at: float | None
    """When part of the allowance comes back; None if none of it is spent or there is no limit."""

    @property
    def unlimited(self) -> bool:
        return self.allowance == 0

    @property
    def left(self) -> float:
        """Units; infinite without a limit."""
        return float("inf") if self.unlimited else max(0.0, self.allowance - self.used - self.reserved) + self.credit


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One booking. *amount* in units; *at* in unix seconds."""

    at: float
    kind: Literal["reserved", "charged", "refunded", "granted", "reset"]
    amount: float
    job_id: str
    """Empty for grants and resets."""
    note: str
    """Reason of a grant or reset."""


class Quota:
    """Windows and limits over the table of charges. *clock* is unix seconds.

    A window of kind "day" is a day in the time zone of the server. For a person who asks in servers of different time
    zones it is the one that began first, so that no allowance comes back twice a day.
    """

    def __init__(self, config: Config, rows: LedgerRows, audit: Audit, clock: Callable[[], float]) -> None:
        self._all = config
        self._config = config.quota
        self._rows = rows
        self._audit = audit
        self._clock = clock

    async def balance(self, user_id: int, roles: Collection[int] = (), server_id: int | None = None) -> Balance:
        """The balance of a person with these Discord *roles*, as it counts in a server (None: elsewhere)."""
        units = standing_of(self._all, user_id, roles).units
        return await self.balance_of(owner_of(user_id), units, self._clock(), server_id)

    async def server_left(self, server_id: int | None) -> tuple[float, float] | None:
        """(left, allowance) of a server's shared quota in units; None without a limit."""
        allowance = server_units(self._all, server_id)
        if server_id is None or not allowance:
            return None
        async with self._rows.database.reading() as session:
            window = await self._of_server(session, server_id, self._clock())
            used = await self._rows.of_server(session, server_id, window.since)
        return max(0.0, allowance - used / STEPS_PER_UNIT), allowance

    async def history(self, user_id: int, limit: int = 10, snapshot: LedgerRows | None = None) -> list[LedgerEntry]:
        """Bookings of a person, newest first; read from *snapshot* if there is one."""
        ledger = snapshot or self._rows
        async with ledger.database.reading() as session:
            rows = await ledger.lines(session, owner_of(user_id), limit)
        return [
            LedgerEntry(row["at"], row["kind"], row["amount"] / STEPS_PER_UNIT, row["job_id"], row["note"])
            for row in rows
        ]

    async def grant(self, user_id: int, units: float, by: int, reason: str, server_id: int | None = None) -> float:
        """Add credit, or take it back (never below zero), with an audit row; returns the units that moved."""
        owner, actor, now = owner_of(user_id), owner_of(by), self._clock()
        async with self._rows.database.transaction() as session:
            moved = await self.credit(session, owner, units, now, actor, reason)
            await self._audit.add(actor, "grant", owner, now, session, server_id=server_id, units=moved, reason=reason)
        return moved

    async def reset(self, user_id: int, by: int, reason: str, server_id: int | None = None) -> None:
        """Restart a person's window now, with an audit row."""
        owner, actor, now = owner_of(user_id), owner_of(by), self._clock()
        async with self._rows.database.transaction() as session:
            await self.reset_window(session, owner, now, actor, reason)
            await self._audit.add(actor, "reset quota", owner, now, session, server_id=server_id, reason=reason)

    async def reserve(
        self,
        session: Session,
        job_id: str,
        owner: str,
        units: float,
        allowance: float,
        now: float,
        guild: int | None = None,
    ) -> float:
        """Hold *units* for a job; returns the units that were left before, infinite without a limit.

        *allowance* per window; 0 = no limit. A job that holds units already keeps them. Raises QuotaUsedUp.
        """
        if await self._rows.find(session, job_id) is not None:
            return math.inf
        from_credit, left = await self.check(session, owner, units, allowance, now, guild)
        await self._rows.reserve(session, job_id, owner, guild, pixel_steps(units), from_credit, now)
        return left

    async def check(
        self, session: Session, owner: str, units: float, allowance: float, now: float, server_id: int | None = None
    ) -> tuple[int, float]:
        """Raise QuotaUsedUp unless *owner* can pay *units*; nothing is written.

        *allowance* is in units per window; 0 = no limit. Returns the pixel steps that credit would pay, and the units
        that are left, infinite without a limit.
        """
        amount, limit = pixel_steps(units), pixel_steps(allowance)
        window = await self._window(session, owner, now, server_id)
        totals = await self._rows.totals(session, owner, window.since)
        allowed = max(0, limit - totals.used - totals.held)
        from_credit = max(0, amount - allowed) if limit else 0
        if from_credit > totals.credit:
            charges = await self._rows.counted_since(session, owner, window.since)
            missing = from_credit - totals.credit
            back = self._enough_at(window, charges, missing) if amount <= limit + totals.credit else None
            raise QuotaUsedUp(_used_up(amount, limit, totals, back, now), back.at if back else None)
        return from_credit, (allowed + totals.credit) / STEPS_PER_UNIT if limit else math.inf

    async def check_free(self, session: Session, owner: str, allowance: float, now: float) -> None:
        """Raise QuotaUsedUp unless *owner* may have another job that costs nothing; 0 = no limit.

        Reservations survive `/forget` and the end of a challenge, so neither gives further free jobs.
        """
        if allowance and await self._rows.free_since(session, owner, now - DAY) >= FREE_JOBS:
            raise QuotaUsedUp(
                f"I have painted {FREE_JOBS} entries for you within a day, which is the limit. You can still enter a "
                "picture that you have painted yourself."
            )

    async def check_server(self, session: Session, server_id: int, units: float, allowance: float, now: float) -> None:
        """Raise QuotaUsedUp if *units* more exceed the server's shared *allowance* (0 = no limit)."""
        if not allowance:
            return
        window = await self._of_server(session, server_id, now)
        used = await self._rows.of_server(session, server_id, window.since)
        if used + pixel_steps(units) > pixel_steps(allowance):
            left = max(0, pixel_steps(allowance) - used)
            when = f" The next day begins {_when(_ends(window.days[0]), now)}." if window.days else ""
            raise QuotaUsedUp(
                f"This costs {_units(pixel_steps(units))} units, and this server has {_units(left)} of its "
                f"{_units(pixel_steps(allowance))} left, shared by all members.{when}"
            )

    async def charge(self, session: Session, job_id: str, now: float, share: float = 1.0) -> None:
        """Spend *share* (0…1) of a job's reservation and refund the rest."""
        charge = await self._rows.find(session, job_id)
        if charge is not None:
            spent = round(charge.reserved * min(max(share, 0.0), 1.0))
            # The refund goes to the credit first, because the allowance pays as much as it can.
            credit = max(0, spent - (charge.reserved - charge.from_credit))
            await self._rows.close(session, job_id, now, spent, credit)

    async def balance_of(self, owner: str, allowance: float, now: float, server_id: int | None = None) -> Balance:
        async with self._rows.database.reading() as session:
            window = await self._window(session, owner, now, server_id)
            totals = await self._rows.totals(session, owner, window.since)
        return Balance(
            allowance=allowance,
            used=totals.used / STEPS_PER_UNIT,
            reserved=totals.held / STEPS_PER_UNIT,
            credit=totals.credit / STEPS_PER_UNIT,
            resets_at=self._resets_at(window, totals) if allowance else None,
        )

    async def credit(self, session: Session, owner: str, units: float, now: float, by: str, reason: str) -> float:
        """Add credit, or take it back (never below zero); returns the units that moved."""
        totals = await self._rows.totals(session, owner, now)
        amount = max(pixel_steps(units), -totals.credit)
        await self._rows.credit(session, owner, "granted", amount, now, by, reason)
        return amount / STEPS_PER_UNIT

    async def reset_window(self, session: Session, owner: str, now: float, by: str, reason: str) -> None:
        await self._rows.credit(session, owner, "reset", 0, now, by, reason)

    async def start_for(self, session: Session, owner: str, now: float) -> float:
        """Start of the person's present window without resets, in unix seconds."""
        return min((day.start for day in await self._days(session, owner, now, None)), default=self._rolling(now))

    async def _window(self, session: Session, owner: str, now: float, server_id: int | None) -> _Window:
        days = await self._days(session, owner, now, server_id)
        start = days[0].start if days else self._rolling(now)
        reset = await self._rows.last_reset(session, owner)
        # Ignore a reset in the future: the clock was set back, and everything would be free until then.
        since = start if reset is None or reset > now else max(start, math.nextafter(reset, math.inf))
        return _Window(since, days)

    async def _of_server(self, session: Session, server_id: int, now: float) -> _Window:
        if self._config.window != "day":
            return _Window(self._rolling(now))
        day = Calendar.of((await self._rows.calendars(session, (server_id,))).get(server_id, {})).at(now)
        return _Window(day.start, (day,))

    async def _days(self, session: Session, owner: str, now: float, server_id: int | None) -> tuple[Day, ...]:
        """The present days of the places where the person asks and has lately asked, by their starts."""
        if self._config.window != "day":
            return ()
        servers = {server_id, *await self._rows.servers_since(session, owner, now - _LOOK_BACK)}
        settings = await self._rows.calendars(session, [server for server in servers if server is not None])
        calendars = {Calendar.of(settings.get(server or 0, {})) for server in servers}
        return tuple(sorted((one.at(now) for one in calendars), key=lambda day: (day.start, day.zone)))

    def _rolling(self, now: float) -> float:
        return _rolling_start(self._config, now)

    @property
    def _seconds(self) -> float:
        return self._config.hours * 3600.0

    def _resets_at(self, window: _Window, totals: Totals) -> float | None:
        if totals.oldest is None:
            return None
        return window.days[0].end if window.days else totals.oldest + self._seconds

    def _enough_at(self, window: _Window, charges: list[Charge], missing: int) -> _Back:
        """When *missing* pixel steps of the allowance will be available again."""
        if not window.days:
            return _Back(_freed(charges, missing) + self._seconds)
        for day, later in itertools.pairwise(window.days):  # after the first one ends, the window begins at the second
            if sum(charge.counted for charge in charges if charge.reserved_at < later.start) >= missing:
                return _ends(day)
        return _ends(window.days[-1])


async def oldest_window(section: QuotaSection, rows: LedgerRows, now: float) -> float:
    """Start of the oldest window that still counts for any person, in unix seconds."""
    if section.window != "day":
        return _rolling_start(section, now)
    async with rows.database.reading() as session:
        settings = await rows.calendars(session)
    return min(calendar.at(now).start for calendar in (Calendar(), *map(Calendar.of, settings.values())))


def _rolling_start(section: QuotaSection, now: float) -> float:
    return math.nextafter(now - section.hours * 3600.0, math.inf)


@dataclass(frozen=True, slots=True)
class _Window:
    """*since*: unix seconds. *days*: the present days of its places, by their starts; empty for a rolling window."""

    since: float
    days: tuple[Day, ...] = ()


@dataclass(frozen=True, slots=True)
class _Back:
    """When something comes back, in unix seconds, and the time zone to say it in."""

    at: float
    zone: str = UTC_NAME


def _ends(day: Day) -> _Back:
    return _Back(day.end, day.zone)


def _freed(charges: list[Charge], missing: int) -> float:
    """Reservation time of the last charge that must leave the window before *missing* is free."""
    for charge in charges:
        missing -= charge.counted
        if missing <= 0:
            return charge.reserved_at
    return charges[-1].reserved_at


def _used_up(amount: int, limit: int, totals: Totals, back: _Back | None, now: float) -> str:
    left = max(0, limit - totals.used - totals.held) + totals.credit
    text = f"This costs {_units(amount)} units and you have {_units(left)} of {_units(limit)} left"
    if back is not None:
        return f"{text}; there will be enough again {_when(back, now)}."
    return f"{text}, which will never be enough. Ask for fewer steps, fewer pictures or a smaller size."


def _units(steps: int) -> str:
    return f"{steps / STEPS_PER_UNIT:.3g}" if steps < 1000 * STEPS_PER_UNIT else f"{steps / STEPS_PER_UNIT:.0f}"


def _when(back: _Back, now: float) -> str:
    minutes = max(1, math.ceil((back.at - now) / 60))
    hours, rest = divmod(minutes, 60)
    wait = f"{hours} h {rest} min" if hours else f"{minutes} min"
    return f"at {local_time(back.zone, back.at):%H:%M} {back.zone} (in {wait})"
