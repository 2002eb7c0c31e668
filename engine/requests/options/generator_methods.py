"""What the methods share whose picture a generator paints, from numbers that Adam moves and CLIP draws."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.errors import InvalidRequest
from engine.requests.clip_weights import read_perceptors
from engine.requests.options.base import Options
from engine.requests.options.clip_views import Views
from engine.requests.schedule import Schedule


class _Moving(Options):
    steps: int = Field(default=200, ge=2, le=2000, description="optimiser steps")
    learning_rate: float = Field(default=0.1, gt=0, le=2, description="of Adam")
    init_weight: Schedule = Field(
        default=0.0, ge=0, le=1000, validate_default=True, description="how hard the init picture holds on"
    )


class GeneratedOptions(Views, _Moving):
    """Steps, views, and how smooth the picture should be."""

    tv_scale: Schedule = Field(
        default=0.0, ge=0, le=100000, validate_default=True, description="smoothness (total variation)"
    )

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raise InvalidRequest for the first of the `complaints`."""
        super().check(has_mask=has_mask)
        read_perceptors(self.perceptors, "primer")
        if complaint := next(self.complaints(has_init, has_target), ""):
            raise InvalidRequest(complaint)

    def complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        """What contradicts itself, or lacks the picture that it speaks of."""
        if self.init_weight.largest and not has_init:
            yield f"init_weight={self.init_weight} needs an init picture; leave it out without one."
