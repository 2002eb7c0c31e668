"""Which upscaler "auto" stands for, and what of a picture's record may be kept in the one that is made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from engine.images.pictures import to_png
from engine.protocol.replay_record import KEYWORD, LONGEST_SOURCE, find_record
from engine.requests.request import SHIPPED, best_upscaler
from engine.upscalers import usable_upscalers
from engine.weights.store.folder import VARIABLE


@pytest.mark.parametrize(
    ("usable", "scale", "expected"),
    [
        (("lanczos", "primer"), 4, "primer"),
        (("lanczos",), 4, "lanczos"),
        ((), 4, "lanczos"),
        (("lanczos", "primer", "my-faces"), 4, "my-faces"),
        (("lanczos", "primer", "my-faces", "swinir-m", "realesr-general"), 4, "realesr-general"),
        (("lanczos", "realesrgan-x2plus", "realesrgan-x4plus"), 4, "realesrgan-x4plus"),
        (("lanczos", "realesrgan-x2plus", "realesrgan-x4plus"), 2, "realesrgan-x2plus"),
        (("lanczos", "realesrgan-x2plus", "realesrgan-x4plus"), 1.5, "realesrgan-x2plus"),
        (("lanczos", "realesrgan-x2plus"), 3, "realesrgan-x2plus"),
    ],
)
def test_auto_takes_the_best_that_is_here(usable: tuple[str, ...], scale: float, expected: str) -> None:
    assert expected == best_upscaler(usable, scale)


def test_what_is_not_downloaded_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))

    assert set(SHIPPED) == set(usable_upscalers())


RECORD = {"record": 1, "engine": "1", "index": 0, "resolved": {}}
REQUEST = {"kind": "upscale", "image": "0" * 64, "width": 1, "height": 1}


def holding(record: object) -> bytes:
    return to_png(Image.new("RGB", (1, 1)), {KEYWORD: json.dumps(record)})


def test_a_record_is_kept_without_what_others_have_put_into_it() -> None:
    assert {**RECORD, "request": REQUEST, "pixels": ""} == find_record(
        holding({**RECORD, "request": REQUEST, "more": "x" * 9})
    )


@pytest.mark.parametrize(
    "data",
    [
        b"no picture",
        to_png(Image.new("RGB", (1, 1))),
        holding({**RECORD, "request": {"kind": "upscale"}}),
        holding({**RECORD, "request": REQUEST, "resolved": {"x": float("nan")}}),
        holding({**RECORD, "request": REQUEST, "resolved": {"x": "y" * LONGEST_SOURCE}}),
        holding({"index": 0, "request": REQUEST}),
        holding({**RECORD, "request": REQUEST, "resolved": {"x": "\ud800"}}),
        holding({**RECORD, "request": REQUEST, "source": {"x": float("inf")}}),
    ],
)
def test_a_record_that_is_broken_hostile_or_huge_is_not_kept(data: bytes) -> None:
    assert find_record(data) is None
