"""A record in a PNG is believed only as far as it can be checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from engine.errors import DreamError, InvalidRequest
from engine.images.pictures import to_png
from engine.protocol.replay_record import KEYWORD, check_model, make_record, read_record, replay_request
from engine.requests.request import MAX_SEED, build_request


def record_of(count: int = 3, index: int = 2, seed: int = 7) -> dict[str, Any]:
    request = build_request("an owl", seed=seed, count=count)
    return make_record(request, index, {"bucket": 4})


def png_with(text: str) -> bytes:
    return to_png(Image.new("RGB", (8, 8)), {KEYWORD: text})


def test_one_picture_of_many_is_asked_for_by_its_own_seed() -> None:
    request = replay_request(read_record(png_with(json.dumps(record_of()))))

    assert (9, 1) == (request.seed, request.count)


def test_the_last_of_many_can_be_painted_again_however_large_its_seed() -> None:
    request = replay_request(read_record(png_with(json.dumps(record_of(seed=MAX_SEED)))))

    assert request == type(request).model_validate_json(request.model_dump_json())


def test_a_record_of_a_newer_form_is_refused_with_the_way_out() -> None:
    newer = record_of() | {"record": 2}

    with pytest.raises(InvalidRequest, match=r"form 2.*painted by a newer engine"):
        read_record(png_with(json.dumps(newer)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        "9" * 5000,
        '{"record": NaN}',
        '{"record": 1}',
        '{"record": true, "index": 0, "request": {}}',
        '{"record": 0, "index": 0, "request": {}}',
        '{"record": 1, "index": -1, "request": {}}',
        '{"record": 1, "index": true, "request": {}}',
        '{"record": 1, "index": 1e3, "request": {}}',
        '{"record": 1, "index": 100000000000, "request": {}}',
        '{"record": 1, "index": 0, "request": "a cat"}',
        '{"record": 1, "index": 0, "request": {}, "engine": "\\ud800"}',
        '{"record": 1, "index": 0, "request": {}, "resolved": {"\\udfff": 1}}',
        '{"record": 1, "index": 0, "request": {}, "x": "' + "y" * 300_000 + '"}',
    ],
)
def test_what_is_no_record_of_ours_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="record"):
        read_record(png_with(text))


@pytest.mark.parametrize(
    "changed",
    [
        {"request": {}},
        {"request": {"kind": "dream", "prompts": [{"text": "a"}], "extra": 1}},
        {"prompts": [{"text": "a " * 100_000}]},
        {"prompts": [{"text": "a"}] * 300},
        {"width": 4096, "height": 4096},
        {"width": 255},
        {"model": "nowhere"},
        {"count": 2},
        {"count": 10**9},
        {"seed": -1},
        {"options": {"method": "pixels", "steps": 10**9}},
    ],
)
def test_a_request_that_no_edge_would_let_in_is_not_painted_again(changed: dict[str, Any]) -> None:
    record = record_of()
    record = record | changed if "request" in changed else record | {"request": {**record["request"], **changed}}

    with pytest.raises(DreamError):
        check_model(replay_request(read_record(png_with(json.dumps(record)))))


@pytest.mark.parametrize("name", ["steps", "clip_guidance_scale", "eta"])
def test_a_number_beyond_every_float_is_refused(name: str) -> None:
    """JSON has whole numbers of any length: an option, or a schedule of one entry."""
    record = record_of()
    record["request"]["options"][name] = 10**400

    with pytest.raises(InvalidRequest, match=name):
        replay_request(read_record(png_with(json.dumps(record))))
