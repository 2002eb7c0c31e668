"""What holds for every method whose picture a generator paints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.guidance.perceptor_loader import load_perceptor
from engine.methods._base import Failed, Finished, Running
from tests.engine.methods.easels import PROMPT, Easel
from tests.engine.tiny import paint


@pytest.fixture(params=["biggan", "vqgan"])
def easel(request: pytest.FixtureRequest) -> Easel:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Easel)
    return found


def test_the_numbers_go_where_the_prompt_draws_them_and_a_negative_one_pushes_away(easel: Easel) -> None:
    before = easel.near(PROMPT, "2", learning_rate="0.000001")
    assert easel.near(PROMPT, "40") > before + 0.02
    assert easel.near(f"{PROMPT}:-1", "40") < before - 0.02


def test_the_same_seed_paints_the_same_picture_and_another_one_another(easel: Easel) -> None:
    first, again, other = (easel.finish(easel.begin(seed=seed))[0] for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_picture_of_many_can_be_painted_by_itself(easel: Easel) -> None:
    many, alone = easel.begin(count=3), easel.begin(seed=9)
    alone[0].bucket = 4
    assert np.array_equal(easel.finish(many)[2], easel.finish(alone)[0])


def test_a_picture_that_is_not_finite_fails_alone(easel: Easel) -> None:
    states, alone = easel.begin(count=2), easel.begin(count=2)
    states[1].numbers[0] = float("nan")
    expected, steps = easel.method.advance(alone, easel.runtime), easel.method.advance(states, easel.runtime)
    assert isinstance(steps[1], Failed) and "step 1 of 6" in str(steps[1].error)
    assert isinstance(expected[0], Running) and isinstance(steps[0], Running)
    assert torch.equal(alone[0].numbers, states[0].numbers)


def test_two_clips_can_guide(easel: Easel) -> None:
    easel.runtime.net("perceptor:primer-grader", lambda: load_perceptor("primer", easel.runtime))
    (both,) = easel.begin(settings={"perceptors": "primer+primer-grader:0.5"})
    assert [1, 0.5] == [eye.weight for eye in both.clip_targets]
    (step,) = paint(easel.method, [both], easel.runtime)
    assert isinstance(step, Finished) and "primer+primer" == step.facts["resolved"]["perceptor"]  # type: ignore[index]


def test_less_memory_paints_the_same(easel: Easel) -> None:
    method, runtime = easel.method, easel.runtime
    roomy, narrow = easel.begin(settings={"cutouts": "4"}), easel.begin(settings={"cutouts": "4"})
    assert method.reduce_memory(narrow[0], runtime) and method.reduce_memory(narrow[0], runtime)
    assert not method.reduce_memory(narrow[0], runtime)
    expected, found = (method.advance(states, runtime)[0] for states in (roomy, narrow))
    assert isinstance(expected, Running) and isinstance(found, Running)
    torch.testing.assert_close(roomy[0].mean, narrow[0].mean, atol=1e-6, rtol=1e-3)
    assert 2 == easel.begin(settings={"cutouts": "4"})[0].memory_level, "later ones of its kind begin so"
    runtime.memory.levels.clear()
