from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, Prediction, clipped, predict_eps, predict_xstart, q_sample
from engine.diffusion.samplers import SOLVERS, ancestral_step, ddim_step, posterior_mean
from engine.diffusion.schedules import BatchCoefficients, RespacedSchedule, alphas_cumprod, respaced_schedule, stack
from tests.engine.diffusion.walks import (
    Guide,
    answering,
    clamped_pull,
    conditioned,
    denoiser_of,
    everywhere,
    predict,
    standing,
    walk_of,
    walked,
)
from tests.golden import TOLERANCE, Golden, distance, golden, seeded

FULL = ("adm_uncond_256_style", "adm_lsun_style")
WALKED = (pytest.param("adm_uncond_256_style", marks=pytest.mark.slow), "adm_lsun_style")
X_T = seeded((2, 3, 32, 32), 11)
X = seeded((2, 3, 32, 32), 7)
NOISE = seeded((2, 3, 32, 32), 13)


@functools.cache
def files(name: str) -> tuple[Golden, RespacedSchedule, Denoiser]:
    file = golden(name)
    return file, walk_of(file), denoiser_of(file)


def ddim_loop(schedule: RespacedSchedule, denoise: Denoiser, guide: Guide | None = None, clip: bool = False) -> Tensor:
    return walked("ddim", schedule, answering(denoise, guide, clip), X_T)


def plms_loop(schedule: RespacedSchedule, denoise: Denoiser, order: int, guide: Guide | None = None) -> Tensor:
    return walked("plms", schedule, answering(denoise, guide), X_T, order=order)


