"""The options of `vqgan_clip`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from engine.errors import InvalidRequest
from engine.options.base import Options
from engine.options.perceptors import USUAL, read_perceptors
from engine.options.schedule import Schedule, WholeSchedule
from engine.prompts import MAX_WEIGHT, Prompt

NONE = "none"
MOST_NOISE_PROMPTS = 8
_NOISE_PROMPT = re.compile(r"(\d{1,10})(?::([+-]?(?:\d+(?:\.\d*)?|\.\d+)))?\Z")


class VqganClipOptions(Options):
    """VQGAN+CLIP: a grid of codes that CLIP moves until their picture fits the words; the look of 2021."""

    method: Literal["vqgan_clip"] = "vqgan_clip"
    steps: int = Field(default=200, ge=2, le=2000, description="optimiser steps; the notebooks took 300 to 500")
    learning_rate: float = Field(default=0.1, gt=0, le=2, description="of the optimiser, in the codebook's own units")
    decay: Literal["none", "cosine"] = Field(
        default="none", description="of the learning rate: as in the notebooks it stays, or it falls to nothing"
    )
    optimizer: Literal["adam", "adamw"] = Field(
        default="adam", description="adamw also draws the grid towards zero, by 1 % of the learning rate"
    )
    start: Literal["codes", "pixels", "gradient"] = Field(
        default="codes", description="without an init picture: random codes, encoded noise, or an encoded gradient"
    )
    init_weight: Schedule = Field(
        default=0.0, ge=0, le=1000, validate_default=True, description="how hard the init picture's codes hold on"
    )
    perceptors: str = Field(
        default=USUAL, max_length=200, description="the CLIPs that guide, as in ViT-B/32+RN50:0.5; usual = the model's"
    )
    target_weight: float = Field(default=1.0, ge=-100, le=100, description="of the target picture, among the prompts")
    noise_prompts: str = Field(
        default=NONE,
        max_length=200,
        description="random directions to pull in, by seed and weight, as in 7:0.3+12:-0.2",
    )
    distance: Literal["spherical", "cos_spherical"] = Field(
        default="spherical", description="between view and prompt; cos_spherical pulls harder on what is far"
    )
    cut_kind: Literal["mixed", "classic", "padded"] = Field(
        default="classic", description="where views lie: our mix, random squares, or those with a black rim"
    )
    cutouts: WholeSchedule = Field(
        default=32, ge=1, le=256, validate_default=True, description="views of the picture that CLIP sees in each step"
    )
    cut_batches: int = Field(default=1, ge=1, le=16, description="so many times the views, one lot after the other")
    cut_power: Schedule = Field(
        default=1.0, ge=0.1, le=10, validate_default=True, description="> 1 prefers small views, < 1 large ones"
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="part of the views that are mirrored")
    gray: Schedule = Field(
        default=0.0, ge=0, le=1, validate_default=True, description="part of the views without colour"
    )
    cut_noise: float = Field(default=0.1, ge=0, le=1, description="grain on every view")
    tv_scale: Schedule = Field(
        default=0.0, ge=0, le=100000, validate_default=True, description="smoothness (total variation)"
    )

    @property
    def noise(self) -> tuple[tuple[int, float], ...]:
        """Seed and weight of every noise prompt. Raises InvalidRequest in words."""
        return read_noise_prompts(self.noise_prompts)

    @property
    def noise_weights(self) -> tuple[Prompt, ...]:
        """The noise prompts as far as weights go, to be added up with those of the words."""
        return tuple(Prompt(text="noise", weight=weight) for _, weight in self.noise)

    def check(self, *, has_init: bool, has_target: bool) -> None:
        """Raise InvalidRequest for options that contradict each other or what comes with the request."""
        read_perceptors(self.perceptors, "primer")
        if complaint := next(self._complaints(has_init, has_target), ""):
            raise InvalidRequest(complaint)

    def _complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        if self.init_weight.largest and not has_init:
            yield f"init_weight={self.init_weight} needs an init picture; leave it out without one."
        if has_init and self.start != "codes":
            yield f"start={self.start} and an init picture are two starts; leave out one of them."
        if self.target_weight != 1 and not has_target:
            yield f"target_weight={self.target_weight:g} needs a target picture; leave it out without one."
        if self.cut_kind == "padded" and any(power != 1 for power in self.cut_power.numbers):
            yield f"cut_power={self.cut_power} changes nothing with cut_kind=padded, which draws its own sizes."


def read_noise_prompts(text: str) -> tuple[tuple[int, float], ...]:
    """``7:0.3+12`` → ((7, 0.3), (12, 1.0)). Raises InvalidRequest in words."""
    parts = [part.strip() for part in re.split(r"\+(?=\s*\d)", text)] if text.strip() not in ("", NONE) else []
    if len(parts) > MOST_NOISE_PROMPTS:
        raise InvalidRequest(f"noise_prompts names {len(parts)} seeds; {MOST_NOISE_PROMPTS} is the most.")
    return tuple(_noise_prompt(part) for part in parts)


def _noise_prompt(part: str) -> tuple[int, float]:
    match = _NOISE_PROMPT.match(part)
    if not match:
        raise InvalidRequest(f"noise_prompts: “{part}” is not a seed with a weight, as in 7:0.3.")
    weight = float(match.group(2) or 1)
    if abs(weight) > MAX_WEIGHT:
        raise InvalidRequest(f"noise_prompts: the weight {match.group(2)} is too large; ±{MAX_WEIGHT:g} is the most.")
    return int(match.group(1)), weight
