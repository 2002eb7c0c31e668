from __future__ import annotations

import pytest

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.requests.profiles import PROFILES, teraflops
from engine.requests.request import ClipDiffusionOptions, build_options, parse_settings


def options(settings: str, model: str = "imagenet-512") -> ClipDiffusionOptions:
    built = build_options(MODELS[model], "", parse_settings(settings))
    assert isinstance(built, ClipDiffusionOptions)
    return built


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("model", ["primer", "imagenet-512", "imagenet-128"])
def test_every_profile_can_be_asked_of_every_model(name: str, model: str) -> None:
    options(f"profile={name}", model).check(has_init=False)


def test_there_are_the_five() -> None:
    assert {"draft", "fast", "classic", "art", "disco"} == set(PROFILES)
    assert all(profile.source for profile in PROFILES.values())


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
    by_cost = sorted(PROFILES.values(), key=lambda profile: profile.teraflops)
    assert ["draft", "fast", "art", "classic", "disco"] == [profile.name for profile in by_cost]


def test_guiding_every_other_step_halves_what_guiding_costs() -> None:
    always, half = (teraflops(options(f"steps=10 cutouts=10 guide_every={k}", "primer")) for k in (1, 2))
    unguided = 10 * 2.24
    assert always - unguided == pytest.approx(2 * (half - unguided))


def test_a_profile_that_is_none_is_guessed_at() -> None:
    with pytest.raises(InvalidRequest, match="no profile “disko”; did you mean “disco”"):
        options("profile=disko")


def test_pixels_has_no_profiles() -> None:
    with pytest.raises(InvalidRequest, match="pixels has no profiles"):
        build_options(MODELS["primer"], "pixels", {"profile": "fast"})
