"""The options of `biggan`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field

from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.options.base import Options, check_terms, refuse
from engine.requests.options.biggan_clip import IMAGENET_CLASSES, read_classes

NAMED, NO_WALK = "named", "none"
WALK_STEPS = 48
"""Default number of pictures of a walk."""
MOST_SEEDS = 16
_SEED = re.compile(r"\d{1,10}\Z")


class BigganOptions(Options):
    """BigGAN: pictures of ImageNet's classes without CLIP, in one step, and walks from seed to seed."""

    guided: ClassVar[bool] = False
    method: Literal["biggan"] = "biggan"
    steps: int = Field(
        default=1, ge=1, le=2000, description=f"pictures of a walk; {WALK_STEPS} by default with through"
    )
    classes: str = Field(
        default=NAMED,
        max_length=200,
        description="classes of the picture: named = those that the prompt names, or their own, as in 980:2+tench",
    )
    truncation: float = Field(
        default=0.5, ge=0.02, le=1, description="truncation of the latents; lower is cleaner and less varied"
    )
    through: str = Field(
        default=NO_WALK,
        max_length=200,
        description="seeds that a walk passes before it returns to its own, as in 12+31; filmed by --evolution",
    )

    @classmethod
    def settle(cls, usual: Mapping[str, object], chosen: Mapping[str, str]) -> Self:
        """A walk has `WALK_STEPS` pictures."""
        walk = {"steps": WALK_STEPS} if chosen.get("through", NO_WALK) != NO_WALK else {}
        return cls.model_validate({**usual, **walk, **chosen})

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that a walk passes. Raises InvalidRequest."""
        words = [word.strip() for word in self.through.split("+")] if self.through != NO_WALK else []
        if wrong := next((word for word in words if not _SEED.match(word)), None):
            refuse(f"through: “{wrong[:40]}” is not a seed, as in 12+31.")
        check_terms("through", words, " seeds", MOST_SEEDS)
        return tuple(int(word) for word in words)

    @property
    def chosen(self) -> tuple[tuple[int, float], ...]:
        """The classes by number, with parts of 1; empty for `named`. Raises InvalidRequest."""
        return () if self.classes.strip() == NAMED else read_classes(self.classes)

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raises InvalidRequest for images, which this method cannot use, and for steps without a walk."""
        super().check(has_mask=has_mask)
        if has_init or has_target:
            refuse("biggan cannot use a picture; biggan_clip can start from one.")
        _ = self.chosen
        if self.seeds and self.steps < 2 * len(self.seeds) + 2:
            refuse(f"A walk through {len(self.seeds)} seeds needs at least {2 * len(self.seeds) + 2} steps.")
        if not self.seeds and self.steps > 1:
            refuse("steps is the number of pictures of a walk, and a walk needs through, as in through=12+31.")

    def check_model(self, model: Model, chosen: Collection[str]) -> None:
        """Raises InvalidRequest for classes that *model* lacks."""
        for number, _ in self.chosen:
            if number >= model.classes:
                refuse(f"Unknown class {number} of {model.title}. Available: 0 to {model.classes - 1}.")
        if not self.chosen and model.classes != IMAGENET_CLASSES:
            raise InvalidRequest(
                f"The {model.classes} classes of {model.title} have no names; choose by number, as in classes=0."
            )
