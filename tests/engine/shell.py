"""The shell in this very process: what it says to words, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Said:
    status: int
    out: str
    err: str


Shell = Callable[..., Said]
