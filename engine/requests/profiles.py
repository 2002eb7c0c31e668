"""Profiles: many options by one name, usually the published settings of a tool. Options named beside it override it.

The small model takes the first part of a profile, its steps and views. Published networks take all of it, because the
scales, limits and CLIPs of the second part were tuned for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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
        """What it says for *model*."""
        return {**self.everywhere, **({} if model.limited_words else self.published)}

    @property
    def text(self) -> str:
        """All of it as people type it."""
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
    through = work.gradient_cost(options.gradient, options.looks_apart)
    steps = options.steps - options.skip_steps
    return steps * (work.NET + options.guided_share * (through + views))


_QUICK: Mapping[str, object] = {
    "clamp_max": 0.05,
    "shift_max": 0.0,
    "sees": "blended",
    "cut_batches": 2,
    "cutouts": 32,
    "cut_noise": 0.04,  # 0.01 in [0, 1] between its four changes
    "flip": 0.5,
    "gray": 0.15,
    "augment": "cda",
}
_ART = Profile(
    "art",
    "paintings, slowly: the same as cda",
    "clip-diffusion-art (Sreevishnu Damodaran), its scales with its multiplier of 50",
    {
        "respacing": "ddim50",
        "steps": 50,
        "skip_steps": 5,
        "eta": 0.0,
        "cut_kind": "padded",
        "init_fit": "stretch",
    },
    {
        "clip_guidance_scale": 250000.0,
        "tv_scale": 5000.0,
        "range_scale": 7500.0,
        "clamp_max": 0.05,
        "shift_max": 0.0,
        "sees": "blended",
        "cutouts": 30,
        "cut_batches": 4,
        "cut_noise": 0.0,
        "flip": 0.5,
        "gray": 0.15,
        "augment": "cda",
        "perceptors": "ViT-B/16",
    },
)
_DIFFUSION = (
    Profile(
        "draft",
        "a first look: few steps, the gradient of the predicted picture alone",
        "MPGD (He et al. 2023, arXiv 2311.16424) with the step counts of Quick CLIP Guided Diffusion",
        {"steps": 15, "eta": 0.5, "gradient": "xstart", "cutouts": 4},
        {"cutouts": 12, "clip_guidance_scale": 1000.0, "clamp_max": 0.05, "shift_max": 0.0, "range_scale": 50.0},
    ),
    Profile(
        "fast",
        "a picture a minute on the cards of 2021",
        "Quick CLIP Guided Diffusion (Daniel Russell), its note for 25 steps",
        {"steps": 25, "eta": 0.5, "cut_kind": "padded", "init_fit": "stretch"},
        {**_QUICK, "clip_guidance_scale": 350.0, "tv_scale": 50.0, "range_scale": 50.0},
    ),
    Profile(
        "qcgd",
        "as fast, with the scales of its form, which saturate colours less",
        "Quick CLIP Guided Diffusion (Daniel Russell), the defaults of its form",
        {"respacing": "ddim50", "steps": 50, "eta": 0.5, "cut_kind": "padded", "init_fit": "stretch"},
        {
            **_QUICK,
            "clip_guidance_scale": 700.0,
            "tv_scale": 75.0,
            "range_scale": 100.0,
            "saturation_scale": 100.0,
        },
    ),
    Profile(
        "classic",
        "where it began, in a quarter of its thousand steps",
        "CLIP Guided Diffusion HQ (Katherine Crowson), as nerdyrodent's CLIP-Guided-Diffusion keeps it",
        {"steps": 250, "sampler": "ddpm", "cut_kind": "classic", "init_fit": "stretch"},
        {
            "clip_guidance_scale": 1000.0,
            "tv_scale": 150.0,
            "range_scale": 50.0,
            "clamp_max": 0.0,
            "shift_max": 0.0,
            "sees": "blended",
            "cutouts": 16,
            "cut_batches": 2,
            "cut_noise": 0.0,
            "perceptors": "ViT-B/16",
        },
    ),
    _ART,
    replace(_ART, name="cda", about="paintings, slowly: clip-diffusion-art as its command line has it"),
    Profile(
        "disco",
        "overview first, details later, three CLIPs and the secondary net; its range_scale of 150 has no effect there",
        "Disco Diffusion 5.7 (Somnai, gandamu and others)",
        {
            "steps": 250,
            "skip_steps": 10,
            "eta": 0.8,
            "cut_kind": "disco",
            "overview": "[12]*400+[4]*600",
            "cutouts": "[4]*400+[12]*600",
            "gray": "[0.2]*400+[0]*600",
            "init_fit": "stretch",
        },
        {
            "clip_guidance_scale": 5000.0,
            "tv_scale": 0.0,
            "range_scale": 0.0,
            "clamp_max": 0.05,
            "shift_max": 0.0,
            "sees": "blended",
            "cut_batches": 4,
            "cut_noise": 0.0346,  # 0.01 in [0, 1], three times
            "flip": 0.5,
            "augment": "disco",
            "gradient": "secondary",
            "perceptors": "ViT-B/32+ViT-B/16+RN50",
        },
    ),
)
_OTHERS = (
    Profile(
        "vqganclip",
        "the notebooks' VQGAN+CLIP: every view shows the whole picture",
        "VQGAN-CLIP (nerdyrodent), after Katherine Crowson",
        {
            "steps": 500,
            "learning_rate": 0.1,
            "decay": "none",
            "optimizer": "adam",
            "cutouts": 32,
            "cut_kind": "whole",
            "cut_noise": 0.115,  # the rms of U(0, 0.1) in [0, 1]
            "flip": 0.0,
            "augment": "vqganclip",
            "init_fit": "stretch",
        },
        {"perceptors": "ViT-B/32"},
        "vqgan_clip",
    ),
    Profile(
        "bigsleep",
        "one epoch of The Big Sleep, from all classes at once",
        "big-sleep (Phil Wang), after Ryan Murdock",
        {
            "steps": 1050,
            "learning_rate": 0.07,
            "cutouts": 128,
            "cut_kind": "big_sleep",
            "cut_noise": 0.0,
            "classes": "all",
            "max_classes": 0,
            "latents": "each",
            "ema_decay": 0.5,
        },
        {"perceptors": "ViT-B/32"},
        "biggan_clip",
    ),
    Profile(
        "clipdraw",
        "256 strokes in 1000 steps",
        "CLIPDraw (Kevin Frans, L. B. Soros and Olaf Witkowski)",
        {
            "steps": 1000,
            "strokes": 256,
            "stroke_width": 0.45,  # one of 224 pixels
            "learning_rate": 1.0,
            "decay": "steps",
            "cutouts": 4,
            "cut_kind": "clipdraw",
            "cut_noise": 0.0,
            "augment": "clipdraw",
        },
        {},
        "clipdraw",
    ),
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (*_DIFFUSION, *_OTHERS)}


def profiles_of(method: str) -> tuple[Profile, ...]:
    """The profiles of *method*."""
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
