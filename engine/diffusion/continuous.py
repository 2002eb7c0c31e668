"""Sampling schedules of networks that were trained on continuous time (v-diffusion-pytorch, Crowson 2021).

A cosine time t of 0 to 1 stands for α = cos(πt/2) and σ = sin(πt/2), so ᾱ = cos²(πt/2). A schedule maps even times to
those that are sampled. Step k of N begins at the even time k / N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.diffusion.respacing import RespacedSchedule
from engine.diffusion.spacing import respace

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
