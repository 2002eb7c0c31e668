from __future__ import annotations

import pytest
import torch

from engine.diffusion.denoiser import (
    Denoiser,
    classifier_free_guidance,
    from_eps,
    from_xstart,
    predict_xstart,
    timestep_denoiser,
)
from engine.diffusion.schedules import alphas_cumprod, respaced_schedule, stack
from tests.golden import seeded

WALK = respaced_schedule(alphas_cumprod("cosine", 1000), "10")
X = seeded((2, 3, 8, 8), 1)
MOMENTS = stack([WALK.at(3), WALK.at(7)])


def test_nets_that_predict_noise_and_nets_that_predict_the_picture_agree() -> None:
    eps = seeded((2, 3, 8, 8), 2)
    by_eps = timestep_denoiser(lambda x, t: eps, from_eps)(X, MOMENTS)
    by_xstart = timestep_denoiser(lambda x, t: predict_xstart(X, eps, MOMENTS.alpha_bar), from_xstart)(X, MOMENTS)
    torch.testing.assert_close(by_xstart.eps, eps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(by_xstart.pred_xstart, by_eps.pred_xstart)


@pytest.mark.parametrize(("v", "expected"), [(-1.0, "log_variance_small"), (1.0, "log_variance_large")])
def test_a_learned_variance_lies_between_two_bounds(v: float, expected: str) -> None:
    out = torch.cat([X, torch.full_like(X, v)], dim=1)
    log_variance = timestep_denoiser(lambda x, t: out, from_eps, learned_variance=True)(X, MOMENTS).log_variance
    assert log_variance is not None
    torch.testing.assert_close(log_variance, getattr(MOMENTS, expected).float().expand_as(X))


def test_free_guidance_of_one_is_the_told_net_and_of_zero_the_untold_one() -> None:
    told, untold = seeded((2, 3, 8, 8), 3), seeded((2, 3, 8, 8), 4)
    scale = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
    guided = classifier_free_guidance(
        timestep_denoiser(lambda x, t: told, from_xstart), timestep_denoiser(lambda x, t: untold, from_xstart), scale
    )
    torch.testing.assert_close(guided(X, MOMENTS).pred_xstart, torch.stack([told[0], untold[1]]))


def test_free_guidance_reaches_beyond_what_was_told() -> None:
    ones = torch.ones_like(X)
    guided = classifier_free_guidance(
        timestep_denoiser(lambda x, t: 0.5 * ones, from_xstart),
        timestep_denoiser(lambda x, t: 0.1 * ones, from_xstart),
        torch.full((2, 1, 1, 1), 3.0),
    )
    torch.testing.assert_close(guided(X, MOMENTS).pred_xstart, 1.3 * ones)


def test_what_is_not_wanted_is_subtracted() -> None:
    def saying(value: float) -> Denoiser:
        return timestep_denoiser(lambda x, t: torch.full_like(X, value), from_xstart)

    three, half = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 0.5)
    guided = classifier_free_guidance(saying(0.5), saying(0.1), three, saying(0.3), half)
    expected = 0.1 + 3 * (0.4 - 0.5 * 0.2)
    torch.testing.assert_close(guided(X, MOMENTS).pred_xstart, torch.full_like(X, expected))
