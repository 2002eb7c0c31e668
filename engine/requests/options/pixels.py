"""The options of `pixels`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.catalogue.registry import Model
from engine.requests.options.clip_views import read_augment
from engine.requests.options.optimiser_methods import OptimisedOptions

OWN_WORK = 4.0
"""Cost of a step without its views, in views through CLIP."""


class PixelsOptions(OptimisedOptions):
    """Pixels: a pyramid of colour grids painted by CLIP alone; no generator, the look of an abstract painter."""

    method: Literal["pixels"] = "pixels"
    tv_scale: float = Field(default=3.0, ge=0, le=100000, description="penalty on total variation; higher is smoother")

    def step_work(self, model: Model) -> float:
        """In views through CLIP."""
        return OWN_WORK + self.cutouts * read_augment(self.augment).view_cost
