"""Which CLIPs guide, and how much each counts: ``ViT-B/32+RN50:0.5``. Only names that the host knows, never paths.

A weight may be a schedule, as discoart's clip_models_schedules: ``ViT-B/32+RN50:[1]*400+[0]*600``. A second text says
how many cutouts each CLIP sees: ``32/[16]*400+[4]*600``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.catalogue.clips import CLIPS, clip_named
from engine.catalogue.flops import clip_cost
from engine.catalogue.model_info import Model
from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.requests.options.base import guessed
from engine.requests.schedule import Schedule, constant, parse_schedule

USUAL = "usual"
MOST = 6
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


def _read_names(text: str, usual: str) -> tuple[Weighted, ...]:
    found = tuple(_one(part.strip(), usual) for part in _BETWEEN.split(text))
    names = [one.name for one in found]
    if len(found) > MOST:
        raise InvalidRequest(f"perceptors names {len(found)} CLIPs; the limit is {MOST}.")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidRequest(f"perceptors names {twice} twice; give it a weight instead, as in {twice}:2.")
    return found


def relative_view_cost(perceptors: str, model: Model, cutouts: str = ALL_ALIKE, usual: float = 1.0) -> float:
    """Cost of one view through all of *perceptors* over one view through the *model*'s default CLIP.

    CLIPs of *cutouts* count by their share of the *usual* number, and only in steps in which they guide.
    """
    clips = read_perceptors(perceptors, model.perceptor, cutouts)
    shares = ((clip.cutouts.mean / usual if clip.cutouts else 1.0) * clip.weight.share for clip in clips)
    costs = (clip_cost(clip.name) for clip in clips)
    return sum(cost * share for cost, share in zip(costs, shares, strict=True)) / clip_cost(model.perceptor)


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
