"""Options of methods that several CLIPs can guide: perceptors, distance and cutouts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import BaseModel, Field

from engine.catalogue.model_info import Model
from engine.requests.augment import NONE, read_augment
from engine.requests.clip_weights import ALL_ALIKE, USUAL, read_perceptors, relative_view_cost
from engine.requests.schedule import Schedule, WholeSchedule


class Views(BaseModel):
    """Each method has its own values of `cut_kind`."""

    perceptors: str = Field(
        default=USUAL,
        max_length=200,
        description="the guiding CLIPs with weights, as in ViT-B/32+RN50:0.5; usual = the model's CLIP",
    )
    clip_cutouts: str = Field(
        default=ALL_ALIKE,
        max_length=400,
        description="cutouts of each CLIP in the order of perceptors, as in 32/[16]*400+[4]*600; alike = cutouts",
    )
    target_weight: float = Field(
        default=1.0, ge=-100, le=100, description="weight of the target image among the prompts"
    )
    fuzzy: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="noise in 25 copies of each prompt over its length; Disco Diffusion's fuzzy_prompt is about 0.1",
    )
    distance: Literal["spherical", "cos_spherical"] = Field(
        default="spherical",
        description="distance between cutout and prompt; cos_spherical has a larger gradient at large distances",
    )
    cut_kind: str = "mixed"
    cutouts: WholeSchedule = Field(
        default=32, ge=1, le=256, validate_default=True, description="number of cutouts that CLIP sees in each step"
    )
    cut_batches: int = Field(
        default=1, ge=1, le=16, description="batches of cutouts per step, evaluated one after another"
    )
    cut_power: Schedule = Field(
        default=1.0, ge=0.1, le=10, validate_default=True, description="> 1 prefers small cutouts, < 1 large ones"
    )
    flip: float = Field(default=0.0, ge=0, le=1, description="share of cutouts that are mirrored, 0 to 1")
    gray: Schedule = Field(
        default=0.0, ge=0, le=1, validate_default=True, description="share of cutouts in grayscale, 0 to 1"
    )
    cut_noise: float = Field(
        default=0.1, ge=0, le=1, description="standard deviation of the noise added to each cutout"
    )
    augment: str = Field(
        default=NONE,
        max_length=200,
        description="random changes of each cutout, as in rotate:10+shift:0.1, or the name of a preset",
    )

    def view_cost(self, model: Model) -> float:
        """Cost of one cutout through all CLIPs over an unchanged one through the *model*'s CLIP."""
        share = relative_view_cost(self.perceptors, model, self.clip_cutouts, self.cutouts.mean)
        return share * read_augment(self.augment).view_cost

    def complaints_of_views(self, has_target: bool, *, sizing: Collection[str]) -> Iterator[str]:
        """Messages about contradictory options; cut kinds in *sizing* ignore `cut_power`.

        Raises InvalidRequest for an invalid `augment`, `perceptors` or `clip_cutouts`.
        """
        read_augment(self.augment)
        read_perceptors(self.perceptors, "primer", self.clip_cutouts)
        if self.target_weight != 1 and not has_target:
            yield f"target_weight={self.target_weight:g} needs a target picture; leave it out without one."
        if self.cut_kind in sizing and any(power != 1 for power in self.cut_power.numbers):
            kind = f"cut_kind={self.cut_kind}, which draws its own sizes"
            yield f"cut_power={self.cut_power} changes nothing with {kind}."
