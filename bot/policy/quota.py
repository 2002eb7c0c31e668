"""The ledger: reserve → charge or refund, keyed by job id, so that saying it twice changes nothing.

A job is paid from the allowance of the window in which it was *submitted*, and from credit (grants) where that does
not reach; what comes back goes where it came from, credit first. So a refund after midnight gives nobody a longer day,
and for every owner, at any time: granted = credit left + credit held + credit spent.

Units are megapixel steps (`request.cost`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

from bot.config.sections import QuotaSection
from bot.errors import QuotaUsedUp
from bot.storage.database import Session
from bot.storage.jobs import STEPS_PER_UNIT, pixel_steps
from bot.storage.ledger import Charge, LedgerRows, Totals

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Balance:
    """What one person may still spend. All amounts in units; times are unix seconds."""

    allowance: float
    """Per window; 0 = no limit."""
    used: float
    """Charged in the present window."""
    reserved: float
    """Held in the present window for jobs that have not ended."""
    credit: float
    """Granted beyond the allowance, and kept until it is spent."""
    resets_at: float | None
    """When more of the allowance comes back; None when nothing of it is spent, or without a limit."""

    @property
    def unlimited(self) -> bool:
        """Whether nothing is counted against this person."""
        return self.allowance == 0

    @property
    def left(self) -> float:
        """What can be spent now; infinite without a limit."""
        return float("inf") if self.unlimited else max(0.0, self.allowance - self.used - self.reserved) + self.credit


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of a person's history. *amount* in units; *at* in unix seconds."""

    at: float
    kind: Literal["reserved", "charged", "refunded", "granted", "reset"]
    amount: float
    job_id: str
    """Empty for grants and resets."""
    note: str
    """Why, for grants and resets."""


