from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from engine.attempts import Attempt, Stage
from engine.attempts import Painting as Place
from engine.guidance.perceptor import Perceptor
from engine.lanes import Lanes
from engine.methods._adam import Painting
from engine.methods.pixels import METHOD
from engine.runtime import Runtime
from engine.steps import Failed, Finished, Running
from engine.threads import Threads
from tests.engine.tiny import job_of, paint, tiny_runtime

PROMPT = "a red circle on a blue background"
QUICK = {"steps": "6", "cutouts": "2"}


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


def begin(
    runtime: Runtime, prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object
) -> list[Painting]:
    chosen = {"method": "pixels", "seed": 7, **request}
    return METHOD.begin(job_of(prompt, {**QUICK, **(settings or {})}, **chosen), {}, runtime)


def pixels(step: object) -> np.ndarray:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def finish(runtime: Runtime, states: list[Painting]) -> list[np.ndarray]:
    return [pixels(step) for step in paint(METHOD, states, runtime)]


def test_a_picture_is_as_large_as_asked_for_before_its_finish(runtime: Runtime) -> None:
    assert (48, 80, 3) == finish(runtime, begin(runtime, size="320x192"))[0].shape


def test_painting_starts_faint_and_ends_near_the_prompt(runtime: Runtime) -> None:
    def score(prompt: str, steps: str) -> float:
        states = begin(runtime, prompt, {"steps": steps})
        wanted = begin(runtime)[0].pull.targets.wanted.numpy()
        (step,) = paint(METHOD, states, runtime)
        assert isinstance(step, Finished)
        return float(np.dot(step.facts["embedding"], wanted))

    assert score(PROMPT, "40") > score(PROMPT, "5") + 0.05
    assert score(f"{PROMPT}:-1", "40") < score(PROMPT, "5") - 0.05


def test_smoothness_smooths(runtime: Runtime) -> None:
    def roughness(scale: str) -> float:
        return float(np.abs(np.diff(finish(runtime, begin(runtime, settings={"tv_scale": scale}))[0], axis=0)).mean())

    assert roughness("100") < 0.8 * roughness("0")


def test_the_same_seed_paints_the_same_picture_and_another_one_another(runtime: Runtime) -> None:
    first, again, other = (finish(runtime, begin(runtime, seed=seed))[0] for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_picture_is_the_same_to_the_bit_between_neighbours_that_join_later(runtime: Runtime) -> None:
    alone, watched = begin(runtime), begin(runtime)
    late = [begin(runtime, prompt, seed=i)[0] for i, prompt in enumerate(("an owl", "snow | fog:-0.3", "a boat"))]
    for state in (*alone, *watched, *late):
        state.bucket = 4
    expected = finish(runtime, alone)[0]
    for step in range(6):
        group = [*late[: step // 2], *watched]
        steps = METHOD.advance(group, runtime)
    assert np.array_equal(expected, pixels(steps[-1]))


def test_a_picture_that_is_not_finite_fails_alone(runtime: Runtime) -> None:
    states, alone = begin(runtime, count=2), begin(runtime, count=2)
    states[1].numbers[0] = float("inf")
    expected, steps = METHOD.advance(alone, runtime), METHOD.advance(states, runtime)
    assert isinstance(steps[1], Failed) and "step 1 of 6" in str(steps[1].error)
    assert isinstance(expected[0], Running) and isinstance(steps[0], Running)
    assert torch.equal(alone[0].numbers, states[0].numbers)


def test_an_init_picture_is_what_painting_starts_from(runtime: Runtime) -> None:
    image = Image.effect_noise((64, 64), 60).convert("RGB").resize((16, 16)).resize((64, 64), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    job = job_of(PROMPT, {**QUICK, "learning_rate": "0.0001"}, method="pixels", init_image=sha)
    states = METHOD.begin(job, {sha: buffer.getvalue()}, runtime)
    assert np.abs(finish(runtime, states)[0] - np.asarray(image)).max() <= 6


def test_lanes_tell_apart_what_cannot_be_looked_at_together(runtime: Runtime) -> None:
    def lane(settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.lane(begin(runtime, PROMPT, settings, **request)[0])

    assert lane() == lane({"steps": "9", "learning_rate": "0.3", "tv_scale": "3"}, seed=3)
    assert 3 == len({lane(), lane({"cutouts": "3"}), lane(size="320x256")})


def test_facts_say_how_near_it_came_and_what_was_not_understood(runtime: Runtime) -> None:
    (step,) = paint(METHOD, begin(runtime, "a red circle in cyberpunk"), runtime)
    assert isinstance(step, Finished)
    assert {"clip_score", "embedding", "perceptor", "notes", "resolved"} == set(step.facts)
    assert "cyberpunk" in step.facts["notes"][0]


def test_where_clip_finds_no_memory_for_all_cuts_it_looks_at_fewer_and_the_picture_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more than two views fit here; the worker finds that out, and the next picture knows it."""
    runtime, cuts = tiny_runtime(), {"cutouts": "8"}
    roomy = finish(runtime, begin(runtime, settings=cuts))[0]
    encode = Perceptor.encode_image

    def narrow(self: Perceptor, views: torch.Tensor) -> torch.Tensor:
        if len(views) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return encode(self, views)

    monkeypatch.setattr(Perceptor, "encode_image", narrow)
    (state,) = begin(runtime, settings=cuts)
    place = Place(Attempt(job_of(PROMPT, QUICK), {}), 0, METHOD, state, Stage.PAINTING)  # type: ignore[arg-type]
    lanes, step = Lanes(runtime, Threads("1", 1)), None
    while not isinstance(step, Finished):
        (step,) = lanes.advance([place])
        assert not isinstance(step, Failed), step

    assert (2, 2) == (state.thrift, begin(runtime, settings=cuts)[0].thrift)
    assert [(1, 2, 6)] == [(bucket, thrift, steps) for bucket, _, thrift, steps in state.course.rows]
    assert np.abs(roomy - pixels(step)).max() <= 1


def test_where_one_cut_is_too_much_nothing_can_be_saved() -> None:
    runtime = tiny_runtime()
    (state,) = begin(runtime)

    assert [True, False] == [METHOD.lighten(state, runtime) for _ in range(2)]
