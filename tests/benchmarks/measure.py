"""Figures; and two ways of doing one thing timed in turn, so that a busy machine is equally unfair to both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. *aim*: what it should be, in words; empty where there is no such thing."""

    what: str
    value: float
    unit: str
    aim: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.value:.3g} {self.unit}" + (f" (aim: {self.aim})" if self.aim else "")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways of doing one thing: the medians of their CPU seconds, and how many times faster the second is."""

    before: float
    after: float
    ratio: float


def side_by_side(before: Callable[[], object], after: Callable[[], object], rounds: int = 5) -> Pair:
    """Both ways once to warm up, then in turn. The ratio is the median of the rounds' ratios."""
    before(), after()
    times = [(cpu_seconds(before), cpu_seconds(after)) for _ in range(rounds)]
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    return Pair(slow, fast, statistics.median(a / b for a, b in times))


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of this process, all threads together: what else the machine does costs nothing here."""
    start = time.process_time()
    work()
    return time.process_time() - start
