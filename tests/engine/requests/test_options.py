from __future__ import annotations

from typing import Any

import pytest

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.loaders.checkpoint import PRIMER_WEIGHTS
from engine.requests.prompts import Prompt
from engine.requests.request import (
    METHODS,
    ClipDiffusionOptions,
    build_request,
    parse_settings,
    request_from_json,
    request_to_json,
)

INIT = "f" * 64


def options(**request: object) -> ClipDiffusionOptions:
    built = build_request("an owl", **request)  # type: ignore[arg-type]
    assert isinstance(built.options, ClipDiffusionOptions)
    return built.options


def test_with_an_init_picture_half_of_the_steps_are_skipped_by_default() -> None:
    assert 20 == options(steps=40, init_image=INIT).skip_steps
    assert 5 == options(steps=40, init_image=INIT, settings={"skip_steps": "5"}).skip_steps
    assert 0 == options(steps=40).skip_steps


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"steps": 20, "init_image": INIT, "settings": {"skip_steps": "20"}},
            "skip_steps=20 leaves nothing .* the limit is 19",
        ),
        ({"settings": {"init_scale": "100"}}, "init_scale=100 needs an init picture"),
        ({"settings": {"init_distance": "features"}}, "init_distance=features needs init_scale"),
        ({"settings": {"eta": "0.5", "sampler": "plms"}}, "eta=0.5 sets the noise of ddim, and plms adds none"),
        ({"settings": {"eta": "0.5", "sampler": "ddpm"}}, "ddpm adds a fixed amount"),
        ({"settings": {"order": "3"}}, "order=3 applies only to plms, ltsp and stsp"),
        ({"settings": {"eta": "1", "sampler": "stsp"}}, "eta=1 sets the noise of ddim, and stsp adds none"),
        ({"steps": 40, "settings": {"respacing": "ddim50"}}, "respacing=ddim50 makes 50 steps, not 40"),
        ({"settings": {"respacing": "ddim150"}}, "use ddim143"),
        ({"settings": {"respacing": "soon"}}, "“soon” is not a valid respacing"),
        ({"settings": {"respacing": "300,600"}}, "the limit is 500"),
        ({"settings": {"overview": "4"}}, "overview=4 needs cut_kind=disco"),
        ({"settings": {"cut_kind": "padded", "cut_power": "2"}}, "cut_power=2 changes nothing with cut_kind=padded"),
        ({"settings": {"guide_from": "0.8", "guide_until": "0.2"}}, "guide_from=0.8 is not before guide_until=0.2"),
        ({"settings": {"symmetry_until": "0.5"}}, "symmetry_until=0.5 needs symmetry"),
        ({"settings": {"target_weight": "2"}}, "target_weight=2 needs a target picture"),
        ({"init_image": INIT, "settings": {"perlin": "mixed"}}, "perlin=mixed and an init picture are two starts"),
        ({"mask_image": INIT}, "A mask needs an init picture"),
        ({"mask_image": INIT, "init_image": INIT, "settings": {"symmetry": "both"}}, "mask and symmetry contradict"),
        ({"mask_image": INIT, "init_image": INIT, "method": "pixels"}, "pixels does not support a mask"),
        ({"settings": {"class_id": "3"}}, "class_id=3 is not a class of the small model: it has no classes"),
        ({"model": "imagenet-256", "settings": {"cfg_scale": "3"}}, "cfg_scale=3 guides nets that read the prompt"),
        ({"target_image": INIT, "settings": {"target_weight": "-1"}}, "add up to zero"),
        ({"settings": {"perceptors": "primer+primer"}}, "names primer twice"),
        ({"settings": {"perceptors": "primer:0"}}, "“0” is not a weight; use a number above 0, up to"),
        ({"settings": {"perceptors": "ViT-B/23"}}, "There is no CLIP “ViT-B/23”; did you mean “ViT-B/"),
        ({"settings": {"perceptors": "/etc/passwd"}}, "There is no CLIP"),
        ({"settings": {"eta": "1.5"}}, r"eta=1.5 is out of range \(0–1\)"),
        ({"settings": {"steps": "1"}}, r"steps=1 is out of range \(2–1000\)"),
        (
            {"settings": {"cutouts": "[4]*2+[400]"}},
            r"cutouts=\[4\]\*2\+\[400\] is out of range \(1–256\)",
        ),
        ({"settings": {"cutouts": "2.5"}}, "cutouts=2.5 is not a whole number; its range is 1–256"),
        ({"settings": {"eta": "much"}}, "eta=much is not a number; its range is 0–1"),
        ({"settings": {"sampler": "dim"}}, "sampler=dim is not one of its values; did you mean “ddim”"),
        ({"settings": {"samplr": "ddim"}}, "no option “samplr”; did you mean “sampler”"),
    ],
)
def test_options_that_contradict_each_other_are_named(request_: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        options(**request_)


def test_a_stored_request_that_contradicts_itself_is_refused_in_words() -> None:
    raw = request_to_json(build_request("an owl")).replace('"skip_steps":0', '"skip_steps":99')
    with pytest.raises(InvalidRequest, match="leaves nothing of 15 steps"):
        request_from_json(raw)


def test_a_sampler_brings_the_noise_that_it_has() -> None:
    assert [1.0, 1.0, 0.0, 0.0, 0.0, 0.0] == [
        options(settings={"sampler": sampler}).eta for sampler in ("ddim", "ddpm", "plms", "dpmpp_2m", "ltsp", "stsp")
    ]


def test_a_spacing_says_how_many_steps_there_are() -> None:
    assert [50, 50] == [options(settings={"respacing": spacing}).steps for spacing in ("ddim50", "10,15,25")]


def test_clouds_leave_out_a_fifth_of_the_steps() -> None:
    assert 8 == options(steps=40, settings={"perlin": "mixed"}).skip_steps


def test_what_a_mask_covers_is_painted_from_the_first_step() -> None:
    assert 0 == options(steps=40, init_image=INIT, mask_image=INIT).skip_steps


def test_a_variation_of_clouds_starts_from_the_picture_instead() -> None:
    request = build_request("an owl", steps=20, settings={"perlin": "gray"}).starting_from(INIT)
    again = request_from_json(request_to_json(request))
    assert again == request and isinstance(request.options, ClipDiffusionOptions)
    assert ("none", 10) == (request.options.perlin, request.options.skip_steps)


def test_schedules_and_lists_are_read_among_other_settings() -> None:
    text = "cutouts=[12]*400 + [4]*600, eta=0.5,steps=10 respacing=2,3,5 perceptors=primer + primer-grader:0.5"
    assert {
        "cutouts": "[12]*400+[4]*600",
        "eta": "0.5",
        "steps": "10",
        "respacing": "2,3,5",
        "perceptors": "primer+primer-grader:0.5",
    } == parse_settings(text)


def test_a_request_with_schedules_is_stored_and_read_back() -> None:
    request = build_request("an owl", settings={"cutouts": "[12]*400+[4]*600", "clamp_max": "[0.1]*3+[0.05]"})
    assert request == request_from_json(request_to_json(request))
    assert '"cutouts":"[12]*400+[4]*600"' in request_to_json(request)


def test_a_request_of_the_first_version_is_read_as_what_it_was() -> None:
    stored = (
        '{"version":1,"kind":"dream","prompts":[{"text":"an owl","image":"","weight":1.0}],"model":"primer","options":'
        '{"steps":25,"method":"clip_diffusion","eta":1.0,"clip_guidance_scale":1000.0,"cfg_scale":2.5,"cutouts":4,'
        '"cut_power":1.0,"flip":0.0,"gray":0.0,"cut_noise":0.1,"tv_scale":0.0,"range_scale":0.0,"saturation_scale":0.0,'
        '"clamp_max":0.0,"shift_max":0.1,"skip_steps":0,"init_scale":0.0},"width":256,"height":256,"seed":7,"count":1,'
        '"init_image":"","target_image":""}'
    )
    assert build_request("an owl", steps=25, seed=7) == request_from_json(stored)


def test_what_the_small_model_cannot_do_is_said_in_a_sentence() -> None:
    with pytest.raises(InvalidRequest, match=r"^The small model cannot paint 13×13; the nearest size is 192×192"):
        build_request("an owl", size="13x13")


def test_every_member_of_the_union_is_a_method() -> None:
    for name, options in METHODS.items():
        usual = options.settle({}, {})
        assert name == usual.method
        for model in (model for model in MODELS.values() if name in model.methods):
            assert 1 == options.settle(model.defaults[name], {}).effort(model)
        assert all((PRIMER_WEIGHTS / f"{file}.safetensors").is_file() for file in options.primer_weights)


def test_pictures_without_words_get_more_steps_unless_others_are_typed() -> None:
    def steps(prompt: str = "", **typed: Any) -> int:
        request = build_request(prompt, pictures=[Prompt(image="0" * 64)], seed=1, **typed)
        return int(request.options.steps)

    assert (25, 15, 15, 40) == (steps(), steps("an owl"), steps(steps=15), steps(steps=40))
    assert (
        steps(settings={"profile": "draft"}) == build_request("a", seed=1, settings={"profile": "draft"}).options.steps
    )
    assert steps(method="pixels") == build_request("a", seed=1, method="pixels").options.steps