@pytest.mark.parametrize("name", FULL)
def test_a_walk_has_the_references_stops(name: str) -> None:
    file, schedule, _ = files(name)
    assert file["timestep_map"].tolist() == list(schedule.timesteps)
    torch.testing.assert_close(schedule.alphas_cumprod, file["alphas_cumprod"].double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", FULL)
def test_mean_and_variance_at_two_moments_at_once_are_the_references(name: str) -> None:
    file, schedule, denoise = files(name)
    coefficients = stack([schedule.at(3), schedule.at(8)])
    out = predict(denoise, X, coefficients, None)
    assert out.log_variance is not None
    mean = posterior_mean(X, out.pred_xstart, coefficients)
    assert distance(file["p_mean_variance.pred_xstart"], out.pred_xstart) < TOLERANCE
    assert distance(file["p_mean_variance.mean"], mean) < TOLERANCE
    assert distance(file["p_mean_variance.log_variance"], out.log_variance) < TOLERANCE
    assert distance(file["p_mean_variance.variance"], out.log_variance.exp()) < TOLERANCE


@pytest.mark.parametrize("name", WALKED)
@pytest.mark.parametrize(
    ("tensor", "guide", "clip"),
    [
        ("ddim_eta0", None, False),
        ("ddim_eta0_clip_denoised", None, True),
        ("ddim_eta0_guided", clamped_pull, False),
    ],
)
def test_ddim_is_the_references(name: str, tensor: str, guide: Guide | None, clip: bool) -> None:
    file, schedule, denoise = files(name)
    assert distance(file[tensor], ddim_loop(schedule, denoise, guide, clip)) < TOLERANCE


@pytest.mark.parametrize("name", WALKED)
@pytest.mark.parametrize(
    ("tensor", "order", "guide"), [("plms_order2", 2, None), ("plms_order4_guided", 4, clamped_pull)]
)
def test_plms_is_the_references(name: str, tensor: str, order: int, guide: Guide | None) -> None:
    file, schedule, denoise = files(name)
    assert distance(file[tensor], plms_loop(schedule, denoise, order, guide)) < TOLERANCE


@pytest.mark.parametrize("name", FULL)
def test_a_noisy_guided_ddim_step_is_the_references(name: str) -> None:
    file, schedule, denoise = files(name)
    coefficients = everywhere(schedule, 4, 2)
    step = ddim_step(predict(denoise, X, coefficients, clamped_pull), coefficients, 0.8, NOISE)
    assert distance(file["ddim_eta08_guided"], step) < TOLERANCE


@pytest.mark.parametrize("name", FULL)
def test_a_guided_ancestral_step_is_the_references(name: str) -> None:
    file, schedule, denoise = files(name)
    move = SOLVERS["ddpm"].step(standing(schedule, 4, X, noise=NOISE), answering(denoise, clamped_pull))
    assert distance(file["p_sample_guided"], move.x) < TOLERANCE


def test_plms_of_order_one_is_ddim_without_noise() -> None:
    _, schedule, denoise = files("adm_lsun_style")
    torch.testing.assert_close(plms_loop(schedule, denoise, 1), ddim_loop(schedule, denoise), rtol=1e-4, atol=1e-4)


def short_walk(spec: str = "10") -> RespacedSchedule:
    return respaced_schedule(alphas_cumprod("cosine", 1000), spec)


def exact(x_start: Tensor, x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
    """An all-knowing net."""
    return Prediction(x_start, predict_eps(x_t, x_start, coefficients.alpha_bar))


def test_noise_and_picture_are_found_again_in_their_mixture() -> None:
    coefficients = stack([short_walk().at(2), short_walk().at(8)])
    x_t = q_sample(X, NOISE, coefficients.alpha_bar)
    torch.testing.assert_close(predict_xstart(x_t, NOISE, coefficients.alpha_bar), X, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(predict_eps(x_t, X, coefficients.alpha_bar), NOISE, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_an_exact_denoiser_arrives_at_the_picture(eta: float) -> None:
    schedule, x = short_walk(), X_T
    for stop in reversed(range(len(schedule))):
        coefficients = everywhere(schedule, stop, 2)
        x = ddim_step(exact(X, x, coefficients), coefficients, eta, NOISE)
    torch.testing.assert_close(x, X, rtol=1e-4, atol=1e-4)


def test_ddim_with_eta_one_has_the_ancestral_steps_mean_and_variance() -> None:
    coefficients = everywhere(short_walk(), 5, 2)
    prediction = exact(X.clamp(-1, 1), X_T, coefficients)
    expected = ancestral_step(X_T, prediction, coefficients, NOISE)
    torch.testing.assert_close(ddim_step(prediction, coefficients, 1.0, NOISE), expected, rtol=1e-4, atol=1e-4)


def test_no_noise_falls_into_the_finished_picture() -> None:
    coefficients = everywhere(short_walk(), 0, 2)
    prediction = exact(X, X_T, coefficients)
    torch.testing.assert_close(ancestral_step(X_T, prediction, coefficients, 1e3 * NOISE), X, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ddim_step(prediction, coefficients, 1.0, 1e3 * NOISE), X, rtol=1e-4, atol=1e-4)


def test_each_sample_has_its_own_eta_and_moment() -> None:
    schedule = short_walk()
    coefficients, eta = stack([schedule.at(2), schedule.at(8)]), torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    together = ddim_step(exact(X, X_T, coefficients), coefficients, eta, NOISE)
    for i, stop in enumerate((2, 8)):
        x, here = X_T[i : i + 1], everywhere(schedule, stop, 1)
        alone = ddim_step(exact(X[i : i + 1], x, here), here, float(i), NOISE[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=0)


def test_a_gradient_of_zero_guides_nowhere() -> None:
    coefficients = everywhere(short_walk(), 5, 2)
    prediction = exact(X, X_T, coefficients)
    leant = conditioned(prediction, torch.zeros_like(X), X_T, coefficients)
    torch.testing.assert_close(leant.pred_xstart, prediction.pred_xstart, rtol=1e-4, atol=1e-4)


def test_clipping_keeps_picture_and_noise_in_agreement() -> None:
    coefficients = everywhere(short_walk(), 5, 2)
    out = clipped(exact(X, X_T, coefficients), X_T, coefficients)
    assert out.pred_xstart.abs().max() <= 1
    torch.testing.assert_close(q_sample(out.pred_xstart, out.eps, coefficients.alpha_bar), X_T, rtol=1e-4, atol=1e-4)
