"""Option names of other programs lead to ours."""

from __future__ import annotations

import pytest

from engine.errors import InvalidRequest
from engine.requests.options.base import BESIDE, SYNONYMS, guess_option
from engine.requests.request import METHODS, build_request, option_names


@pytest.mark.parametrize(
    ("typed", "method", "said"),
    [
        ("iterations", "vqgan_clip", "did you mean “steps”?"),
        ("cutn", "vqgan_clip", "did you mean “cutouts”?"),
        ("cutn_batches", "clip_diffusion", "did you mean “cut_batches”?"),
        ("sat_scale", "clip_diffusion", "did you mean “saturation_scale”?"),
        ("cfg", "clip_diffusion", "did you mean “cfg_scale”?"),
        ("lr", "pixels", "did you mean “learning_rate”?"),
        ("Denoising-Strength", "clip_diffusion", "did you mean “skip_steps”?"),
        ("tile", "clip_diffusion", "did you mean “seamless”?"),
        ("iw", "vqgan_clip", "did you mean “init_weight”?"),
        ("iteratons", "clipdraw", "did you mean “steps”?"),
        ("sead", "clip_diffusion", "the seed is given as seed."),
        ("seed", "clip_diffusion", "the seed is given as seed."),
        ("width", "clip_diffusion", "width and height are given as size, as in 512x288."),
        ("negative_prompt", "clip_diffusion", "what to avoid is given as negative."),
        ("fuzzy_prompt", "pixels", "did you mean “fuzzy”?"),
        ("clip_models_schedules", "vqgan_clip", "did you mean “clip_cutouts”?"),
        ("cutout", "clip_diffusion", "did you mean “cutouts”?"),
        (
            "zzz",
            "pixels",
            "available: augment, cut_noise, cut_power, cutouts, flip, fuzzy, gray, init_fit, learning_rate, profile, "
            "steps",
        ),
    ],
)
def test_a_name_of_another_program_leads_to_ours(typed: str, method: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        build_request("an owl", method=method, settings={typed: "5"})

    assert said in str(refused.value)


def test_every_synonym_leads_somewhere() -> None:
    ours = {name for options in METHODS.values() for name in option_names(options)}

    assert not {name for names in SYNONYMS.values() for name in names} - ours - set(BESIDE)
    assert all("there is" not in guess_option(word, ours) for word in SYNONYMS)
