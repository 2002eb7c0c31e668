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
    """One step: the timestep as the network receives it, its ᾱ, and ᾱ after the step (1 after the last one)."""

    timestep: float
    alpha_bar: float
    alpha_bar_prev: float
    log_variance_small: float
    log_variance_large: float


@dataclass(frozen=True, slots=True)
class BatchCoefficients:
    """`StepCoefficients` of a batch: float64 on the CPU, [N, 1, 1, 1]; *timestep* is [N].

    Samplers compute in float64 and cast only when a coefficient multiplies an image: `coefficient.to(x)`.
    """

    timestep: Tensor
    alpha_bar: Tensor
    alpha_bar_prev: Tensor
    log_variance_small: Tensor
    """log β̃, the posterior variance (Ho et al. 2020, eq. 7); the last step uses that of the step before."""
    log_variance_large: Tensor
    """log β of the respaced process."""


@dataclass(frozen=True)
class RespacedSchedule:
    """The steps of a respaced process. *timesteps* rise, so sampling runs from the last stop to stop 0."""

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    """ᾱ at *timesteps*: [len(timesteps)], float64."""
    steps: int = 1000
    """Steps of the training process."""
    timestep_scale: float = 1.0
    """Factor of the network's timesteps, for networks trained with `rescale_timesteps`."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def at(self, stop: int) -> StepCoefficients:
        return self._steps[stop]

    def noisiness(self, stop: int) -> float:
        """The timestep of that stop on the scale of option schedules: 0 (image) to 999 (noise)."""
        return self.timesteps[stop] * 1000 / self.steps

    @cached_property
    def _steps(self) -> tuple[StepCoefficients, ...]:
        bar = self.alphas_cumprod
        prev = torch.cat([bar.new_ones(1), bar[:-1]])
        beta = 1 - bar / prev
        variance = beta * (1 - prev) / (1 - bar)
        variance[0] = variance[1] if len(variance) > 1 else 1e-20  # β̃ is 0 at the last stop, and its log infinite
        timesteps = [t * self.timestep_scale for t in self.timesteps]
        columns = (timesteps, bar.tolist(), prev.tolist(), variance.log().tolist(), beta.log().tolist())
        return tuple(StepCoefficients(*row) for row in zip(*columns, strict=True))


def respaced_schedule(alphas_cumprod: Tensor, spec: str, rescale_timesteps: bool = False) -> RespacedSchedule:
    """Respaces a process; *alphas_cumprod* is ᾱ of all training steps, *spec* is described at `respace`."""
    steps = len(alphas_cumprod)
    timesteps = respace(steps, spec)
    return RespacedSchedule(
        timesteps, alphas_cumprod[list(timesteps)], steps, 1000 / steps if rescale_timesteps else 1.0
    )


def stack(coefficients: Sequence[StepCoefficients]) -> BatchCoefficients:
    """Batches the coefficients of N samples."""
    rows = torch.tensor([astuple(m) for m in coefficients], dtype=torch.float64)
    return BatchCoefficients(rows[:, 0].float(), *(per_sample(column) for column in rows[:, 1:].unbind(1)))
