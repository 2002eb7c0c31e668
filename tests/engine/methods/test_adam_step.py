"""What holds for every method whose numbers Adam moves, whatever they are the numbers of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.methods import find_method
from engine.methods._adam import ByAdam, Painting
from engine.methods._base import Failed, Finished, Running
from engine.runtime.runtime import Runtime
from tests.engine.tiny import job_of, paint, tiny_runtime

PROMPT = "a red circle on a blue background"
QUICK = {
    "pixels": {"steps": "6", "cutouts": "2"},
    "clipdraw": {"steps": "6", "cutouts": "2", "strokes": "5", "curves": "1"},
}


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


@pytest.fixture(params=list(QUICK))
def method(request: pytest.FixtureRequest) -> ByAdam:
    found: ByAdam = find_method(request.param)
    return found


def begin(method: ByAdam, runtime: Runtime, prompt: str = PROMPT, **request: object) -> list[Painting]:
    name = type(method).__name__.lower()
    return method.begin(job_of(prompt, QUICK[name], **{"method": name, "seed": 7, **request}), {}, runtime)


def pixels(step: object) -> np.ndarray:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def finish(method: ByAdam, runtime: Runtime, states: list[Painting]) -> list[np.ndarray]:
    return [pixels(step) for step in paint(method, states, runtime)]


def test_the_same_seed_paints_the_same_picture_and_another_one_another(method: ByAdam, runtime: Runtime) -> None:
    first, again, other = (finish(method, runtime, begin(method, runtime, seed=seed))[0] for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_picture_is_the_same_to_the_bit_between_neighbours_that_join_later(method: ByAdam, runtime: Runtime) -> None:
    alone, watched = begin(method, runtime), begin(method, runtime)
    prompts = "an owl", "snow | fog:-0.3", "a boat"
    late = [begin(method, runtime, prompt, seed=i)[0] for i, prompt in enumerate(prompts)]
    for state in (*alone, *watched, *late):
        state.bucket = 4
    expected = finish(method, runtime, alone)[0]
    for step in range(6):
        group = [*late[: step // 2], *watched]
        steps = method.advance(group, runtime)
    assert np.array_equal(expected, pixels(steps[-1]))


@pytest.mark.parametrize("spoilt", [float("inf"), float("nan")])
def test_a_picture_that_is_not_finite_fails_alone(method: ByAdam, runtime: Runtime, spoilt: float) -> None:
    states, alone = begin(method, runtime, count=2), begin(method, runtime, count=2)
    states[1].numbers[0] = spoilt
    expected, steps = method.advance(alone, runtime), method.advance(states, runtime)
    assert isinstance(steps[1], Failed) and "step 1 of 6" in str(steps[1].error)
    assert isinstance(expected[0], Running) and isinstance(steps[0], Running)
    assert torch.equal(alone[0].numbers, states[0].numbers)


def test_what_is_finished_is_the_picture_of_the_last_numbers(method: ByAdam, runtime: Runtime) -> None:
    states = begin(method, runtime)
    (picture,) = finish(method, runtime, states)
    assert np.array_equal(np.asarray(states[0].canvas.finish(states[0].numbers)).astype(int), picture)


def test_facts_say_how_near_it_came_and_what_was_not_understood(method: ByAdam, runtime: Runtime) -> None:
    (step,) = paint(method, begin(method, runtime, "a red circle in cyberpunk"), runtime)
    assert isinstance(step, Finished)
    assert {"clip_score", "embedding", "perceptor", "notes", "resolved"} == set(step.facts)
    assert "cyberpunk" in step.facts["notes"][0]
