"""Options of methods that optimise the latents of a generator: `vqgan_clip` and `biggan_clip`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.errors import InvalidRequest
from engine.requests.options.base import Options
from engine.requests.options.clip_views import Views, read_perceptors
from engine.requests.schedule import Schedule, constant


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
