from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from engine.methods import Finished
from engine.methods._drawing.canvas import CanvasImage
from engine.methods.pixels import METHOD, Grids
from engine.runtime.runtime import Runtime
from tests.engine.tiny import job_of, paint, tiny_runtime

PROMPT = "a red circle on a blue background"
QUICK = {"steps": "6", "cutouts": "2"}


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


def begin(
    runtime: Runtime, prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object
) -> list[CanvasImage]:
    chosen = {"method": "pixels", "seed": 7, **request}
    return METHOD.begin(job_of(prompt, {**QUICK, **(settings or {})}, **chosen), {}, runtime)


def pixels(step: object) -> np.ndarray:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def finish(runtime: Runtime, states: list[CanvasImage]) -> list[np.ndarray]:
    return [pixels(step) for step in paint(METHOD, states, runtime)]


def test_a_picture_is_as_large_as_asked_for_before_its_finish(runtime: Runtime) -> None:
    assert (48, 80, 3) == finish(runtime, begin(runtime, size="320x192"))[0].shape


def test_painting_starts_faint_and_ends_near_the_prompt(runtime: Runtime) -> None:
    def score(prompt: str, steps: str) -> float:
        states = begin(runtime, prompt, {"steps": steps})
        wanted = begin(runtime)[0].objective.targets.positive.numpy()
        (step,) = paint(METHOD, states, runtime)
        assert isinstance(step, Finished)
        return float(np.dot(step.facts["embedding"], wanted))

    assert score(PROMPT, "40") > score(PROMPT, "5") + 0.05
    assert score(f"{PROMPT}:-1", "40") < score(PROMPT, "5") - 0.05


def test_smoothness_smooths(runtime: Runtime) -> None:
    def roughness(scale: str) -> float:
        return float(np.abs(np.diff(finish(runtime, begin(runtime, settings={"tv_scale": scale}))[0], axis=0)).mean())

    assert roughness("100") < 0.8 * roughness("0")


def test_an_init_picture_is_what_painting_starts_from(runtime: Runtime) -> None:
    image = Image.effect_noise((64, 64), 60).convert("RGB").resize((16, 16)).resize((64, 64), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    job = job_of(PROMPT, {**QUICK, "learning_rate": "0.0001"}, method="pixels", init_image=sha)
    states = METHOD.begin(job, {sha: buffer.getvalue()}, runtime)
    assert np.abs(finish(runtime, states)[0] - np.asarray(image)).max() <= 6


def test_lanes_tell_apart_what_cannot_be_looked_at_together(runtime: Runtime) -> None:
    def batch_key(settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.batch_key(begin(runtime, PROMPT, settings, **request)[0])

    assert batch_key() == batch_key({"steps": "9", "learning_rate": "0.3", "tv_scale": "3"}, seed=3)
    assert 3 == len({batch_key(), batch_key({"cutouts": "3"}), batch_key(size="320x256")})


def test_the_finished_image_is_that_of_the_last_parameters(runtime: Runtime) -> None:
    states = begin(runtime)
    (picture,) = finish(runtime, states)
    grids = states[0].generator_key
    assert isinstance(grids, Grids)
    assert np.array_equal(np.asarray(grids.finish(states[0].parameters)).astype(int), picture)
