"""The options of `siren`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.catalogue.registry import Model
from engine.requests.options.clip_views import read_augment
from engine.requests.options.optimiser_methods import OptimisedOptions

LAYER_WORK = 8.0
"""Cost of one layer of 64 neurons in a step, in views through CLIP."""


class SirenOptions(OptimisedOptions):
    """SIREN: a small network of sine waves that CLIP trains to be the picture; soft shapes, sharp at any size."""

    method: Literal["siren"] = "siren"
    steps: int = Field(default=120, ge=5, le=2000, description="optimisation steps; Deep Daze uses 1000 or more")
    learning_rate: float = Field(default=0.001, gt=0, le=0.1, description="learning rate of Adam")
    layers: int = Field(default=4, ge=1, le=16, description="hidden layers; more bend the waves further")
    width: int = Field(default=64, ge=8, le=256, description="neurons of each layer")
    frequency: float = Field(
        default=20.0, ge=1, le=60, description="of the first waves: low is soft and simple, high is fine and restless"
    )

    def step_work(self, model: Model) -> float:
        """In views through CLIP."""
        own = LAYER_WORK * self.layers * (self.width / 64) ** 2
        return own + self.cutouts * read_augment(self.augment).view_cost
