"""Shares have honest intervals, and retrieval counts what it says."""

import math

import pytest
import torch

from engine.evaluation.figures import Share, mean, r_precision


def test_an_interval_holds_the_share_and_stays_between_zero_and_one() -> None:
    low, high = Share(8, 10).interval
    assert low < 0.8 < high
    assert Share(10, 10).interval == pytest.approx((0.722, 1.0), abs=1e-3)
    assert Share(0, 10).interval == pytest.approx((0.0, 0.278), abs=1e-3)


def test_more_questions_make_the_interval_narrower() -> None:
    few, many = (high - low for low, high in (Share(40, 64).interval, Share(320, 512).interval))
    assert many < few / 2


def test_nothing_counted_says_nothing() -> None:
    assert math.isnan(Share(0, 0).value)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_a_share_reads_with_its_interval_and_count() -> None:
    assert str(Share(8, 10)) == "0.800 [0.490, 0.943] of 10"


def test_every_picture_that_finds_its_own_text_first_counts() -> None:
    texts = torch.eye(6)
    images = texts.clone()
    images[[0, 1]] = images[[1, 0]]  # two pictures are swapped
    assert r_precision(images, texts, among=3) == Share(4, 6)


def test_a_tie_is_no_hit() -> None:
    assert r_precision(torch.ones(4, 2), torch.ones(4, 2), among=4) == Share(0, 4)


def test_a_mean_knows_how_far_it_may_be_off() -> None:
    found = mean(torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert found.value == 0.5
    assert found.error == pytest.approx(1.96 * 0.57735 / 2, rel=1e-3)
