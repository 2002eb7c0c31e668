"""One picture on its way through vqgan_clip, and how its grid moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.guidance.objective import Scales
from engine.images.tensors import per_sample
from engine.methods._adam_step import adam_move, cosine_fall
from engine.methods._guided import BETAS, EPSILON, Guided
from engine.requests.options.vqgan_clip import VqganClipOptions

SHRINKING = 0.01
"""AdamW's weight decay, PyTorch's own."""


@dataclass(kw_only=True)
class Grid(Guided):
    """Its numbers are z, [D, h, w]: what the nearest vectors of the codebook are taken for.

    What it holds on to are the init picture's codes, [D, h, w].
    """

    options: VqganClipOptions

    @property
    def scales(self) -> Scales:
        """CLIP alone, and smoothness."""
        return Scales(1.0, tv=self.options.tv_scale.at(self.place))

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        fall = 1.0 if self.options.decay == "none" else cosine_fall(self.step, self.steps)
        return self.options.learning_rate * fall


def hold(batch: Sequence[Grid]) -> Tensor:
    """The gradient of init_weight / 2 · mean |z - held|² for each: [N, D, h, w].

    The classic tools measured from zero, so that holding on to the init picture pulled away from it.
    """
    return torch.stack([_hold(grid) for grid in batch])


def _hold(grid: Grid) -> Tensor:
    if grid.held is None:
        return torch.zeros_like(grid.numbers)
    return grid.options.init_weight.at(grid.place) * (grid.numbers - grid.held) / grid.numbers.numel()


def moved(batch: Sequence[Grid], gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """z, mean and square of every picture after its own step of Adam or AdamW."""
    z, *moments = (torch.stack([getattr(g, name) for g in batch]) for name in ("numbers", "mean", "square"))
    counts, rates = [g.step + 1 for g in batch], [g.rate for g in batch]
    move, mean, square = adam_move((moments[0], moments[1]), gradient, counts, rates, betas=BETAS, epsilon=EPSILON)
    shrink = [SHRINKING * (g.options.optimizer == "adamw") * g.rate for g in batch]
    return z * (1 - per_sample(torch.tensor(shrink, dtype=torch.float64))).to(z) - move, mean, square
