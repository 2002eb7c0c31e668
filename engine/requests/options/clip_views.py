"""What CLIP is shown of a picture, which CLIP, and how near is near: alike where several CLIPs may guide."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import BaseModel, Field

from engine.catalogue.model_info import Model
from engine.requests.augment import NONE, read_augment
from engine.requests.clip_weights import USUAL, relative_view_cost
from engine.requests.schedule import Schedule, WholeSchedule


class Views(BaseModel):
    """Which views there are is another question in each method."""

    perceptors: str = Field(
        default=USUAL, max_length=200, description="the CLIPs that guide, as in ViT-B/32+RN50:0.5; usual = the model's"
    )
    target_weight: float = Field(default=1.0, ge=-100, le=100, description="of the target picture, among the prompts")
    distance: Literal["spherical", "cos_spherical"] = Field(
        default="spherical", description="between view and prompt; cos_spherical pulls harder on what is far"
    )
    cut_kind: str = "mixed"
    cutouts: WholeSchedule = Field(
        default=32, ge=1, le=256, validate_default=True, description="views of the picture that CLIP sees in each step"
    )
    cut_batches: int = Field(default=1, ge=1, le=16, description="so many times the views, one lot after the other")
    cut_power: Schedule = Field(
        default=1.0, ge=0.1, le=10, validate_default=True, description="> 1 prefers small views, < 1 large ones"
    )
    flip: float = Field(default=0.0, ge=0, le=1, description="part of the views that are mirrored")
    gray: Schedule = Field(
        default=0.0, ge=0, le=1, validate_default=True, description="part of the views without colour"
    )
    cut_noise: float = Field(default=0.1, ge=0, le=1, description="grain on every view")
    augment: str = Field(
        default=NONE, max_length=200, description="random changes of every view, as in rotate:10+shift:0.1, or a tool's"
    )

    def view_cost(self, model: Model) -> float:
        """Cost of one view through all CLIPs, over a plain one through the *model*'s own."""
        return relative_view_cost(self.perceptors, model) * read_augment(self.augment).view_cost

    def complaints_of_views(self, has_target: bool, *, sizing: Collection[str]) -> Iterator[str]:
        """What contradicts itself; kinds in *sizing* draw the sizes of their cuts.

        Raises InvalidRequest for an `augment` that cannot be read.
        """
        read_augment(self.augment)
        if self.target_weight != 1 and not has_target:
            yield f"target_weight={self.target_weight:g} needs a target picture; leave it out without one."
        if self.cut_kind in sizing and any(power != 1 for power in self.cut_power.numbers):
            kind = f"cut_kind={self.cut_kind}, which draws its own sizes"
            yield f"cut_power={self.cut_power} changes nothing with {kind}."
