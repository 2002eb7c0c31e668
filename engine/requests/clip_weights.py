"""Which CLIPs guide, and how much each counts: ``ViT-B/32+RN50:0.5``. Only names that the host knows, never paths."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.catalogue.clips import CLIPS, clip_named
from engine.catalogue.flops import clip_cost
from engine.catalogue.model_info import Model
from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.requests.options.base import guess

USUAL = "usual"
MOST = 6
MOST_WEIGHT = 100.0
SHIPPED = ("primer", "primer-grader")
_WEIGHT = re.compile(r"(\d+(\.\d*)?|\.\d+)\Z")


@dataclass(frozen=True, slots=True)
class Weighted:
    """One CLIP by its name, and how much its gradient counts."""

    name: str
    weight: float = 1.0


def read_perceptors(text: str, usual: str) -> tuple[Weighted, ...]:
    """*text* as CLIPs; *usual* is the model's own. Raises InvalidRequest in words."""
    if text.strip() == USUAL:
        return (Weighted(usual),)
    found = tuple(_one(part.strip(), usual) for part in text.split("+"))
    names = [one.name for one in found]
    if len(found) > MOST:
        raise InvalidRequest(f"perceptors names {len(found)} CLIPs; the limit is {MOST}.")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidRequest(f"perceptors names {twice} twice; give it a weight instead, as in {twice}:2.")
    return found


def relative_view_cost(perceptors: str, model: Model) -> float:
    """Cost of one view through all of *perceptors* over one view through the *model*'s default CLIP."""
    clips = read_perceptors(perceptors, model.perceptor)
    return sum(clip_cost(clip.name) for clip in clips) / clip_cost(model.perceptor)


def known_perceptors() -> tuple[str, ...]:
    """Every CLIP that may be asked for: what ships, OpenAI's nine, and those of the host's models that have names."""
    usual = (model.perceptor for model in MODELS.values() if not model.perceptor.startswith(("/", "~", ".")))
    return tuple(dict.fromkeys((*SHIPPED, *(entry.name for entry in CLIPS), *usual)))


def _one(part: str, usual: str) -> Weighted:
    name, mark, weight = part.rpartition(":")
    if not mark:
        name, weight = part, "1"
    if not _WEIGHT.match(weight) or not 0 < float(weight) <= MOST_WEIGHT:
        raise InvalidRequest(f"perceptors: “{weight}” is not a weight; use a number above 0, up to {MOST_WEIGHT:g}.")
    return Weighted(_known(name, usual), float(weight))


def _known(name: str, usual: str) -> str:
    if name == USUAL:
        return usual
    if openai := clip_named(name):
        return openai.name
    if name not in known_perceptors():
        raise InvalidRequest(f"There is no CLIP “{name}”{guess(name, known_perceptors())}.".replace("?.", "?"))
    return name
