"""The guiding CLIPs of a request, what each counts, the views that they see; and the adapters of its net.

Named as in ``ViT-B/32+RN50:0.5``: only names that the host knows, never paths. A weight may be a schedule, as
discoart's clip_models_schedules: ``ViT-B/32+RN50:[1]*400+[0]*600``. A second text says how many cutouts each CLIP sees:
``32/[16]*400+[4]*600``. Adapters are written alike: ``mine:0.6+ink``.

`Augment` changes every view at random: ``rotate:10+shift:0.05+jitter:0.1``, or the name of a tool. A term is
``name:amount`` or ``name:amount:share``, where *share* is the part of the views that it changes. ``together`` draws one
change for all views of a batch, as Disco Diffusion does. ``white`` fills what lies beyond a view with white instead of
black.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field

from engine.catalogue.models import MODELS
from engine.catalogue.registry import CLIPS, Entry, Kind, Model, clip_cost, clip_named, entries
from engine.errors import InvalidRequest
from engine.requests.options.base import check_terms, ended, guess, guessed
from engine.requests.schedule import Schedule, WholeSchedule, constant, number_text, parse_schedule

NONE = "none"
TOOLS: Mapping[str, str] = {
    "disco": "rotate:10+shift:0.05+gray:0.1+jitter:0.1+together",
    "cda": "rotate:15+shift:0.1+perspective:0.4:0.7",
    "vqganclip": "rotate:15:0.7+shift:0.1:0.7+shear:5:0.7+perspective:0.7:0.7+jitter:0.1:0.7+erase:0.4:0.7",
    "clipdraw": "perspective:0.5+white",
}
"""Tool → its changes. `cda` is also Quick CLIP Guided Diffusion's. Gray views of both are the option `gray`."""
MOST: Mapping[str, float] = {
    "rotate": 180,  # degrees
    "shift": 0.5,  # of the side
    "shear": 45,  # degrees
    "perspective": 1,  # of half the side, by which corners move inwards
    "jitter": 0.5,  # of brightness, contrast, saturation and the circle of hues
    "gray": 1,  # part of the views
    "erase": 0.9,  # of the area; the smallest rectangle has a quarter of that
}
"""Term → its largest amount."""
CHANGED_VIEW = 1.1
"""Cost of a view that is changed, over a plain one; measured by tests/benchmarks/augmented.py."""
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
Term: TypeAlias = tuple[float, float]
"""Amount, and part of the views that are changed."""


@dataclass(frozen=True, slots=True)
class Augment:
    """Each change of the views; see `MOST` for the units of its amount."""

    rotate: Term = (0.0, 1.0)
    shift: Term = (0.0, 1.0)
    shear: Term = (0.0, 1.0)
    perspective: Term = (0.0, 1.0)
    jitter: Term = (0.0, 1.0)
    gray: Term = (0.0, 1.0)
    erase: Term = (0.0, 1.0)
    together: bool = False
    white: bool = False

    @property
    def moves(self) -> bool:
        return any(amount for amount, _ in (self.rotate, self.shift, self.shear, self.perspective))

    @property
    def colours(self) -> bool:
        return bool(self.jitter[0] or self.gray[0])

    @property
    def acts(self) -> bool:
        return self.moves or self.colours or bool(self.erase[0])

    @property
    def view_cost(self) -> float:
        return CHANGED_VIEW if self.acts else 1.0


PLAIN = Augment()


def read_augment(text: str) -> Augment:
    """Parse ``none``, a tool's name, or terms joined by ``+``. Raises InvalidRequest.

    >>> read_augment("rotate:15+perspective:0.4:0.7").perspective
    (0.4, 0.7)
    """
    text = TOOLS.get(text.strip(), text.strip())
    if text == NONE:
        return PLAIN
    found: dict[str, Term | bool] = {}
    for part in (part.strip() for part in text.split("+")):
        name, *numbers = part.split(":")
        if name in found:
            raise InvalidRequest(f"augment names {name} twice; leave out one of them.")
        found[name] = True if name in ("together", "white") and not numbers else _term(name, part, numbers)
    return Augment(**found)  # type: ignore[arg-type]


def _term(name: str, part: str, numbers: list[str]) -> Term:
    if name not in MOST:
        known = ", ".join((NONE, *TOOLS, *MOST, "together", "white"))
        raise InvalidRequest(f"augment has no term “{part}”; available: {known}.")
    if len(numbers) not in (1, 2) or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise InvalidRequest(f"augment: “{part}” is not name:amount or name:amount:share, as in rotate:15:0.7.")
    amount, share = float(numbers[0]), float(numbers[1]) if len(numbers) == 2 else 1.0
    if amount > MOST[name]:
        most = number_text(MOST[name])
        raise InvalidRequest(f"augment: {name}:{number_text(amount)} is too large; the limit is {most}.")
    if share > 1:
        raise InvalidRequest(f"augment: the share {number_text(share)} of {name} is too large; the limit is 1.")
    return amount, share


