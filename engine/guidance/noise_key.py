"""The key of the random numbers of one step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoiseKey:
    """Random numbers of a step depend on its image's seed and index and on the step, and on nothing else."""

    seed: int
    index: int
    step: int
