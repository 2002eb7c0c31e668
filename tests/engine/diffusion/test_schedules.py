from __future__ import annotations

import pytest
import torch

from engine.diffusion.schedules import alphas_cumprod, cosine_betas, linear_betas
from engine.errors import WeightsError


def test_the_linear_schedule_is_that_of_the_paper() -> None:
    betas = linear_betas(1000)
    assert (1e-4, 0.02) == pytest.approx((betas[0].item(), betas[-1].item()))


def test_fewer_linear_steps_destroy_about_as_much() -> None:
    many, few = (float(alphas_cumprod("linear", n)[-1]) for n in (1000, 250))
    assert many < 1e-4 and few < 1e-4


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_picture_fades_steadily(name: str) -> None:
    bars = alphas_cumprod(name, 1000)
    assert torch.float64 == bars.dtype
    assert bars[0] > 0.99 and bars[-1] < 1e-4 and bool((bars.diff() < 0).all())


def test_half_of_the_picture_is_left_half_way_through_the_cosine() -> None:
    assert 0.5 == pytest.approx(float(alphas_cumprod("cosine", 1000)[499]), abs=0.01)
    assert 0.999 == float(cosine_betas(1000).max())


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(WeightsError, match="“sigmoid”; available: linear, cosine"):
        alphas_cumprod("sigmoid", 10)
