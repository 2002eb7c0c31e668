"""Every frame's request, frames that are painted in order, and films that go on where they were stopped."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import InvalidRequest
from engine.film.plan import Film, FilmSettings, frame_path, paint_film
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.methods import Finished, find_method
from engine.protocol.messages import Job
from engine.protocol.replay_record import KEYWORD
from engine.requests.request import DreamRequest, build_request
from tests.engine.methods.easels import EASELS
from tests.engine.tiny import paint

PARTS = " | ".join(f"word{number}" for number in range(12))


def film(prompt: str = "a red circle ^ snow", frames: int = 6, zoom: str = "1.1", **more: Any) -> Film:
    own = {name: more.pop(name) for name in ("fade", "keep", "frame_steps", "hold", "hold_by") if name in more}
    settings = FilmSettings(frames, zoom, "3", "5", **{"fade": 1, **own})
    return settings.plan(prompt, lambda words: build_request(words, seed=7, **{"steps": 10, **more}))


def picture(number: int) -> bytes:
    return to_png(Image.fromarray(np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)))


def test_a_later_frame_starts_from_the_moved_one_before() -> None:
    wanted = film()
    first, nothing = wanted.request(0)
    second, images = wanted.request(2, picture(1))

    assert {} == nothing and "" == first.init_image and 0 == first.options.skip_steps  # type: ignore[union-attr]
    (png,) = images.values()
    assert hashlib.sha256(png).hexdigest() == second.init_image
    moved = wanted.camera.move(open_own(picture(1)).convert("RGB"), 2)
    assert moved.tobytes() == open_own(png).convert("RGB").tobytes()
    assert (7, 9, 6) == (first.seed, second.seed, second.options.skip_steps)  # type: ignore[union-attr]


def test_keep_hold_and_frame_steps_say_how_a_later_frame_is_painted() -> None:
    held, _ = film(keep=0.25, hold=500.0).request(1, picture(1))
    shapes, _ = film(hold=1500.0, hold_by="lpips").request(1, picture(1))
    codes, _ = film(method="vqgan_clip", steps=100, hold=2.0).request(1, picture(1))
    quick, _ = film(method="vqgan_clip", frame_steps=7).request(1, picture(1))

    assert (2, 500) == (held.options.skip_steps, held.options.init_scale.plain)  # type: ignore[union-attr]
    assert ("pixels", "lpips") == (held.options.init_distance, shapes.options.init_distance)  # type: ignore[union-attr]
    assert (10, 2) == (codes.options.steps, codes.options.init_weight.plain)  # type: ignore[union-attr]
    assert 7 == quick.options.steps


def recording(painted: list[int]) -> Any:
    """A painter whose frames depend on their request alone and hold its record."""

    def paint(frame: int, request: DreamRequest, images: dict[str, bytes]) -> bytes:
        painted.append(frame)
        seed = int(hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:8], 16)
        image = open_own(picture(seed))
        record = {
            "record": 1, "engine": "test", "index": 0, "resolved": {}, "request": request.model_dump(mode="json")
        }  # fmt: skip
        return to_png(image, {KEYWORD: json.dumps(record)})

    return paint


def written(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_film_continues_where_it_was_stopped_and_is_the_same(tmp_path: Path) -> None:
    whole, parts, painted = tmp_path / "whole", tmp_path / "parts", list[int]()
    expected = [path.read_bytes() for path in paint_film(film(), whole, recording([]), written)]
    paint_film(film(), parts, recording([]), written)
    for frame in (3, 4, 5):
        frame_path(parts, frame).unlink()
    found = paint_film(film(), parts, recording(painted), written, resume=True)

    assert [3, 4, 5] == painted
    assert expected == [path.read_bytes() for path in found]


@pytest.mark.parametrize("change", [{"prompt": "a red circle ^ rain"}, {"zoom": "1.2"}, {"steps": 12}])
def test_frames_of_another_film_are_in_the_way_and_stay(tmp_path: Path, change: dict[str, Any]) -> None:
    paths = paint_film(film(), tmp_path, recording([]), written)
    before = [path.read_bytes() for path in paths]
    with pytest.raises(InvalidRequest, match="is in the way of --resume: it belongs to a film with another"):
        paint_film(film(**change), tmp_path, recording([]), written, resume=True)
    frame_path(tmp_path, 1).write_bytes(b"no picture")
    with pytest.raises(InvalidRequest, match=r"0001\.png is in the way of --resume"):
        paint_film(film(), tmp_path, recording([]), written, resume=True)

    assert before[0] == frame_path(tmp_path, 0).read_bytes() and before[2:] == [p.read_bytes() for p in paths[2:]]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (lambda: film(frames=1, prompt="an owl"), "A film has 2 to 10000 frames, not 1"),
        (lambda: film(method="pixels"), "painted by clip_diffusion or vqgan_clip; pixels cannot"),
        (lambda: film(keep=1.0), "keep=1 is out of range"),
        (lambda: film(frame_steps=5), "frame-steps is for vqgan_clip; for clip_diffusion, set --keep"),
        (lambda: film(method="vqgan_clip", frame_steps=1), "frame-steps=1 is out of range"),
        (lambda: film(method="vqgan_clip", hold=5000.0), "init_weight=5000 is out of range"),
        (lambda: film(hold=5.0, hold_by="vgg"), "init_distance=vgg is not one of its values"),
        (lambda: film(hold_by="lpips"), "hold-by=lpips needs clip_diffusion and --hold"),
        (lambda: film(count=2), "one picture after the other"),
        (lambda: film(prompt="an owl ^ fog:-1"), "Every part of a scene has a negative weight"),
        (lambda: film(fade=-1), "fade=-1 is out of range"),
        (
            lambda: film(prompt=f"{PARTS} ^ {PARTS}", negative="fog"),
            "Where two scenes meet, 25 parts are too many; the limit is 24",
        ),
    ],
)
def test_an_impossible_film_is_refused_before_its_first_frame(wanted: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        wanted()


@pytest.mark.parametrize("method", ["clip_diffusion", "vqgan_clip"])
def test_the_methods_paint_frames_that_follow_one_another(method: str, tmp_path: Path) -> None:
    with EASELS[method]() as easel:
        wanted = film(frames=4, method=method, steps=6, settings={"cutouts": "2"})

        def frame_of(frame: int, request: DreamRequest, images: dict[str, bytes]) -> bytes:
            states = find_method(method).begin(Job("a", 1, "", request), images, easel.runtime)
            (step,) = paint(easel.method, states, easel.runtime)
            assert isinstance(step, Finished)
            return to_png(step.image.resize((request.width, request.height)))

        paths = paint_film(wanted, tmp_path, frame_of, written)
        frames = [np.asarray(Image.open(path)).astype(float) for path in paths]

    near = np.abs(frames[1] - np.asarray(wanted.camera.move(Image.open(paths[0]), 1))).mean()
    far = np.abs(frames[1] - np.asarray(Image.open(paths[0]))[::-1, ::-1]).mean()
    assert near < far and all((a != b).any() for a, b in pairwise(frames))
