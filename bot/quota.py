"""The ledger: reserve → charge or refund, keyed by job id, so that saying it twice changes nothing.

Units are megapixel steps (`request.cost`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
class Entry:
    """One line of a person's history. *amount* in units; *at* in unix seconds."""

    at: float
    kind: Literal["reserved", "charged", "refunded", "granted", "reset"]
    amount: float
    job_id: str
    """Empty for grants and resets."""
    note: str
    """Why, for grants and resets."""
