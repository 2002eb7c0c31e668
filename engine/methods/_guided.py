"""One picture on its way through a method with a generator: the numbers that Adam moves, and all that draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from engine.guidance.cutouts import CutRecipe
from engine.guidance.objective import ClipTarget, Objective, Scales
from engine.methods._optimised import Optimised
from engine.requests.options.generator_methods import GeneratedOptions
from engine.requests.schedule import TIMESTEPS

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of Adam: PyTorch's own, as in the notebooks."""


@dataclass(kw_only=True)
class Guided(Optimised, ABC):
    """Its numbers are what the generator makes a picture of."""

    options: GeneratedOptions
    clip_targets: tuple[ClipTarget, ...]
    """Those that guide."""
    own: ClipTarget
    """The one that judges the finished picture."""
    held: Tensor | None
    """What an init picture left, for the next steps to hold on to."""

    @property
    def place(self) -> float:
        """The timestep that schedules are read at: 999 in the first step, falling evenly."""
        return TIMESTEPS * (1 - self.step / self.steps) - 1

    @property
    def objective(self) -> Objective:
        """What draws it in the next step."""
        recipe = recipe_at(self.options, self.place)
        return Objective(
            clip_targets=self.clip_targets,
            recipe=recipe,
            scales=self.scales,
            distance=self.options.distance,
            lots=self.options.cut_batches,
            parts=min(2**self.memory_level, recipe.total),
        )

    @property
    @abstractmethod
    def scales(self) -> Scales:
        """How much each loss of the picture counts in the next step."""

    @property
    def batch_key(self) -> Hashable:
        """Equal for pictures that can be painted together."""
        return (
            self.model.name,
            tuple(self.numbers.shape),
            self.objective.shape,
            self.bucket,
            self.memory_level,
            self.compiled,
        )


def recipe_at(options: GeneratedOptions, place: float) -> CutRecipe:
    """How views are cut at *place*, 999 (the beginning) to 0."""
    return CutRecipe(
        count=int(options.cutouts.at(place)),
        power=options.cut_power.at(place),
        flip=options.flip,
        gray=options.gray.at(place),
        noise=options.cut_noise,
        kind=options.cut_kind,
    )
