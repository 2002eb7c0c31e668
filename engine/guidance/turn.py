"""Which picture it is, and in which step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoiseKey:
    """Which picture it is, and in which step: the key of what is drawn for it."""

    seed: int
    index: int
    step: int
