"""Numbers as people type them: short, without an exponent, and read back as the very same number."""

from __future__ import annotations

import math
from decimal import Decimal


def number_text(value: float) -> str:
    """``25``, ``0.5``, ``0.1234567``.

    >>> [number_text(value) for value in (25, 2.0, 0.1234567, 1e-7, 1234567)]
    ['25', '2', '0.1234567', '0.0000001', '1234567']
    """
    short = f"{value:g}"
    if not math.isfinite(value) or ("e" not in short and float(short) == value):
        return short
    return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"
