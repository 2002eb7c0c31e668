"""Shares with intervals, and retrieval: pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """*hits* of *total*, with the 95 % interval of Wilson (1927), which stays inside 0 … 1 for small counts."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """0 … 1; not a number if nothing was counted."""
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        n, p, z = self.total, self.value, _Z95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] of {self.total}"


@dataclass(frozen=True, slots=True)
class Mean:
    """An average of *total* values with its 95 % interval (normal approximation)."""

    value: float
    error: float
    total: int

    def __str__(self) -> str:
        return f"{self.value:+.3f} ± {self.error:.3f} of {self.total}"


def mean(values: Tensor) -> Mean:
    """Return the average of [N] values with its 95 % interval."""
    count = len(values)
    error = _Z95 * float(values.std()) / math.sqrt(count) if count > 1 else math.inf
    return Mean(float(values.mean()), error, count)


def r_precision(images: Tensor, texts: Tensor, among: int = 64) -> Share:
    """Return how many pictures find their own text first among *among*.

    Both are [N, D] unit vectors, N a multiple of *among*.

    The texts of a group must differ; a tie counts as missed.
    """
    hits = total = 0
    for start in range(0, len(images) - among + 1, among):
        similar = images[start : start + among] @ texts[start : start + among].T
        others = similar.masked_fill(torch.eye(among, dtype=torch.bool), -math.inf)
        hits += int((similar.diagonal() > others.max(dim=1).values).sum())
        total += among
    return Share(hits, total)
