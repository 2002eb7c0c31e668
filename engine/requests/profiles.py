"""Profiles of `profiles.toml`: many options by one name. Options named beside it override it.

The small model takes the first part of a profile, its steps and views. Published networks take all of it, because the
scales, limits and CLIPs of the second part were tuned for them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from engine.catalogue import registry as work
from engine.catalogue.models import MODELS
from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.options.base import Options, guessed, option_text
from engine.requests.options.biggan_clip import BigganClipOptions
from engine.requests.options.clip_diffusion import ClipDiffusionOptions, settled
from engine.requests.options.clip_views import read_perceptors
from engine.requests.options.clipdraw import ClipdrawOptions
from engine.requests.options.vqgan_clip import VqganClipOptions

USUAL_CLIP = "ViT-B/32"
OPTIMISED: Mapping[str, tuple[type[Options], str, float]] = {
    "clipdraw": (ClipdrawOptions, "primer", work.clip_cost(USUAL_CLIP)),
    "vqgan_clip": (VqganClipOptions, "vqgan-imagenet-16384", work.clip_cost(USUAL_CLIP)),
    "biggan_clip": (BigganClipOptions, "biggan-deep-512", work.BIGGAN[512]),
}
"""Method → its options, a model, and the unit of `Options.step_work` in 10¹² operations."""


@dataclass(frozen=True, slots=True)
class Profile:
    """*everywhere* is for every model, *published* for published nets besides. *source*: whose settings they are."""

    name: str
    about: str
    source: str
    everywhere: Mapping[str, object]
    published: Mapping[str, object] = field(default_factory=dict)
    method: str = "clip_diffusion"

    def settings(self, model: Model) -> dict[str, object]:
        return {**self.everywhere, **({} if model.limited_words else self.published)}

    @property
    def text(self) -> str:
        return " ".join(f"{name}={option_text(value)}" for name, value in {**self.everywhere, **self.published}.items())

    @property
    def teraflops(self) -> float:
        """Work for one image, in 10¹² operations; of clip_diffusion, of 256x256 on the 256-pixel ImageNet net."""
        chosen = {name: option_text(value) for name, value in {**self.everywhere, **self.published}.items()}
        if self.method in OPTIMISED:
            options, model, unit = OPTIMISED[self.method]
            one = options.model_validate(chosen)
            return one.steps * one.step_work(MODELS[model]) * unit
        return teraflops(ClipDiffusionOptions.model_validate(settled({}, chosen)))


def teraflops(options: ClipDiffusionOptions) -> float:
    """The nets' work for one picture of 256x256 on the 256-pixel ImageNet net, in 10¹² operations."""
    clips = read_perceptors(options.perceptors, USUAL_CLIP)
    views = options.views * sum(work.clip_cost(clip.name) for clip in clips)
    through = work.gradient_cost(options.gradient, options.extra_evaluations)
    steps = options.steps - options.skip_steps
    return steps * (work.NET + options.guided_share * (through + views))


def _read() -> Iterator[Profile]:
    tables = tomllib.loads((files(__package__) / "profiles.toml").read_text(encoding="utf-8"))
    for name, table in tables.items():
        yield Profile(name, **{**tables.get(table.pop("like", ""), {}), **table})


PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in _read()}


def profiles_of(method: str) -> tuple[Profile, ...]:
    return tuple(profile for profile in PROFILES.values() if profile.method == method)


def find_profile(name: str) -> Profile:
    """The profile of that name, or InvalidRequest with a guess."""
    if name not in PROFILES:
        raise InvalidRequest(guessed(f"There is no profile “{name}”", name, PROFILES))
    return PROFILES[name]


def profile_rows() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, what it is, teraflops, settings, source) of every profile."""
    for profile in PROFILES.values():
        yield profile.name, profile.about, f"{profile.teraflops:.0f}", profile.text, profile.source
