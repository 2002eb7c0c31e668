"""Noise schedules: ᾱ_t in training, and the steps that sampling uses, with their coefficients.

ᾱ is float64, because 1 - ᾱ_0 is the difference of nearly equal numbers. A network trained on continuous time
(v-diffusion-pytorch, Crowson 2021) has cosine times t of 0 to 1: α = cos(πt/2), σ = sin(πt/2), ᾱ = cos²(πt/2). Its
schedule maps even times to those that are sampled; step k of N begins at the even time k / N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.diffusion.spacing import respace
from engine.errors import WeightsError
from engine.images.tensors import per_sample


def linear_betas(steps: int) -> Tensor:
    """Ho et al. 2020: β from 1e-4 to 0.02 in 1000 steps, scaled so that fewer steps add the same noise. [steps]."""
    scale = 1000 / steps
    return torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64)


def cosine_betas(steps: int) -> Tensor:
    """Nichol & Dhariwal 2021, eq. 17: ᾱ is a squared cosine; β at most 0.999. [steps]."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha_bar = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)


SCHEDULES: Mapping[str, Callable[[int], Tensor]] = {"linear": linear_betas, "cosine": cosine_betas}


def alphas_cumprod(schedule: str, steps: int) -> Tensor:
    """ᾱ_t = Π (1 - β_s) for s ≤ t: [steps], float64, decreasing. Raises WeightsError for an unknown schedule."""
    if schedule not in SCHEDULES:
        raise WeightsError(f"There is no noise schedule “{schedule}”; available: {', '.join(SCHEDULES)}.")
    return torch.cumprod(1 - SCHEDULES[schedule](steps), dim=0)


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
    """The steps of a respaced process. *timesteps* rise, so sampling runs from the last index to 0."""

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    """ᾱ at *timesteps*: [len(timesteps)], float64."""
    steps: int = 1000
    """Steps of the training process."""
    timestep_scale: float = 1.0
    """Factor of the network's timesteps, for networks trained with `rescale_timesteps`."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def at(self, index: int) -> StepCoefficients:
        return self._steps[index]

    def timestep(self, index: int) -> float:
        """The timestep at *index* on the scale of option schedules: 0 (image) to 999 (noise)."""
        return self.timesteps[index] * 1000 / self.steps

    @cached_property
    def _steps(self) -> tuple[StepCoefficients, ...]:
        bar = self.alphas_cumprod
        prev = torch.cat([bar.new_ones(1), bar[:-1]])
        beta = 1 - bar / prev
        variance = beta * (1 - prev) / (1 - bar)
        variance[0] = variance[1] if len(variance) > 1 else 1e-20  # β̃ is 0 in the last step, and its log infinite
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
    rows = torch.tensor([astuple(m) for m in coefficients], dtype=torch.float64)
    return BatchCoefficients(rows[:, 0].float(), *(per_sample(column) for column in rows[:, 1:].unbind(1)))


STEPS = 1000
"""Even times that a spacing selects from."""
DDPM_FROM, COSINE_UNTIL = 0.48536712, 0.80074257
"""Where the two halves of the spliced schedule meet, in the time of either."""


def ddpm_time(t: Tensor) -> Tensor:
    """The cosine time with the noise of DDPM (Ho et al. 2020) at *t*: log SNR = -log(exp(1e-4 + 10t²) - 1)."""
    log_snr = -torch.special.expm1(1e-4 + 10 * t**2).log()
    return torch.atan2((-log_snr).sigmoid().sqrt(), log_snr.sigmoid().sqrt()) * (2 / math.pi)


def spliced_time(t: Tensor) -> Tensor:
    """The cosine schedule, continued by DDPM's where the two are equally steep."""
    long = t * (1 + COSINE_UNTIL - DDPM_FROM)
    return torch.where(long < COSINE_UNTIL, long, ddpm_time(long + DDPM_FROM - COSINE_UNTIL))


TIMES: Mapping[str, Callable[[Tensor], Tensor]] = {"spliced": spliced_time, "ddpm": ddpm_time}
"""Name of a schedule → even times [N] in float64 to cosine times [N]."""


def continuous_schedule(name: str, spacing: str) -> RespacedSchedule:
    """The steps of *spacing* (see `respace`). Raises InvalidRequest for an impossible spacing."""
    picked = respace(STEPS, spacing)
    if spacing.strip().isdecimal():  # the author's own spacing, without the end at time 0
        even = torch.arange(1, len(picked) + 1, dtype=torch.float64) / len(picked)
    else:
        even = (torch.tensor(picked, dtype=torch.float64) + 1) / STEPS
    bars = (TIMES[name](even) * (math.pi / 2)).cos() ** 2
    return RespacedSchedule(tuple(max(round(float(t) * STEPS) - 1, 0) for t in even), bars, STEPS)
