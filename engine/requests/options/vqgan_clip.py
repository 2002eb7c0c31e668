"""The options of `vqgan_clip`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.options.base import check_terms
from engine.requests.options.clip_views import Flip
from engine.requests.options.optimiser_methods import GeneratedOptions
from engine.requests.prompts import MAX_WEIGHT
from engine.requests.schedule import Schedule, constant

NONE = "none"
MOST_NOISE_PROMPTS = 8
DECODER_WORK, SMALL_DECODER_WORK = 25.0, 4.0
"""Cost of a step without its views, in views through CLIP: a published decoder, the built-in one. Counted."""
_NOISE_PROMPT = re.compile(r"(\d{1,10})(?::([+-]?(?:\d+(?:\.\d*)?|\.\d+)))?\Z")


class VqganClipOptions(GeneratedOptions):
    """VQGAN+CLIP: a grid of codes that CLIP moves until their picture fits the words; the look of 2021."""

    primer_weights: ClassVar[tuple[str, ...]] = ("clip", "vqgan")
    method: Literal["vqgan_clip"] = "vqgan_clip"
    steps: int = Field(default=200, ge=2, le=2000, description="optimisation steps; the notebooks used 300 to 500")
    learning_rate: float = Field(default=0.1, gt=0, le=2, description="learning rate, in units of the codebook")
    init_weight: Schedule = Field(
        default=constant(0.0), ge=0, le=1000, description="strength of the similarity to the codes of the init image"
    )
    cut_kind: Literal["mixed", "classic", "padded", "whole"] = Field(
        default="classic",
        description="placement of cutouts: mixed sizes, random squares, with a black border, or the whole image",
    )
    flip: Flip = 0.5
    decay: Literal["none", "cosine"] = Field(
        default="none", description="learning rate schedule: constant as in the notebooks, or cosine to 0"
    )
    optimizer: Literal["adam", "adamw"] = Field(
        default="adam", description="optimiser; adamw has a weight decay of 0.01"
    )
    start: Literal["codes", "pixels", "gradient"] = Field(
        default="codes",
        description="start without an init image: random codes, encoded noise, or an encoded colour gradient",
    )
    noise_prompts: str = Field(
        default=NONE,
        max_length=200,
        description="random target directions as seed:weight, as in 7:0.3+12:-0.2",
    )

    @property
    def directions(self) -> tuple[tuple[int, float], ...]:
        """The noise prompts. Raises InvalidRequest in words."""
        return read_noise_prompts(self.noise_prompts)

    def step_work(self, model: Model) -> float:
        """In views through the model's CLIP."""
        decoder = SMALL_DECODER_WORK if model.limited_words else DECODER_WORK
        return decoder + self.cut_batches * self.cutouts.mean * self.view_cost(model)

    def painting_on(self) -> VqganClipOptions:
        """The codes of a picture are a start of their own."""
        return self.model_copy(update={"steps": max(self.steps // 2, 2), "start": "codes"})

    def complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        if has_init and self.start != "codes":
            yield f"start={self.start} and an init picture are two starts; leave out one of them."
        yield from super().complaints(has_init, has_target)
        yield from self.complaints_of_views(has_target, sizing=("padded", "whole"))


def read_noise_prompts(text: str) -> tuple[tuple[int, float], ...]:
    """``7:0.3+12`` → ((7, 0.3), (12, 1.0)). Raises InvalidRequest in words."""
    parts = [part.strip() for part in re.split(r"\+(?=\s*\d)", text)] if text.strip() not in ("", NONE) else []
    check_terms("noise_prompts", parts, " seeds", MOST_NOISE_PROMPTS)
    return tuple(_noise_prompt(part) for part in parts)


def _noise_prompt(part: str) -> tuple[int, float]:
    match = _NOISE_PROMPT.match(part)
    if not match:
        raise InvalidRequest(f"noise_prompts: “{part}” is not a seed with a weight, as in 7:0.3.")
    weight = float(match.group(2) or 1)
    if abs(weight) > MAX_WEIGHT:
        raise InvalidRequest(f"noise_prompts: the weight {match.group(2)} is too large; the limit is ±{MAX_WEIGHT:g}.")
    return int(match.group(1)), weight
