"""Noise schedules: ᾱ_t in float64, because 1 - ᾱ_0 is the difference of nearly equal numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.errors import WeightsError


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
