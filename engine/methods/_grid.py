"""One picture on its way through vqgan_clip, and all that its next step has to know about it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.adam import adam_move, cosine_fall
from engine.course import Course
from engine.guidance.cutouts import CutRecipe
from engine.guidance.pull import Eye, Pull, Scales
from engine.model import Model
from engine.options.schedule import TIMESTEPS
from engine.options.vqgan_clip import VqganClipOptions
from engine.tensors import per_sample

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""PyTorch's own, as in the notebooks."""
SHRINKING = 0.01
"""AdamW's weight decay, PyTorch's own."""


@dataclass
class Grid:
    """`z`, its moments and `step` change when a step has succeeded, all else stays."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    options: VqganClipOptions
    seed: int
    eyes: tuple[Eye, ...]
    """Those that guide."""
    own: Eye
    """The one that judges the finished picture."""
    notes: tuple[str, ...]
    z: Tensor
    """[D, h, w]: what the nearest vectors of the codebook are taken for."""
    held: Tensor | None
    """The init picture's codes, [D, h, w]."""
    mean: Tensor
    square: Tensor
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time, step by step."""
    thrift: int = 0
    """How much memory its steps save, at the cost of time: CLIP looks at half as many cuts at once, a quarter …"""
    course: Course = field(default_factory=Course)
    """How its steps were run."""

    @property
    def place(self) -> float:
        """Where its schedules stand: 999 in the first step, falling evenly."""
        return TIMESTEPS * (1 - self.step / self.steps) - 1

    @property
    def pull(self) -> Pull:
        """What draws it in the next step."""
        recipe = recipe_at(self.options, self.place)
        return Pull(
            eyes=self.eyes,
            recipe=recipe,
            scales=Scales(1.0, tv=self.options.tv_scale.at(self.place)),
            distance=self.options.distance,
            lots=self.options.cut_batches,
            parts=min(2**self.thrift, recipe.total),
        )

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        fall = 1.0 if self.options.decay == "none" else cosine_fall(self.step, self.steps)
        return self.options.learning_rate * fall

    @property
    def lane(self) -> Hashable:
        """Equal for pictures that can be painted together."""
        return self.model.name, tuple(self.z.shape), self.pull.shape, self.bucket, self.thrift


def recipe_at(options: VqganClipOptions, place: float) -> CutRecipe:
    """How views are cut at *place*, 999 (the beginning) to 0."""
    return CutRecipe(
        count=int(options.cutouts.at(place)),
        power=options.cut_power.at(place),
        flip=options.flip,
        gray=options.gray.at(place),
        noise=options.cut_noise,
        kind=options.cut_kind,
    )


def hold(batch: Sequence[Grid]) -> Tensor:
    """The gradient of init_weight / 2 · mean |z - held|² for each: [N, D, h, w].

    The classic tools measured from zero, so that holding on to the init picture pulled away from it.
    """
    pulls = [
        torch.zeros_like(g.z) if g.held is None else g.options.init_weight.at(g.place) * (g.z - g.held) / g.z.numel()
        for g in batch
    ]
    return torch.stack(pulls)


def moved(batch: Sequence[Grid], gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """z, mean and square of every picture after its own step of Adam or AdamW."""
    z, *moments = (torch.stack([getattr(g, name) for g in batch]) for name in ("z", "mean", "square"))
    counts, rates = [g.step + 1 for g in batch], [g.rate for g in batch]
    move, mean, square = adam_move((moments[0], moments[1]), gradient, counts, rates, betas=BETAS, epsilon=EPSILON)
    shrink = [SHRINKING * (g.options.optimizer == "adamw") * g.rate for g in batch]
    return z * (1 - per_sample(torch.tensor(shrink, dtype=torch.float64))).to(z) - move, mean, square
