"""Options of methods that optimise an image without a generator: `clipdraw` and `pixels`."""

from __future__ import annotations

from pydantic import Field

from engine.requests.options.base import Options
from engine.requests.options.clip_views import NONE, read_augment


class OptimisedOptions(Options):
    steps: int = Field(default=80, ge=5, le=2000, description="optimisation steps")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="learning rate of Adam")
    cutouts: int = Field(default=4, ge=1, le=256, description="number of cutouts that CLIP sees in each step")
    cut_power: float = Field(default=1.0, ge=0.1, le=10, description="> 1 prefers small cutouts, < 1 large ones")
    flip: float = Field(default=0.0, ge=0, le=1, description="share of cutouts that are mirrored, 0 to 1")
    gray: float = Field(default=0.0, ge=0, le=1, description="share of cutouts in grayscale, 0 to 1")
    cut_noise: float = Field(
        default=0.1, ge=0, le=1, description="standard deviation of the noise added to each cutout"
    )
    augment: str = Field(
        default=NONE,
        max_length=200,
        description="random changes of each cutout, as in rotate:10+shift:0.1, or the name of a preset",
    )
    fuzzy: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="noise in 25 copies of each prompt over its length; Disco Diffusion's fuzzy_prompt is about 0.1",
    )
    tv_scale: float = Field(default=0.0, ge=0, le=100000, description="penalty on total variation; higher is smoother")

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raises InvalidRequest for a mask or an invalid `augment`."""
        super().check(has_mask=has_mask)
        read_augment(self.augment)
