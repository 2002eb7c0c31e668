"""A word for many settings: ``profile=disco`` paints as that tool did. What somebody says beside it goes first.

A profile has two parts. The small models take the first, what it does with its steps and views; the published nets take
all of it: the second holds scales, limits and CLIPs that were tuned for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.catalogue import flops as work
from engine.catalogue.model_info import Model
from engine.errors import InvalidRequest
from engine.requests.clip_weights import read_perceptors
from engine.requests.options.base import guess, option_text
from engine.requests.options.clip_diffusion import ClipDiffusionOptions, settled

METHOD = "clip_diffusion"
USUAL_CLIP = "ViT-B/32"


@dataclass(frozen=True, slots=True)
class Profile:
    """*everywhere* is for every model, *published* for published nets besides. *source*: whose settings they are."""

    name: str
    about: str
    source: str
    everywhere: Mapping[str, object]
    published: Mapping[str, object] = field(default_factory=dict)

    def settings(self, model: Model) -> dict[str, object]:
        """What it says for *model*."""
        return {**self.everywhere, **({} if model.limited_words else self.published)}

    @property
    def text(self) -> str:
        """All of it as people type it."""
        return " ".join(f"{name}={option_text(value)}" for name, value in {**self.everywhere, **self.published}.items())

    @property
    def teraflops(self) -> float:
        """What one picture of 256x256 costs on the 256-pixel ImageNet net, in 10¹² operations."""
        chosen = {name: option_text(value) for name, value in {**self.everywhere, **self.published}.items()}
        return teraflops(ClipDiffusionOptions.model_validate(settled({}, chosen)))


def teraflops(options: ClipDiffusionOptions) -> float:
    """The nets' work for one picture of 256x256 on the 256-pixel ImageNet net, in 10¹² operations."""
    clips = read_perceptors(options.perceptors, USUAL_CLIP)
    views = options.views * sum(work.clip_cost(clip.name) for clip in clips)
    through = work.gradient_cost(options.gradient, options.looks_apart)
    steps = options.steps - options.skip_steps
    return steps * (work.NET + options.guided_share * (through + views))


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
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
            {"steps": 25, "eta": 0.5, "cut_kind": "padded"},
            {
                "clip_guidance_scale": 350.0,
                "tv_scale": 50.0,
                "range_scale": 50.0,
                "clamp_max": 0.05,
                "shift_max": 0.0,
                "sees": "blended",
                "cutouts": 32,
                "cut_batches": 2,
                "cut_noise": 0.01,
                "flip": 0.5,
                "gray": 0.15,
                "augment": "cda",
            },
        ),
        Profile(
            "classic",
            "where it began, in a quarter of its thousand steps",
            "CLIP Guided Diffusion HQ (Katherine Crowson), as nerdyrodent's CLIP-Guided-Diffusion keeps it",
            {"steps": 250, "sampler": "ddpm", "cut_kind": "classic"},
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
        Profile(
            "art",
            "paintings, slowly",
            "clip-diffusion-art (Sreevishnu Damodaran), its scales with its multiplier of 50",
            {"respacing": "ddim50", "steps": 50, "eta": 0.0, "cut_kind": "padded"},
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
        ),
        Profile(
            "disco",
            "overview first, details later, three CLIPs and the secondary net",
            "Disco Diffusion 5.7 (Somnai, gandamu and others)",
            {
                "steps": 250,
                "eta": 0.8,
                "cut_kind": "disco",
                "overview": "[12]*400+[4]*600",
                "cutouts": "[4]*400+[12]*600",
                "gray": "[0.2]*400+[0]*600",
            },
            {
                "clip_guidance_scale": 5000.0,
                "tv_scale": 0.0,
                "range_scale": 150.0,
                "clamp_max": 0.05,
                "shift_max": 0.0,
                "sees": "blended",
                "cut_batches": 4,
                "cut_noise": 0.02,
                "flip": 0.5,
                "augment": "disco",
                "gradient": "secondary",
                "perceptors": "ViT-B/32+ViT-B/16+RN50",
            },
        ),
    )
}


def find_profile(name: str) -> Profile:
    """The profile of that name, or InvalidRequest with a guess."""
    if name not in PROFILES:
        raise InvalidRequest(f"There is no profile “{name}”{guess(name, PROFILES)}.".replace("?.", "?"))
    return PROFILES[name]


def profile_rows() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, what it is, teraflops, settings, source) of every profile."""
    for profile in PROFILES.values():
        yield profile.name, profile.about, f"{profile.teraflops:.0f}", profile.text, profile.source
