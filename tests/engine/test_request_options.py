from __future__ import annotations

import pytest

from engine.errors import InvalidRequest
from engine.requests import ClipDiffusionOptions, build_request, request_from_json, request_to_json

INIT = "f" * 64


def options(**request: object) -> ClipDiffusionOptions:
    built = build_request("an owl", **request)  # type: ignore[arg-type]
    assert isinstance(built.options, ClipDiffusionOptions)
    return built.options


def test_with_an_init_picture_half_of_the_steps_are_left_out_unless_somebody_says_otherwise() -> None:
    assert 20 == options(steps=40, init_image=INIT).skip_steps
    assert 5 == options(steps=40, init_image=INIT, settings={"skip_steps": "5"}).skip_steps
    assert 0 == options(steps=40).skip_steps


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"steps": 20, "init_image": INIT, "settings": {"skip_steps": "20"}},
            "skip_steps=20 leaves nothing .* 19 is the most",
        ),
        ({"settings": {"skip_steps": "5"}}, "skip_steps=5 needs an init picture"),
        ({"settings": {"init_scale": "100"}}, "init_scale=100 needs an init picture"),
    ],
)
def test_options_that_contradict_each_other_are_named(request_: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        options(**request_)


def test_a_stored_request_that_contradicts_itself_is_refused_in_words() -> None:
    raw = request_to_json(build_request("an owl")).replace('"skip_steps":0', '"skip_steps":3')
    with pytest.raises(InvalidRequest, match="needs an init picture"):
        request_from_json(raw)
