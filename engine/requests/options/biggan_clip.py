"""The options of `biggan_clip` and of `biggan`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field

from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.options.base import Options, check_terms, refuse
from engine.requests.options.clip_views import CutNoise
from engine.requests.options.optimiser_methods import GeneratedOptions
from engine.requests.schedule import Schedule, constant

LIKELY, ALL = "likely", "all"
MOST_CLASSES, MOST_WEIGHT = 20, 100.0
IMAGENET_CLASSES = 1000
"""As many have names, which CLIP can compare with a prompt."""
HOLD = 300.0
"""The usual init_weight with an init picture."""
_CLASS = re.compile(r"(\d{1,7})(?::(\d+(?:\.\d*)?|\.\d+))?\Z")


class BigganClipOptions(GeneratedOptions):
    """BigGAN+CLIP: classes and random numbers of a GAN that CLIP moves until their picture fits; “The Big Sleep”."""

    method: Literal["biggan_clip"] = "biggan_clip"
    steps: int = Field(default=200, ge=2, le=2000, description="optimisation steps; Big Sleep uses 1000 or more")
    learning_rate: float = Field(default=0.07, gt=0, le=1, description="learning rate of Adam")
    init_weight: Schedule = Field(
        default=constant(0.0),
        ge=0,
        le=10000,
        description=f"strength of the similarity to the init image's colours; {HOLD:g} by default with an init image",
    )
    cut_kind: Literal["big_sleep", "mixed", "classic"] = Field(
        default="big_sleep", description="placement of cutouts: as in Big Sleep, mixed sizes, or random squares"
    )
    cut_noise: CutNoise = 0.0
    classes: str = Field(
        default=LIKELY,
        max_length=200,
        description="initial classes: likely = nearest to the prompt by CLIP, all = a faint mix of all, or 980:2+tench",
    )
    max_classes: int = Field(default=0, ge=0, le=100, description="maximum number of mixed classes; 0 = no limit")
    class_temperature: float = Field(
        default=2.0, ge=0.05, le=50, description="with max_classes: lower values favour the strongest class"
    )
    class_weight: float = Field(default=1.0, ge=0, le=100, description="penalty on all classes but the strongest")
    latents: Literal["each", "one"] = Field(
        default="each", description="each block has separate latents and classes, or all blocks share one set"
    )
    latent_weight: float = Field(
        default=1.0, ge=0, le=100, description="penalty that keeps the latents normally distributed"
    )
    truncation: float = Field(
        default=1.0, ge=0.02, le=1, description="truncation of the latents; lower is cleaner and less varied"
    )
    ema_decay: float = Field(
        default=0.5,
        ge=0,
        le=0.999,
        description="decay of the moving average of the latents that gives the final image; 0 = the last latents",
    )

    @property
    def chosen(self) -> tuple[tuple[int, float], ...]:
        """The classes that it begins with, and how much of each there is; nothing for `likely` and `all`."""
        return () if self.classes.strip() in (LIKELY, ALL) else read_classes(self.classes)

    def for_init(self, chosen: Collection[str], *, masked: bool) -> BigganClipOptions:
        """It holds on to the picture's colours."""
        return self if "init_weight" in chosen else self.painting_on()

    def painting_on(self) -> BigganClipOptions:
        """It holds on to the picture's colours: as hard as it says, or else as usual."""
        return self if self.init_weight.largest else self.model_copy(update={"init_weight": constant(HOLD)})

    def complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        if len(self.chosen) > (self.max_classes or MOST_CLASSES):
            named, most = len(self.chosen), self.max_classes
            yield f"classes names {named} to begin with, and max_classes={most} lets fewer mix."
        if self.class_temperature != 2 and not self.max_classes:
            yield f"class_temperature={self.class_temperature:g} is one of max_classes; set that too, or leave it out."
        yield from super().complaints(has_init, has_target)
        yield from self.complaints_of_views(has_target, sizing=("big_sleep",))

    def step_work(self, model: Model) -> float:
        """In passes of the network."""
        views = self.cut_batches * self.cutouts.mean * self.view_cost(model)
        return 1 + views * model.view_share

    def check_model(self, model: Model, chosen: Collection[str]) -> None:
        classes, title = model.classes, model.title
        for number, _ in self.chosen:
            if number >= classes:
                raise InvalidRequest(f"Unknown class {number} of {title}. Available: 0 to {classes - 1}.")
        if self.classes.strip() == LIKELY and classes != IMAGENET_CLASSES:
            raise InvalidRequest(
                f"classes={LIKELY} compares the prompt with the names of ImageNet's {IMAGENET_CLASSES} classes, and "
                f"{title} has {classes} others; name them by their numbers, or take {ALL}."
            )
        if self.max_classes >= classes:
            raise InvalidRequest(f"max_classes={self.max_classes} limits nothing: {title} has {classes} classes.")


def read_classes(text: str) -> tuple[tuple[int, float], ...]:
    """``980:2+483`` → ((980, ⅔), (483, ⅓)): numbers of classes, with parts of 1. Raises InvalidRequest in words."""
    found = [_class(part.strip()) for part in text.split("+")]
    check_terms("classes", [number for number, _ in found], "", MOST_CLASSES, "weight:2")
    total = sum(weight for _, weight in found)
    return tuple((number, weight / total) for number, weight in found)


def _class(part: str) -> tuple[int, float]:
    match = _CLASS.match(part)
    if not match:
        raise InvalidRequest(f"classes: “{part}” is neither {LIKELY} nor {ALL} nor a class, as in 980:2+tench.")
    weight = float(match.group(2) or 1)
    if not 0 < weight <= MOST_WEIGHT:
        raise InvalidRequest(f"classes: the weight {match.group(2)} is out of range (> 0, ≤ {MOST_WEIGHT:g}).")
    return int(match.group(1)), weight


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
