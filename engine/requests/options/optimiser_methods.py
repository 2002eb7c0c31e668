"""What all methods share that move a picture's own numbers by Adam, with CLIP alone to guide them."""

from __future__ import annotations

from pydantic import Field

from engine.requests.augment import NONE, read_augment
from engine.requests.options.base import Options


class OptimisedOptions(Options):
    """Steps and views."""

    steps: int = Field(default=80, ge=5, le=2000, description="optimiser steps")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="of Adam")
    cutouts: int = Field(default=4, ge=1, le=256, description="views of the picture that CLIP sees in each step")
    cut_power: float = Field(default=1.0, ge=0.1, le=10, description="> 1 prefers small views, < 1 large ones")
    flip: float = Field(default=0.0, ge=0, le=1, description="part of the views that are mirrored")
    gray: float = Field(default=0.0, ge=0, le=1, description="part of the views without colour")
    cut_noise: float = Field(default=0.1, ge=0, le=1, description="grain on every view")
    augment: str = Field(
        default=NONE, max_length=200, description="random changes of every view, as in rotate:10+shift:0.1, or a tool's"
    )
    tv_scale: float = Field(default=0.0, ge=0, le=100000, description="smoothness (total variation)")

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raise InvalidRequest for a mask, or an `augment` that cannot be read."""
        super().check(has_mask=has_mask)
        read_augment(self.augment)
