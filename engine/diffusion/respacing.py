"""Respaced noise schedules: the training steps that sampling uses, and the coefficients of each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.diffusion.spacing import respace
from engine.images.tensors import per_sample


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """One stop: the timestep as the net knows it, ᾱ there, and ᾱ at the stop that comes next (1 at the end)."""

    timestep: float
    alpha_bar: float
    alpha_bar_prev: float
    log_variance_small: float
    log_variance_large: float


@dataclass(frozen=True, slots=True)
class BatchCoefficients:
    """One stop for each sample. Float64 on the CPU, [N, 1, 1, 1]; *timestep* is [N].

    The coefficients that samplers make from these are rounded only when they meet a picture: `coefficient.to(x)`.
    """

    timestep: Tensor
    alpha_bar: Tensor
    alpha_bar_prev: Tensor
    log_variance_small: Tensor
    """log of the posterior's variance (Ho et al. 2020, eq. 7); at the last stop, that of the last but one."""
    log_variance_large: Tensor
    """log β of the walk."""


@dataclass(frozen=True)
class RespacedSchedule:
    """The stops of a respaced process. *timesteps* rise, so stop 0 is the last before the picture."""

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    """ᾱ at the stops: [len(timesteps)], float64."""
    steps: int = 1000
    """Of the whole process, that these stops are picked from."""
    timestep_scale: float = 1.0
    """What the net's timesteps are multiplied by, for nets whose training had other than 1000 steps."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def at(self, stop: int) -> StepCoefficients:
        """The moment of that stop."""
        return self._moments[stop]

    def noisiness(self, stop: int) -> float:
        """The timestep of that stop as schedules count it: 0, the picture, to 999, noise, however long the process."""
        return self.timesteps[stop] * 1000 / self.steps

    @cached_property
    def _moments(self) -> tuple[StepCoefficients, ...]:
        bar = self.alphas_cumprod
        prev = torch.cat([bar.new_ones(1), bar[:-1]])
        beta = 1 - bar / prev
        variance = beta * (1 - prev) / (1 - bar)
        variance[0] = variance[1] if len(variance) > 1 else 1e-20  # β̃ is 0 at the last stop, and its log infinite
        timesteps = [t * self.timestep_scale for t in self.timesteps]
        columns = (timesteps, bar.tolist(), prev.tolist(), variance.log().tolist(), beta.log().tolist())
        return tuple(StepCoefficients(*row) for row in zip(*columns, strict=True))


def respaced_schedule(alphas_cumprod: Tensor, spec: str, rescale_timesteps: bool = False) -> RespacedSchedule:
    """Respace the process with these ᾱ (of all training steps) by *spec*; see `respace` for what that may be."""
    steps = len(alphas_cumprod)
    timesteps = respace(steps, spec)
    return RespacedSchedule(
        timesteps, alphas_cumprod[list(timesteps)], steps, 1000 / steps if rescale_timesteps else 1.0
    )


def stack(coefficients: Sequence[StepCoefficients]) -> BatchCoefficients:
    """One moment per sample → their batch."""
    rows = torch.tensor([astuple(m) for m in coefficients], dtype=torch.float64)
    return BatchCoefficients(rows[:, 0].float(), *(per_sample(column) for column in rows[:, 1:].unbind(1)))
