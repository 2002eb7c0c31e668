from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.diffusion.denoiser import SPREAD, Prediction, plain_slope, predict_eps
from engine.diffusion.respacing import Moments, Walk, make_walk
from engine.diffusion.schedules import alphas_cumprod
from engine.diffusion.solvers import SOLVERS, Answer, Move, Stand
from tests.engine.diffusion.walks import standing
from tests.golden import seeded

X = seeded((2, 3, 4, 4), 3).double()


def gaussian(x: Tensor, moments: Moments) -> Answer:
    """The ideal net for independent pixels of a known spread, whose walk is known exactly."""
    x_start = plain_slope(moments) * x
    prediction = Prediction(x_start, predict_eps(x, x_start, moments.alpha_bar))
    return Answer(prediction, prediction)


def evenly(steps: int, clock: str) -> Walk:
    """From λ = -2 to 2 in so many steps that are even in λ (log SNR) or in σ/α."""
    if clock == "lambda":
        bars = torch.sigmoid(2 * torch.linspace(2, -2, steps + 1, dtype=torch.float64))
    else:
        bars = 1 / (1 + torch.linspace(math.exp(-2), math.exp(2), steps + 1, dtype=torch.float64) ** 2)
    return Walk(tuple(range(steps + 1)), bars)


def error(sampler: str, steps: int, clock: str, order: int = 1) -> float:
    """How far from the exact solution of the probability flow it arrives at the last stop."""
    walk, x, history = evenly(steps, clock), X, list[Tensor]()
    for stop in range(steps, 0, -1):
        move = SOLVERS[sampler].step(standing(walk, stop, x, history, order=order), gaussian)
        x, history = move.x, [m for m in (move.memory, *history) if m is not None][:3]
    first, last = walk.at(steps).alpha_bar, walk.at(0).alpha_bar
    spread = [math.sqrt(SPREAD**2 * bar + 1 - bar) for bar in (first, last)]
    return float((x - X * spread[1] / spread[0]).abs().max())


def order_of_convergence(sampler: str, clock: str, order: int = 1) -> float:
    return math.log2(error(sampler, 40, clock, order) / error(sampler, 80, clock, order))


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


def test_the_first_and_the_last_step_of_dpm_solver_are_those_of_ddim() -> None:
    walk = make_walk(alphas_cumprod("cosine", 1000), "10")
    for stop, history in ((6, []), (0, [torch.randn(2, 3, 4, 4).double()])):
        stand = standing(walk, stop, X, history)
        one, two = (SOLVERS[name].step(stand, gaussian).x for name in ("dpmpp_2m", "ddim"))
        torch.testing.assert_close(one, two)


def stand_of(stands: list[Stand]) -> Stand:
    """Several batches as one."""
    parts = {
        name: torch.cat([getattr(s, name) for s in stands])
        for name in ("x", "depth", "former_alpha_bar", "eta", "order", "noise")
    }
    names = ("timestep", "alpha_bar", "alpha_bar_prev", "log_variance_small", "log_variance_large")
    moments, ahead = (
        Moments(*(torch.cat([getattr(getattr(s, which), name) for s in stands]) for name in names))
        for which in ("moments", "ahead")
    )
    history = torch.cat([s.history for s in stands], dim=1)
    return Stand(moments=moments, ahead=ahead, history=history, **parts)


@pytest.mark.parametrize("sampler", SOLVERS)
def test_samples_at_other_stops_with_other_memories_do_not_touch_each_other(sampler: str) -> None:
    walk = make_walk(alphas_cumprod("linear", 1000), "10")
    memory = [seeded((1, 3, 4, 4), n).double() for n in (5, 6, 7)]
    stands = [
        standing(walk, stop, seeded((1, 3, 4, 4), stop).double(), memory[:depth], order=order, noise=memory[2])
        for stop, depth, order in ((7, 1, 4), (4, 3, 4), (0, 2, 2), (5, 3, 1))
    ]
    together: Move = SOLVERS[sampler].step(stand_of(stands), gaussian)
    alone = torch.cat([SOLVERS[sampler].step(stand, gaussian).x for stand in stands])
    assert torch.equal(alone, together.x)


def test_plms_starts_plainly_where_a_picture_cannot_be_told_from_its_noise() -> None:
    walk = make_walk(alphas_cumprod("cosine", 1000), "10")
    assert walk.at(9).alpha_bar < 1e-6
    first = standing(walk, 9, X, order=2)
    torch.testing.assert_close(SOLVERS["plms"].step(first, gaussian).x, SOLVERS["ddim"].step(first, gaussian).x)


def test_order_one_of_plms_does_not_fail_on_its_first_step() -> None:
    """The reference does: it looks at an answer that it has not yet."""
    walk = make_walk(alphas_cumprod("linear", 1000), "10")
    stand = standing(walk, 9, X, order=1)
    torch.testing.assert_close(SOLVERS["plms"].step(stand, gaussian).x, SOLVERS["ddim"].step(stand, gaussian).x)
