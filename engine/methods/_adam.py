"""Adam (Kingma & Ba 2015, algorithm 1) for a batch in which every image has its own step and learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def adam_update(
    moments: tuple[Tensor, Tensor],
    gradient: Tensor,
    counts: Sequence[int],
    rates: Sequence[float],
    *,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What to subtract from the parameters, and their new moments; all [N, …] like *gradient*.

    *moments*: running means of the gradient and of its square. *counts*: each image's step, from 1. *rates*: each
    image's learning rate.
    """
    first, second = betas
    mean, square = moments[0].lerp(gradient, 1 - first), moments[1].lerp(gradient.square(), 1 - second)
    count, rate = (torch.tensor(values, dtype=torch.float64) for values in (counts, rates))
    size, correction = (
        values.to(gradient).view(-1, *(1,) * (gradient.ndim - 1))
        for values in (rate / (1 - first**count), (1 - second**count).sqrt())
    )
    return size * mean / (square.sqrt() / correction + epsilon), mean, square


def decay_in_steps(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: 1, 0.4 after half, 0.1 after three quarters."""
    return 0.1 if step >= 0.75 * steps else 0.4 if step >= 0.5 * steps else 1.0


def cosine_decay(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: falls from 1 to 0 along half a cosine."""
    return (1 + float(torch.cos(torch.tensor(torch.pi * step / steps, dtype=torch.float64)))) / 2