USUAL = "usual"
MOST_CLIPS = 6
MOST_WEIGHT = 100.0
SHIPPED = ("primer", "primer-grader")
ALL_ALIKE = "alike"
MOST_CUTOUTS = 256
FULL = constant(1.0)
_WEIGHT = re.compile(r"(\d+(\.\d*)?|\.\d+)\Z")
_BETWEEN = re.compile(r"\+(?!\s*\[)")


@dataclass(frozen=True, slots=True)
class Weighted:
    """One CLIP by its name, how much its gradient counts, and how many cutouts it sees."""

    name: str
    weight: Schedule = FULL
    cutouts: Schedule | None = None
    """None = as many as the option `cutouts` says."""


def read_perceptors(text: str, usual: str, cutouts: str = ALL_ALIKE) -> tuple[Weighted, ...]:
    """*text* as CLIPs; *usual* is the model's own. *cutouts*: one schedule per CLIP. Raises InvalidRequest in words."""
    found = (Weighted(usual),) if text.strip() == USUAL else _read_names(text, usual)
    if cutouts.strip() == ALL_ALIKE:
        return found
    counts = tuple(_read_cutouts(part.strip()) for part in cutouts.split("/"))
    if len(counts) != len(found):
        raise InvalidRequest(
            f"clip_cutouts names {len(counts)} CLIPs and perceptors {len(found)}; they go together, as in "
            "perceptors=ViT-B/32+RN50 clip_cutouts=32/16."
        )
    return tuple(replace(clip, cutouts=count) for clip, count in zip(found, counts, strict=True))


def guiding_clips(options: BaseModel, usual: str) -> tuple[Weighted, ...]:
    """The CLIPs that guide by *options*; *usual* is the model's own. Raises InvalidRequest in words."""
    return read_perceptors(getattr(options, "perceptors", USUAL), usual, getattr(options, "clip_cutouts", ALL_ALIKE))


def _read_names(text: str, usual: str) -> tuple[Weighted, ...]:
    found = tuple(_one(part.strip(), usual) for part in _BETWEEN.split(text))
    check_terms("perceptors", [one.name for one in found], " CLIPs", MOST_CLIPS, "weight:2")
    return found


def known_perceptors() -> tuple[str, ...]:
    """Every CLIP that may be asked for: what ships, OpenAI's nine, and those of the host's models that have names."""
    usual = (model.perceptor for model in MODELS.values() if not model.perceptor.startswith(("/", "~", ".")))
    return tuple(dict.fromkeys((*SHIPPED, *(entry.name for entry in CLIPS), *usual)))


def _one(part: str, usual: str) -> Weighted:
    name, mark, weight = part.rpartition(":")
    if not mark:
        name, weight = part, "1"
    if "[" in weight:
        schedule = parse_schedule(weight, "perceptors")
        if not (schedule >= 0 and schedule <= MOST_WEIGHT and schedule.largest > 0):
            raise InvalidRequest(f"perceptors: “{weight}” needs numbers from 0 to {MOST_WEIGHT:g}, not all of them 0.")
        return Weighted(_known(name, usual), schedule)
    if not _WEIGHT.match(weight) or not 0 < float(weight) <= MOST_WEIGHT:
        raise InvalidRequest(f"perceptors: “{weight}” is not a weight; use a number above 0, up to {MOST_WEIGHT:g}.")
    return Weighted(_known(name, usual), constant(float(weight)))


def _read_cutouts(text: str) -> Schedule:
    schedule = parse_schedule(text, "clip_cutouts")
    if not all(float(value).is_integer() and 1 <= value <= MOST_CUTOUTS for value in schedule.numbers):
        raise InvalidRequest(f"clip_cutouts: “{text}” is not a number of cutouts (1–{MOST_CUTOUTS}).")
    return schedule


def _known(name: str, usual: str) -> str:
    if name == USUAL:
        return usual
    if openai := clip_named(name):
        return openai.name
    if name not in known_perceptors():
        raise InvalidRequest(guessed(f"There is no CLIP “{name}”", name, known_perceptors()))
    return name


