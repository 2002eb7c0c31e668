from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.diffusion.denoiser import PIXEL_STD, Prediction, gaussian_slope, predict_eps
from engine.diffusion.samplers import SOLVERS, GuidedModel, GuidedPrediction, SolverInput, SolverStep
from engine.diffusion.schedules import BatchCoefficients, RespacedSchedule, alphas_cumprod, respaced_schedule
from tests.engine.diffusion.walks import Asked, standing
from tests.golden import seeded

X = seeded((2, 3, 4, 4), 3).double()


MEASURED, UNSURE = 0.4, 0.6
"""What a guide knows of every pixel, and how far that may be off: together with PIXEL_STD, what it may be then."""
SURE = 1 / (1 / PIXEL_STD**2 + 1 / UNSURE**2)
MEAN = SURE * MEASURED / UNSURE**2


def ideal(x: Tensor, coefficients: BatchCoefficients) -> Prediction:
    """The ideal net for independent pixels of a known spread, whose walk is known exactly."""
    x_start = gaussian_slope(coefficients) * x
    return Prediction(x_start, predict_eps(x, x_start, coefficients.alpha_bar))


def informed(x: Tensor, coefficients: BatchCoefficients) -> Prediction:
    """The ideal net for pixels that have been measured, whose walk is known exactly too."""
    bar = coefficients.alpha_bar
    x_start = MEAN + SURE * bar.sqrt() / (SURE * bar + 1 - bar) * (x - bar.sqrt() * MEAN)
    return Prediction(x_start, predict_eps(x, x_start, bar))


