"""One step of Adam (Kingma & Ba 2015, algorithm 1) for many pictures at once, each at a step and a rate of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def adam_move(
    moments: tuple[Tensor, Tensor],
    gradient: Tensor,
    counts: Sequence[int],
    rates: Sequence[float],
    *,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What is to be subtracted from the numbers, and their new moments; all [N, …] as *gradient*.

    *moments*: mean and square of former gradients. *counts* (which step it is, from 1) and *rates*: one a picture.
    """
    first, second = betas
    mean, square = moments[0].lerp(gradient, 1 - first), moments[1].lerp(gradient.square(), 1 - second)
    count, rate = (torch.tensor(values, dtype=torch.float64) for values in (counts, rates))
    size, correction = (
        values.to(gradient).view(-1, *(1,) * (gradient.ndim - 1))
        for values in (rate / (1 - first**count), (1 - second**count).sqrt())
    )
    return size * mean / (square.sqrt() / correction + epsilon), mean, square


def cosine_fall(step: int, steps: int) -> float:
    """The factor of a rate that falls from 1 to nothing along half a cosine, at *step* (from 0) of *steps*."""
    return (1 + float(torch.cos(torch.tensor(torch.pi * step / steps, dtype=torch.float64)))) / 2
