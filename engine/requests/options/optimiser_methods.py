"""Options of methods that optimise an image or the latents of a generator, and those of `pixels` and `siren`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.options.base import Options
from engine.requests.options.clip_views import (
    NONE,
    AugmentText,
    CutNoise,
    Flip,
    Fuzzy,
    Views,
    read_augment,
    read_perceptors,
)
from engine.requests.schedule import Schedule, constant

OWN_WORK = 4.0
LAYER_WORK = 8.0
"""Cost of one layer of 64 neurons in a step, in views through CLIP."""


class OptimisedOptions(Options):
    steps: int = Field(default=80, ge=5, le=2000, description="optimisation steps")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="learning rate of Adam")
    cutouts: int = Field(default=4, ge=1, le=256, description="number of cutouts that CLIP sees in each step")
    cut_power: float = Field(default=1.0, ge=0.1, le=10, description="> 1 prefers small cutouts, < 1 large ones")
    flip: Flip = 0.0
    gray: float = Field(default=0.0, ge=0, le=1, description="share of cutouts in grayscale, 0 to 1")
    cut_noise: CutNoise = 0.1
    augment: AugmentText = NONE
    fuzzy: Fuzzy = 0.0
    tv_scale: float = Field(default=0.0, ge=0, le=100000, description="penalty on total variation; higher is smoother")

    @property
    def own_work(self) -> float:
        """Cost of a step without its views, in views through CLIP."""
        return OWN_WORK

    def step_work(self, model: Model) -> float:
        """In views through CLIP."""
        return self.own_work + self.cutouts * read_augment(self.augment).view_cost

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raises InvalidRequest for a mask or an invalid `augment`."""
        super().check(has_mask=has_mask)
        read_augment(self.augment)


class PixelsOptions(OptimisedOptions):
    """Pixels: a pyramid of colour grids painted by CLIP alone; no generator, the look of an abstract painter."""

    method: Literal["pixels"] = "pixels"
    tv_scale: float = Field(default=3.0, ge=0, le=100000, description="penalty on total variation; higher is smoother")


class SirenOptions(OptimisedOptions):
    """SIREN: a small network of sine waves that CLIP trains to be the picture; soft shapes, sharp at any size."""

    method: Literal["siren"] = "siren"
    steps: int = Field(default=120, ge=5, le=2000, description="optimisation steps; Deep Daze uses 1000 or more")
    learning_rate: float = Field(default=0.001, gt=0, le=0.1, description="learning rate of Adam")
    layers: int = Field(default=4, ge=1, le=16, description="number of hidden layers; more give more complex shapes")
    width: int = Field(default=64, ge=8, le=256, description="neurons per layer")
    frequency: float = Field(
        default=20.0,
        ge=1,
        le=60,
        description="frequency of the first waves: low is soft and simple, high is fine and restless",
    )

    @property
    def own_work(self) -> float:
        return LAYER_WORK * self.layers * (self.width / 64) ** 2


class _Moving(Options):
    steps: int = Field(default=200, ge=2, le=2000, description="optimisation steps")
    learning_rate: float = Field(default=0.1, gt=0, le=2, description="learning rate of Adam")
    init_weight: Schedule = Field(
        default=constant(0.0), ge=0, le=1000, description="strength of the similarity to the init image"
    )


class GeneratedOptions(Views, _Moving):
    tv_scale: Schedule = Field(
        default=constant(0.0), ge=0, le=100000, description="penalty on total variation; higher is smoother"
    )

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        super().check(has_mask=has_mask)
        read_perceptors(self.perceptors, "primer")
        if complaint := next(self.complaints(has_init, has_target), ""):
            raise InvalidRequest(complaint)

    def complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        """Messages about contradictory options, or options that need an init or target image."""
        if self.init_weight.largest and not has_init:
            yield f"init_weight={self.init_weight} needs an init picture; leave it out without one."