@Asked
def gaussian(x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
    """The ideal net, and nothing that guides."""
    return GuidedPrediction(ideal(x, coefficients), ideal(x, coefficients))


@Asked
def measured(x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
    """The ideal net, guided by a measurement: ε of what is known then is ε - √(1-ᾱ)·∇ log p(y | x_t)."""
    plain, leaning = ideal(x, coefficients), informed(x, coefficients)
    return GuidedPrediction(plain, leaning, (plain.eps - leaning.eps) / (1 - coefficients.alpha_bar).sqrt())


def evenly(steps: int, clock: str) -> RespacedSchedule:
    """From λ = -2 to 2 in so many steps that are even in λ (log SNR) or in σ/α."""
    if clock == "lambda":
        bars = torch.sigmoid(2 * torch.linspace(2, -2, steps + 1, dtype=torch.float64))
    else:
        bars = 1 / (1 + torch.linspace(math.exp(-2), math.exp(2), steps + 1, dtype=torch.float64) ** 2)
    return RespacedSchedule(tuple(range(steps + 1)), bars)


def arrived(sampler: str, schedule: RespacedSchedule, order: int, ask: GuidedModel) -> Tensor:
    """Where it is at the last stop."""
    x, history = X, list[Tensor]()
    for stop in range(len(schedule) - 1, 0, -1):
        move = SOLVERS[sampler].step(standing(schedule, stop, x, history, order=order), ask)
        x, history = move.x, [m for m in (move.memory, *history) if m is not None][:3]
    return x


def error(sampler: str, steps: int, clock: str, order: int = 1, guided: bool = False) -> float:
    """How far from the exact solution of the probability flow it arrives at the last stop."""
    schedule = evenly(steps, clock)
    first, last = schedule.at(steps).alpha_bar, schedule.at(0).alpha_bar
    mean, variance = (MEAN, SURE) if guided else (0.0, PIXEL_STD**2)
    spread = [math.sqrt(variance * bar + 1 - bar) for bar in (first, last)]
    exact = mean * math.sqrt(last) + (X - mean * math.sqrt(first)) * spread[1] / spread[0]
    return float((arrived(sampler, schedule, order, measured if guided else gaussian) - exact).abs().max())


def order_of_convergence(sampler: str, clock: str, order: int = 1, guided: bool = False, steps: int = 40) -> float:
    return math.log2(error(sampler, steps, clock, order, guided) / error(sampler, 2 * steps, clock, order, guided))


@pytest.mark.parametrize(
    ("sampler", "clock", "order", "expected"),
    [("ddim", "lambda", 1, 1), ("plms", "sigma", 1, 1), ("plms", "sigma", 2, 2), ("dpmpp_2m", "lambda", 1, 2)],
)
def test_halving_the_steps_costs_what_the_order_says(sampler: str, clock: str, order: int, expected: int) -> None:
    assert expected == pytest.approx(order_of_convergence(sampler, clock, order), abs=0.25)


def test_every_order_of_plms_is_nearer_than_the_one_below() -> None:
    errors = [error("plms", 160, "sigma", order) for order in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < errors[0] / 100


@pytest.mark.parametrize("sampler", ["ltsp", "stsp"])
@pytest.mark.parametrize("order", [1, 4])
def test_split_guidance_arrives_at_what_a_measurement_tells_halving_the_steps_at_twice_the_error(
    sampler: str, order: int
) -> None:
    assert 1 == pytest.approx(order_of_convergence(sampler, "sigma", order, guided=True, steps=160), abs=0.15)
    assert error(sampler, 640, "sigma", order, guided=True) < 1e-2


@pytest.mark.parametrize("steps", [10, 20, 40, 80])
def test_half_of_the_guidance_behind_is_nearer_than_all_of_it_before(steps: int) -> None:
    before, half = (error(sampler, steps, "sigma", 4, guided=True) for sampler in ("ltsp", "stsp"))
    assert half < 0.8 * before


@pytest.mark.parametrize(("order", "expected"), [(1, 1), (2, 2)])
@pytest.mark.parametrize("sampler", ["ltsp", "stsp"])
def test_without_guidance_splitting_is_a_multistep_of_its_order(sampler: str, order: int, expected: int) -> None:
    assert expected == pytest.approx(order_of_convergence(sampler, "sigma", order), abs=0.25)


@pytest.mark.parametrize("sampler", ["ltsp", "stsp"])
def test_without_guidance_splitting_of_order_one_is_ddim_and_each_later_step_of_another_is_plms(sampler: str) -> None:
    schedule = respaced_schedule(alphas_cumprod("linear", 1000), "10")
    memory = [seeded((2, 3, 4, 4), n).double() for n in (5, 6, 7)]
    torch.testing.assert_close(arrived("ddim", schedule, 1, gaussian), arrived(sampler, schedule, 1, gaussian))
    for stop in (6, 0):
        given = standing(schedule, stop, X, memory, order=4)
        split, whole = (SOLVERS[name].step(given, gaussian) for name in (sampler, "plms"))
        assert torch.equal(whole.x, split.x) and split.memory is not None


def test_splitting_takes_no_guidance_where_all_is_noise_and_none_behind_the_end() -> None:
    schedule, asked = respaced_schedule(alphas_cumprod("cosine", 1000), "10"), list[float]()

    @Asked
    def watched(x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
        asked.append(float(coefficients.alpha_bar.max()))
        return measured.predict(x, coefficients)

    first, last = standing(schedule, 9, X), standing(schedule, 0, X)
    assert torch.equal(SOLVERS["stsp"].step(first, gaussian).x, SOLVERS["stsp"].step(first, measured).x)
    SOLVERS["stsp"].step(last, watched)
    assert 2 == len(asked)
    assert not torch.equal(SOLVERS["stsp"].step(last, gaussian).x, SOLVERS["stsp"].step(last, measured).x)


def test_the_first_and_the_last_step_of_dpm_solver_are_those_of_ddim() -> None:
    schedule = respaced_schedule(alphas_cumprod("cosine", 1000), "10")
    for stop, history in ((6, []), (0, [torch.randn(2, 3, 4, 4).double()])):
        given = standing(schedule, stop, X, history)
        one, two = (SOLVERS[name].step(given, gaussian).x for name in ("dpmpp_2m", "ddim"))
        torch.testing.assert_close(one, two)


def stand_of(stands: list[SolverInput]) -> SolverInput:
    """Several batches as one."""
    parts = {
        name: torch.cat([getattr(s, name) for s in stands])
        for name in ("x", "depth", "former_alpha_bar", "eta", "order", "noise")
    }
    names = ("timestep", "alpha_bar", "alpha_bar_prev", "log_variance_small", "log_variance_large")
    coefficients, ahead = (
        BatchCoefficients(*(torch.cat([getattr(getattr(s, which), name) for s in stands]) for name in names))
        for which in ("coefficients", "ahead")
    )
    history = torch.cat([s.history for s in stands], dim=1)
    return SolverInput(coefficients=coefficients, ahead=ahead, history=history, **parts)


@pytest.mark.parametrize("sampler", SOLVERS)
def test_samples_at_other_stops_with_other_memories_do_not_touch_each_other(sampler: str) -> None:
    schedule = respaced_schedule(alphas_cumprod("linear", 1000), "10")
    memory = [seeded((1, 3, 4, 4), n).double() for n in (5, 6, 7)]
    stands = [
        standing(schedule, stop, seeded((1, 3, 4, 4), stop).double(), memory[:depth], order=order, noise=memory[2])
        for stop, depth, order in ((7, 1, 4), (4, 3, 4), (0, 2, 2), (5, 3, 1))
    ]
    together: SolverStep = SOLVERS[sampler].step(stand_of(stands), measured)
    alone = torch.cat([SOLVERS[sampler].step(stand, measured).x for stand in stands])
    assert torch.equal(alone, together.x)


def test_plms_starts_plainly_where_a_picture_cannot_be_told_from_its_noise() -> None:
    schedule = respaced_schedule(alphas_cumprod("cosine", 1000), "10")
    assert schedule.at(9).alpha_bar < 1e-6
    first = standing(schedule, 9, X, order=2)
    torch.testing.assert_close(SOLVERS["plms"].step(first, gaussian).x, SOLVERS["ddim"].step(first, gaussian).x)


def test_order_one_of_plms_does_not_fail_on_its_first_step() -> None:
    """The reference does: it looks at an answer that it has not yet."""
    schedule = respaced_schedule(alphas_cumprod("linear", 1000), "10")
    given = standing(schedule, 9, X, order=1)
    torch.testing.assert_close(SOLVERS["plms"].step(given, gaussian).x, SOLVERS["ddim"].step(given, gaussian).x)
