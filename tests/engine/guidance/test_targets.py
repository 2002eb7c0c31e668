from __future__ import annotations

import math

import pytest
import torch

from engine.guidance.cutouts import CutRecipe
from engine.guidance.targets import make_targets, power_of_two
from engine.requests.prompts import Prompt, parse_prompts
from tests.engine.perceptors.test_perceptor import small


def test_weights_are_divided_by_their_sum() -> None:
    targets = make_targets(small(), parse_prompts("a red circle:3 | an owl | fog:-2"), {}, CutRecipe(4))
    assert [1.5, 0.5, -1.0, 0.0] == targets.weights.tolist()
    assert (4, 16) == targets.vectors.shape


def test_a_negative_sum_keeps_every_sign() -> None:
    targets = make_targets(small(), parse_prompts("fog:-3 | owl"), {}, CutRecipe(4))
    assert [-1.5, 0.5, 0.0, 0.0] == targets.weights.tolist()


def test_a_text_is_near_its_own_target() -> None:
    perceptor = small()
    targets = make_targets(perceptor, parse_prompts("an owl"), {}, CutRecipe(4))
    assert torch.equal(perceptor.encode_text(["an owl"]), targets.vectors[:1])


def test_a_picture_is_as_many_targets_as_it_has_cuts() -> None:
    prompts = (Prompt(text="owl", weight=1), Prompt(image="abc", weight=3))
    targets = make_targets(small(), prompts, {"abc": torch.rand(3, 40, 50)}, CutRecipe(3))
    assert [0.25, 0.25, 0.25, 0.25] == pytest.approx(targets.weights.tolist())
    torch.testing.assert_close(targets.vectors.norm(dim=-1), torch.ones(4))


def test_what_is_wanted_forgets_what_is_not() -> None:
    perceptor = small()
    wanted = make_targets(perceptor, parse_prompts("an owl:2 | fog:-1"), {}, CutRecipe(4)).positive
    torch.testing.assert_close(wanted, perceptor.encode_text(["an owl"])[0])


def test_what_is_unwanted_has_a_direction_and_a_share() -> None:
    perceptor = small()
    targets = make_targets(perceptor, parse_prompts("an owl:2 | fog:-0.5"), {}, CutRecipe(4))
    torch.testing.assert_close(targets.negative, perceptor.encode_text(["fog"])[0])
    assert 0.25 == targets.negative_ratio
    assert 0 == make_targets(perceptor, parse_prompts("an owl"), {}, CutRecipe(4)).negative_ratio
    only_away = make_targets(perceptor, parse_prompts("fog:-1"), {}, CutRecipe(4))
    assert math.inf == only_away.negative_ratio and not only_away.positive.any()


def test_powers_of_two() -> None:
    assert [1, 1, 2, 4, 4, 8, 16] == [power_of_two(n) for n in (0, 1, 2, 3, 4, 5, 9)]
