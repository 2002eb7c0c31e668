from __future__ import annotations

import pytest

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.requests.profiles import PROFILES, profiles_of, teraflops
from engine.requests.request import ClipDiffusionOptions, build_options, parse_settings


def options(settings: str, model: str = "imagenet-512") -> ClipDiffusionOptions:
    built = build_options(MODELS[model], "", parse_settings(settings))
    assert isinstance(built, ClipDiffusionOptions)
    return built


@pytest.mark.parametrize("name", [one.name for one in profiles_of("clip_diffusion")])
@pytest.mark.parametrize("model", ["primer", "imagenet-512", "imagenet-128"])
def test_every_profile_can_be_asked_of_every_model(name: str, model: str) -> None:
    options(f"profile={name}", model).check(has_init=False)


DISCO = {
    "steps": 250, "skip_steps": 10, "eta": 0.8, "clip_guidance_scale": 5000, "tv_scale": 0, "saturation_scale": 0,
    "clamp_max": 0.05, "cut_batches": 4, "cut_power": 1, "overview": "[12]*400+[4]*600",
    "cutouts": "[4]*400+[12]*600", "gray": "[0.2]*400+[0]*600", "perceptors": "ViT-B/32+ViT-B/16+RN50",
    "gradient": "secondary", "augment": "disco", "flip": 0.5, "cut_noise": 3**0.5 * 0.02, "init_fit": "stretch",
}  # fmt: skip
CDA = {
    "steps": 50, "respacing": "ddim50", "skip_steps": 5, "eta": 0, "perceptors": "ViT-B/16", "cutouts": 30,
    "cut_batches": 4, "clip_guidance_scale": 50 * 5000, "tv_scale": 50 * 100, "range_scale": 50 * 150,
    "saturation_scale": 0, "clamp_max": 0.05, "distance": "spherical", "cut_kind": "padded", "flip": 0.5,
    "gray": 0.15, "augment": "cda", "cut_noise": 0, "init_fit": "stretch",
}  # fmt: skip
QCGD = {
    "steps": 50, "eta": 0.5, "cutouts": 32, "cut_batches": 2, "clip_guidance_scale": 700, "tv_scale": 75,
    "range_scale": 100, "saturation_scale": 100, "clamp_max": 0.05, "perceptors": "usual", "augment": "cda",
    "cut_noise": 4**0.5 * 0.02, "init_fit": "stretch",
}  # fmt: skip
VQGANCLIP = {
    "steps": 500, "learning_rate": 0.1, "cutouts": 32, "cut_batches": 1, "optimizer": "adam", "init_weight": 0,
    "perceptors": "ViT-B/32", "augment": "vqganclip", "cut_noise": 0.2 / 3**0.5, "cut_kind": "whole",
}  # fmt: skip
BIGSLEEP = {
    "steps": 1050, "learning_rate": 0.07, "cutouts": 128, "max_classes": 0, "class_temperature": 2, "classes": "all",
    "ema_decay": 0.5, "latents": "each", "cut_kind": "big_sleep", "perceptors": "ViT-B/32",
}  # fmt: skip
CLIPDRAW = {
    "steps": 1000, "strokes": 256, "learning_rate": 1, "stroke_width": 100 / 224, "cutouts": 4, "cut_noise": 0,
    "cut_kind": "clipdraw", "augment": "clipdraw", "decay": "steps", "paper": "white",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "method", "model", "published"),
    [
        ("disco", "clip_diffusion", "imagenet-512", DISCO),
        ("cda", "clip_diffusion", "imagenet-256", CDA),
        ("art", "clip_diffusion", "imagenet-256", CDA),
        ("qcgd", "clip_diffusion", "imagenet-256", QCGD),
        ("vqganclip", "vqgan_clip", "vqgan-imagenet-16384", VQGANCLIP),
        ("bigsleep", "biggan_clip", "biggan-deep-512", BIGSLEEP),
        ("clipdraw", "clipdraw", "primer", CLIPDRAW),
    ],
)
def test_a_tools_profile_has_its_published_settings(
    name: str, method: str, model: str, published: dict[str, float | str]
) -> None:
    """The tables are those of the tools' own documentation and command lines; grain is the rms of all its layers."""
    built = build_options(MODELS[model], method, {"profile": name})
    found = {option: getattr(built, option) for option in published}
    found = {option: getattr(value, "plain", value) for option, value in found.items()}
    assert {o: v for o, v in found.items() if isinstance(v, str)} == {
        o: v for o, v in published.items() if isinstance(v, str)
    }
    numbers = {o: v for o, v in found.items() if not isinstance(v, str)}
    assert numbers == pytest.approx({o: v for o, v in published.items() if not isinstance(v, str)}, rel=0.01)


def test_every_profile_names_its_source_and_costs_something() -> None:
    assert all(profile.source and profile.teraflops > 0 for profile in PROFILES.values())


def test_what_is_said_beside_a_profile_goes_first() -> None:
    chosen = options("profile=disco eta=0.3 cutouts=8")
    assert (0.3, 8, "disco", "secondary") == (chosen.eta, chosen.cutouts.plain, chosen.cut_kind, chosen.gradient)


def test_what_hangs_on_a_choice_falls_with_it() -> None:
    other_cuts = options("profile=disco cut_kind=classic")
    assert 0 == other_cuts.overview.plain
    other_steps = options("profile=art steps=20")
    assert ("even", 20) == (other_steps.respacing, other_steps.steps)
    other_sampler = options("profile=disco sampler=plms")
    assert 0 == other_sampler.eta


def test_the_small_model_takes_steps_and_views_but_not_what_was_tuned_for_others() -> None:
    small = options("profile=disco", "primer")
    assert ("disco", "usual", "net", 0.1) == (small.cut_kind, small.perceptors, small.gradient, small.shift_max.plain)


def test_costs_are_those_of_the_published_count() -> None:
    assert 140 == pytest.approx(PROFILES["fast"].teraflops, rel=0.02)
    by_cost = sorted(profiles_of("clip_diffusion"), key=lambda profile: profile.teraflops)
    assert ["draft", "fast", "qcgd", "art", "cda", "classic", "disco"] == [profile.name for profile in by_cost]


def test_guiding_every_other_step_halves_what_guiding_costs() -> None:
    always, half = (teraflops(options(f"steps=10 cutouts=10 guide_every={k}", "primer")) for k in (1, 2))
    unguided = 10 * 2.24
    assert always - unguided == pytest.approx(2 * (half - unguided))


def test_an_unknown_profile_gets_a_guess() -> None:
    with pytest.raises(InvalidRequest, match="no profile “disko”; did you mean “disco”"):
        options("profile=disko")


def test_a_profile_of_another_method_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="“fast” is for clip_diffusion, not pixels: take method=clip_diffusion"):
        build_options(MODELS["primer"], "pixels", {"profile": "fast"})
    with pytest.raises(InvalidRequest, match="not clipdraw: take method=clip_diffusion, or profile=clipdraw"):
        build_options(MODELS["primer"], "clipdraw", {"profile": "fast"})


def test_fewer_steps_than_a_profile_skips_can_be_asked_for() -> None:
    assert (5, 0) == (options("profile=disco steps=5").steps, options("profile=disco steps=5").skip_steps)
