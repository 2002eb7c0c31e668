from __future__ import annotations

import pytest
import torch

from engine.guidance.targets import Targets
from engine.methods._diffusion.step import NEGATIVE_MAX, text_condition


def targets(weights: list[float], *vectors: list[float]) -> Targets:
    return Targets(torch.tensor(vectors), torch.tensor(weights))


EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]


def negative_scale(weight: float, unwanted: list[float]) -> float:
    condition = text_condition(targets([1.0, -weight], EAST, unwanted))
    assert condition is not None
    return condition.negative_scale


def test_what_is_wanted_is_read_and_nothing_else_where_nothing_is_unwanted() -> None:
    condition = text_condition(targets([1.0], NORTH))
    assert condition is not None and condition.negative is None
    assert NORTH == condition.positive.tolist()


def test_the_more_weight_the_more_is_subtracted_up_to_a_limit() -> None:
    assert 0 < negative_scale(0.05, NORTH) < negative_scale(0.1, NORTH) < negative_scale(0.2, NORTH) <= NEGATIVE_MAX[0]


def test_a_large_weight_leaves_some_of_it_to_clip() -> None:
    assert (
        negative_scale(0.25, NORTH)
        > negative_scale(0.4, NORTH)
        > negative_scale(0.6, NORTH)
        == negative_scale(0.99, NORTH)
    )
    assert NEGATIVE_MAX[1] == negative_scale(0.99, NORTH)


def test_what_lies_near_what_is_wanted_is_subtracted_more() -> None:
    assert (
        negative_scale(0.1, NORTH_EAST) > negative_scale(0.1, NORTH) == pytest.approx(negative_scale(0.1, [-1.0, 0.0]))
    )


def test_where_nothing_is_wanted_nothing_is_read() -> None:
    assert text_condition(targets([-1.0], NORTH)) is None
