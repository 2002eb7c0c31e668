"""Which timesteps a batch trains on: uniform, or by importance (Nichol & Dhariwal 2021, section 3.3)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.errors import InvalidRequest

HISTORY = 10
"""Losses that are remembered per timestep."""
UNIFORM_SHARE = 0.001
"""Probability that is spread evenly over all timesteps, so that none is forgotten."""


class TimestepSampler(Protocol):
    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """*count* timesteps and the weights of their losses, which keep the mean unbiased."""

    def note(self, timesteps: Tensor, losses: Tensor) -> None:
        """Learn from the losses [N] of the timesteps [N]."""

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, state: dict[str, Tensor]) -> None: ...


class Uniform:
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randint(self.steps, (count,), generator=generator), torch.ones(count)

    def note(self, timesteps: Tensor, losses: Tensor) -> None:
        """Nothing to learn."""

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""


class LossSecondMoment:
    """p(t) ∝ √E[L_t²] over the last losses of t; uniform until every timestep has enough of them."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._losses = torch.zeros(steps, HISTORY, dtype=torch.float64)
        self._counts = torch.zeros(steps, dtype=torch.long)

    def weights(self) -> Tensor:
        """p(t), [steps], sums to 1."""
        if bool((self._counts < HISTORY).any()):
            return torch.full((self.steps,), 1 / self.steps, dtype=torch.float64)
        size = self._losses.square().mean(1).sqrt()
        return size / size.sum() * (1 - UNIFORM_SHARE) + UNIFORM_SHARE / self.steps

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        p = self.weights()
        timesteps = torch.multinomial(p, count, replacement=True, generator=generator)
        return timesteps, (1 / (self.steps * p[timesteps])).float()

    def note(self, timesteps: Tensor, losses: Tensor) -> None:
        for t, loss in zip(timesteps.tolist(), losses.tolist(), strict=True):
            self._losses[t] = torch.cat([self._losses[t, 1:], torch.tensor([loss], dtype=torch.float64)])
            self._counts[t] = min(int(self._counts[t]) + 1, HISTORY)

    def state(self) -> dict[str, Tensor]:
        return {"losses": self._losses, "counts": self._counts}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._losses, self._counts = state["losses"], state["counts"]


def timestep_sampler(name: str, steps: int) -> TimestepSampler:
    """By guided-diffusion's name. Raises InvalidRequest."""
    kinds: dict[str, type[Uniform] | type[LossSecondMoment]] = {
        "uniform": Uniform,
        "loss-second-moment": LossSecondMoment,
    }
    if name not in kinds:
        raise InvalidRequest(f"There is no schedule sampler “{name}”; available: {' and '.join(kinds)}.")
    return kinds[name](steps)
