from __future__ import annotations

import pytest
import torch

from engine.guidance.targets import Targets
from engine.methods._diffusion.step import AVERSION_LEAST_MOST, AVERSION_MOST, text_condition


def targets(weights: list[float], *vectors: list[float]) -> Targets:
    return Targets(torch.tensor(vectors), torch.tensor(weights))


EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]


def aversion(weight: float, unwanted: list[float]) -> float:
    condition = text_condition(targets([1.0, -weight], EAST, unwanted))
    assert condition is not None
    return condition.aversion


def test_what_is_wanted_is_read_and_nothing_else_where_nothing_is_unwanted() -> None:
    condition = text_condition(targets([1.0], NORTH))
    assert condition is not None and condition.unwanted is None
    assert NORTH == condition.wanted.tolist()


def test_the_more_weight_the_more_is_subtracted_up_to_a_limit() -> None:
    assert 0 < aversion(0.05, NORTH) < aversion(0.1, NORTH) < aversion(0.2, NORTH) <= AVERSION_MOST


def test_a_large_weight_leaves_some_of_it_to_clip() -> None:
    assert aversion(0.25, NORTH) > aversion(0.4, NORTH) > aversion(0.6, NORTH) == aversion(0.99, NORTH)
    assert AVERSION_LEAST_MOST == aversion(0.99, NORTH)


def test_what_lies_near_what_is_wanted_is_subtracted_more() -> None:
    assert aversion(0.1, NORTH_EAST) > aversion(0.1, NORTH) == pytest.approx(aversion(0.1, [-1.0, 0.0]))


def test_where_nothing_is_wanted_nothing_is_read() -> None:
    assert text_condition(targets([-1.0], NORTH)) is None