class Quota:
    """Policy over `store.ledger`: windows, limits, words. Every method can be said twice."""

    def __init__(self, rows: LedgerRows, config: QuotaSection) -> None:
        self._rows = rows
        self._config = config

    async def reserve(
        self,
        session: Session,
        job_id: str,
        owner: str,
        units: float,
        allowance: float,
        now: float,
        guild: int | None = None,
    ) -> None:
        """Hold *units* for a job, or raise QuotaUsedUp. *allowance* per window; 0 = no limit."""
        if await self._rows.find(session, job_id) is not None:
            return
        from_credit = await self.check(session, owner, units, allowance, now)
        await self._rows.reserve(session, job_id, owner, guild, pixel_steps(units), from_credit, now)

    async def check(self, session: Session, owner: str, units: float, allowance: float, now: float) -> int:
        """Raise QuotaUsedUp unless *owner* can pay *units*; returns the pixel steps that credit would pay.

        *allowance* is in units per window; 0 = no limit. Nothing is written.
        """
        amount, limit = pixel_steps(units), pixel_steps(allowance)
        since = await self._since(session, owner, now)
        totals = await self._rows.totals(session, owner, since)
        from_credit = 0 if not limit else max(0, amount - max(0, limit - totals.used - totals.held))
        if from_credit > totals.credit:
            charges = await self._rows.counted_since(session, owner, since)
            missing = from_credit - totals.credit
            retry_at = self._enough_at(charges, missing, now) if amount <= limit + totals.credit else None
            raise QuotaUsedUp(_used_up(amount, limit, totals, retry_at, now), retry_at)
        return from_credit

    async def left(self, session: Session, owner: str, allowance: float, now: float) -> float:
        """What *owner* may still spend, given that allowance per window: units; infinite without a limit."""
        if not allowance:
            return math.inf
        totals = await self._rows.totals(session, owner, await self._since(session, owner, now))
        return (max(0, pixel_steps(allowance) - totals.used - totals.held) + totals.credit) / STEPS_PER_UNIT

    async def check_server(self, session: Session, server_id: int, units: float, allowance: float, now: float) -> None:
        """Raise QuotaUsedUp unless *allowance* (0 = no limit) lets a server's members together spend *units* more."""
        if not allowance:
            return
        used = await self._rows.of_server(session, server_id, self.window_start(now))
        if used + pixel_steps(units) > pixel_steps(allowance):
            left = max(0, pixel_steps(allowance) - used)
            when = f" The next day begins {_when((now // DAY + 1) * DAY, now)}." if self._config.window == "day" else ""
            raise QuotaUsedUp(
                f"This costs {_units(pixel_steps(units))} units, and this server has {_units(left)} of its "
                f"{_units(pixel_steps(allowance))} left for everybody together.{when}"
            )

    async def server_left(self, server_id: int, allowance: float, now: float) -> float:
        """What a server's members may still spend together, in units."""
        async with self._rows.database.reading() as session:
            used = await self._rows.of_server(session, server_id, self.window_start(now))
        return max(0.0, allowance - used / STEPS_PER_UNIT)

    async def charge(self, session: Session, job_id: str, now: float, share: float = 1.0) -> None:
        """The job is done; *share* (0…1) of what it holds is spent and the rest comes back."""
        charge = await self._rows.find(session, job_id)
        if charge is not None:
            spent = round(charge.reserved * min(max(share, 0.0), 1.0))
            # What comes back goes to the credit first: the allowance pays as much as it was ready to.
            credit = max(0, spent - (charge.reserved - charge.from_credit))
            await self._rows.close(session, job_id, spent, credit, now)

    async def refund(self, session: Session, job_id: str, now: float) -> None:
        """The job came to nothing: all that it holds comes back."""
        await self._rows.close(session, job_id, 0, 0, now)

    async def balance(self, owner: str, allowance: float, now: float) -> Balance:
        """What *owner* may still spend, given that allowance per window."""
        async with self._rows.database.reading() as session:
            since = await self._since(session, owner, now)
            totals = await self._rows.totals(session, owner, since)
        return Balance(
            allowance=allowance,
            used=totals.used / STEPS_PER_UNIT,
            reserved=totals.held / STEPS_PER_UNIT,
            credit=totals.credit / STEPS_PER_UNIT,
            resets_at=self._resets_at(totals, now) if allowance else None,
        )

    async def history(self, owner: str, limit: int) -> list[LedgerEntry]:
        """The newest lines, newest first."""
        async with self._rows.database.reading() as session:
            rows = await self._rows.lines(session, owner, limit)
        return [
            LedgerEntry(row["at"], row["kind"], row["amount"] / STEPS_PER_UNIT, row["job_id"], row["note"])
            for row in rows
        ]

    async def grant(self, session: Session, owner: str, units: float, now: float, by: str, reason: str) -> float:
        """Add credit, or take it back (never below zero); the units that really moved."""
        totals = await self._rows.totals(session, owner, now)
        amount = max(pixel_steps(units), -totals.credit)
        await self._rows.credit(session, owner, "granted", amount, now, by, reason)
        return amount / STEPS_PER_UNIT

    async def reset(self, session: Session, owner: str, now: float, by: str, reason: str) -> None:
        """Start the owner's window afresh."""
        await self._rows.credit(session, owner, "reset", 0, now, by, reason)

    async def _since(self, session: Session, owner: str, now: float) -> float:
        """Start of the present window: charges from then on count."""
        reset = await self._rows.last_reset(session, owner)
        start = self.window_start(now)
        # A reset in the future (the clock was set back) must not make everything free.
        return start if reset is None or reset > now else max(start, math.nextafter(reset, math.inf))

    def window_start(self, now: float) -> float:
        """When the present window began, for those who have had no reset."""
        return now // DAY * DAY if self._config.window == "day" else math.nextafter(now - self._seconds, math.inf)

    @property
    def _seconds(self) -> float:
        return self._config.hours * 3600.0

    def _resets_at(self, totals: Totals, now: float) -> float | None:
        if totals.oldest is None:
            return None
        return (now // DAY + 1) * DAY if self._config.window == "day" else totals.oldest + self._seconds

    def _enough_at(self, charges: list[Charge], missing: int, now: float) -> float:
        """When *missing* pixel steps of the allowance will have come back."""
        if self._config.window == "day":
            return (now // DAY + 1) * DAY
        return _freed(charges, missing) + self._seconds


def _freed(charges: list[Charge], missing: int) -> float:
    """When the last of the charges was reserved that must leave the window before *missing* is free."""
    for charge in charges:
        missing -= charge.counted
        if missing <= 0:
            return charge.reserved_at
    return charges[-1].reserved_at


def _used_up(amount: int, limit: int, totals: Totals, retry_at: float | None, now: float) -> str:
    left = max(0, limit - totals.used - totals.held) + totals.credit
    text = f"This costs {_units(amount)} units and you have {_units(left)} of {_units(limit)} left"
    if retry_at is not None:
        return f"{text}; there will be enough again {_when(retry_at, now)}."
    return f"{text}, which never reaches: ask for fewer steps, fewer pictures or a smaller one."


def _units(steps: int) -> str:
    return f"{steps / STEPS_PER_UNIT:.3g}" if steps < 1000 * STEPS_PER_UNIT else f"{steps / STEPS_PER_UNIT:.0f}"


def _when(at: float, now: float) -> str:
    minutes = max(1, math.ceil((at - now) / 60))
    hours, rest = divmod(minutes, 60)
    wait = f"{hours} h {rest} min" if hours else f"{minutes} min"
    return f"at {time.strftime('%H:%M', time.gmtime(at))} UTC (in {wait})"
