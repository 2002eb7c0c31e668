"""The options of `clipdraw`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.requests.options.base import refuse
from engine.requests.options.optimiser_methods import OptimisedOptions

STROKE_WORK = 0.2
"""Cost of one stroke in a step, in views through CLIP."""


class ClipdrawOptions(OptimisedOptions):
    """CLIPDraw: strokes of a pen or a brush, moved by CLIP alone; sharp at any size."""

    method: Literal["clipdraw"] = "clipdraw"
    steps: int = Field(default=150, ge=5, le=2000, description="optimisation steps")
    learning_rate: float = Field(
        default=2.0, gt=0, le=20, description="distance that a point can move per step, in 1/224 of the longer side"
    )
    decay: Literal["cosine", "steps"] = Field(
        default="cosine", description="decay of the learning rate: to 0, or as in the paper to 0.4, then 0.1"
    )
    cut_kind: Literal["mixed", "classic", "clipdraw"] = Field(
        default="mixed",
        description="placement of cutouts: mixed sizes, random squares, or nearly the whole image, as in the paper",
    )
    strokes: int = Field(default=64, ge=1, le=512, description="number of strokes; later ones cover earlier ones")
    curves: int = Field(default=2, ge=1, le=3, description="cubic Bézier curves per stroke")
    stroke_width: float = Field(default=3.0, ge=0.2, le=20, description="initial stroke width, in % of the longer side")
    placement: Literal["random", "edges"] = Field(
        default="random", description="with an init image: strokes begin anywhere, or lie on its edges as in CLIPasso"
    )
    ink: Literal["colour", "black", "white"] = Field(default="colour", description="stroke colour; colour = optimised")
    paper: Literal["white", "black", "cream"] = Field(default="white", description="paper colour")

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raises InvalidRequest for edges without an init image."""
        super().check(has_init=has_init, has_target=has_target, has_mask=has_mask)
        if self.placement == "edges" and not has_init:
            refuse("placement=edges needs an init picture, whose edges the strokes follow.")

    @property
    def own_work(self) -> float:
        return STROKE_WORK * self.strokes