Flip: TypeAlias = Annotated[float, Field(ge=0, le=1, description="share of cutouts that are mirrored, 0 to 1")]
CutNoise: TypeAlias = Annotated[
    float, Field(ge=0, le=1, description="standard deviation of the noise added to each cutout")
]
AugmentText: TypeAlias = Annotated[
    str,
    Field(
        max_length=200,
        description="random changes of each cutout, as in rotate:10+shift:0.1, or the name of a preset",
    ),
]
Fuzzy: TypeAlias = Annotated[
    float,
    Field(
        ge=0,
        le=2,
        description="noise in 25 copies of each prompt over its length; Disco Diffusion's fuzzy_prompt is about 0.1",
    ),
]
Symmetry: TypeAlias = Annotated[
    Literal["none", "vertical", "horizontal", "both"],
    Field(description="mirror axis: vertical makes the left and the right half equal"),
]
Seamless: TypeAlias = Annotated[
    Literal["none", "across", "down", "both"], Field(description="matching edges, for tiling across, down or both")
]


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
    fuzzy: Fuzzy = 0.0
    distance: Literal["spherical", "cos_spherical"] = Field(
        default="spherical",
        description="distance between cutout and prompt; cos_spherical has a larger gradient at large distances",
    )
    cut_kind: str = "mixed"
    cutouts: WholeSchedule = Field(
        default=constant(32), ge=1, le=256, description="number of cutouts that CLIP sees in each step"
    )
    cut_batches: int = Field(
        default=1, ge=1, le=16, description="batches of cutouts per step, evaluated one after another"
    )
    cut_power: Schedule = Field(
        default=constant(1.0), ge=0.1, le=10, description="> 1 prefers small cutouts, < 1 large ones"
    )
    flip: Flip = 0.0
    gray: Schedule = Field(default=constant(0.0), ge=0, le=1, description="share of cutouts in grayscale, 0 to 1")
    cut_noise: CutNoise = 0.1
    augment: AugmentText = NONE

    def view_cost(self, model: Model) -> float:
        """Cost of one cutout through all CLIPs over an unchanged one through the *model*'s CLIP."""
        clips, usual = read_perceptors(self.perceptors, model.perceptor, self.clip_cutouts), self.cutouts.mean
        # CLIPs with their own cutouts count by their share of the usual number, and only in steps in which they guide.
        shares = [(clip.cutouts.mean / usual if clip.cutouts else 1.0) * clip.weight.share for clip in clips]
        cost = sum(clip_cost(clip.name) * share for clip, share in zip(clips, shares, strict=True))
        return cost / clip_cost(model.perceptor) * read_augment(self.augment).view_cost

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


MOST_ADAPTERS = 4
LARGEST_STRENGTH = 2.0


@dataclass(frozen=True, slots=True, order=True)
class WeightedAdapter:
    """One adapter by its name, and the factor of its change to the weights."""

    name: str
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.name}:{self.strength:g}"


def read_adapters(text: str) -> tuple[WeightedAdapter, ...]:
    """*text* as adapters, sorted by name; names may be unknown. Raises InvalidRequest in words."""
    if text.strip() in ("", NONE):
        return ()
    found = tuple(sorted(_one_adapter(part.strip()) for part in text.split("+")))
    check_terms("adapter", [one.name for one in found], " adapters", MOST_ADAPTERS, "strength:1.5")
    return found


def known_adapters(model: str = "") -> dict[str, Entry]:
    """The adapters of this host by name, all or those of *model*."""
    found = {name: entry for name, entry in entries().items() if entry.kind is Kind.ADAPTER}
    return {name: entry for name, entry in found.items() if model in ("", entry.adapts)}


def adapted_model(text: str) -> str:
    """The model of the first known adapter in *text*; empty without one. Raises InvalidRequest."""
    adapters = read_adapters(text)
    known = known_adapters() if adapters else {}
    return next((known[one.name].adapts for one in adapters if one.name in known), "")


def check_adapters(adapters: tuple[WeightedAdapter, ...], model: Model) -> None:
    """Raise InvalidRequest for an adapter that is unknown or belongs to another model."""
    known = known_adapters() if adapters else {}
    for one in adapters:
        if one.name not in known and one.name in MODELS:
            raise InvalidRequest(f"“{one.name}” is a model, not an adapter; choose it as the model.")
        if one.name not in known:
            available = guess(one.name, known_adapters(model.name) or known) if known else "; `train --lora` makes one"
            raise InvalidRequest(ended(f"Unknown adapter “{one.name}”{available}"))
        if (adapts := known[one.name].adapts) != model.name:
            raise InvalidRequest(f"The adapter “{one.name}” is for the model {adapts}, not for {model.name}.")


def _one_adapter(part: str) -> WeightedAdapter:
    name, mark, text = part.partition(":")
    try:
        strength = float(text) if mark else 1.0
    except ValueError:
        strength = math.nan
    if not name or not 0 < strength <= LARGEST_STRENGTH:
        raise InvalidRequest(
            f"adapter: “{part[:40]}” is not of the form NAME:STRENGTH, as in mine:0.6; "
            f"the strength is above 0, up to {LARGEST_STRENGTH:g}."
        )
    return WeightedAdapter(name, strength)
