"""Walks by every solver; among them that of the golden files' process, with its net as a denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.denoiser import (
    Denoiser,
    Prediction,
    clipped,
    from_eps,
    timestep_denoiser,
    with_xstart,
    xstart_shift,
)
from engine.diffusion.samplers import SOLVERS, GuidedModel, GuidedPrediction, SolverInput
from engine.diffusion.schedules import (
    BatchCoefficients,
    RespacedSchedule,
    StepCoefficients,
    alphas_cumprod,
    respaced_schedule,
    stack,
)
from engine.nets.adm import build_adm
from tests.golden import Golden

Guide = Callable[[Tensor, Prediction], Tensor]


def conditioned(prediction: Prediction, gradient: Tensor, x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
    """ε' = ε - √(1-ᾱ)·∇ log p(y | x_t), and x_0' of it (Song et al. 2020, eq. 14)."""
    return with_xstart(prediction, prediction.pred_xstart + xstart_shift(gradient, coefficients), x_t, coefficients)


def walk_of(file: Golden) -> RespacedSchedule:
    """The respaced process that the file's flags describe."""
    flags = file.metadata["flags"]
    bars = alphas_cumprod(flags["noise_schedule"], flags["diffusion_steps"])
    return respaced_schedule(bars, flags["timestep_respacing"], flags["rescale_timesteps"])


def denoiser_of(file: Golden) -> Denoiser:
    """The file's net, filled."""
    net = build_adm(file.metadata["flags"]).eval().requires_grad_(False)
    file.fill(net)
    return timestep_denoiser(net, from_eps, learned_variance=True)


def cosine_moment(time: float) -> StepCoefficients:
    """The stop at which a v-net's clock shows *time*."""
    bar = math.cos(time * math.pi / 2) ** 2
    return StepCoefficients(0.0, bar, 1.0, 0.0, 0.0)


def everywhere(schedule: RespacedSchedule, stop: int, samples: int) -> BatchCoefficients:
    """All samples at one stop."""
    return stack([schedule.at(stop)] * samples)


def clamped_pull(x: Tensor, prediction: Prediction) -> Tensor:
    """The golden files' cond_fn: towards grey, through the net, rms at most 0.05 per sample."""
    (g,) = torch.autograd.grad(-(prediction.pred_xstart - 0.5).square().sum(), x)
    rms = g.square().mean((1, 2, 3), keepdim=True).sqrt()
    return g * rms.clamp(max=0.05) / rms


@dataclass(frozen=True)
class Asked:
    """What solvers ask, from one function that answers all."""

    answer: Callable[[Tensor, BatchCoefficients], GuidedPrediction]

    def predict(self, x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
        return self.answer(x, coefficients)

    def plain(self, x: Tensor, coefficients: BatchCoefficients) -> Prediction:
        return self.answer(x, coefficients).plain

    def gradient(self, x: Tensor, coefficients: BatchCoefficients) -> Tensor | None:
        return self.answer(x, coefficients).gradient


def answering(denoise: Denoiser, guide: Guide | None = None, clip: bool = False) -> GuidedModel:
    """The net as solvers ask it, guided by *guide*."""

    def ask(x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
        leaning = predict(denoise, x, coefficients, guide, clip)
        if guide is None:
            return GuidedPrediction(leaning, leaning)
        x = x.detach().requires_grad_()
        plain = denoise(x, coefficients)
        gradient = guide(x, plain)
        assert plain.log_variance is not None
        parts = (plain.pred_xstart.detach(), plain.eps.detach(), plain.log_variance.detach())
        return GuidedPrediction(Prediction(*parts), leaning, gradient)

    return Asked(ask)


def standing(
    schedule: RespacedSchedule,
    stop: int,
    x: Tensor,
    history: list[Tensor] | None = None,
    *,
    order: int = 1,
    noise: Tensor | None = None,
) -> SolverInput:
    """All samples at one stop, with the same memory."""
    n, taken = len(x), history or []
    blank = [torch.zeros_like(x)] * (3 - len(taken))
    former = schedule.at(stop + 1).alpha_bar if taken and stop + 1 < len(schedule) else 0.0
    return SolverInput(
        x=x,
        coefficients=everywhere(schedule, stop, n),
        ahead=everywhere(schedule, max(stop - 1, 0), n),
        history=torch.stack([*taken, *blank]),
        depth=torch.full((n,), len(taken)),
        former_alpha_bar=torch.full((n, 1, 1, 1), former, dtype=torch.float64),
        eta=torch.zeros(n, 1, 1, 1, dtype=torch.float64),
        order=torch.full((n,), order),
        noise=torch.zeros_like(x) if noise is None else noise,
    )


def walked(sampler: str, schedule: RespacedSchedule, ask: GuidedModel, x: Tensor, *, order: int = 1) -> Tensor:
    """From *x* at the first stop to the picture."""
    history = list[Tensor]()
    for stop in reversed(range(len(schedule))):
        move = SOLVERS[sampler].step(standing(schedule, stop, x, history, order=order), ask)
        x, history = move.x, [m for m in (move.memory, *history) if m is not None][: SOLVERS[sampler].memory]
    return x


def predict(
    denoise: Denoiser, x: Tensor, coefficients: BatchCoefficients, guide: Guide | None, clip: bool = False
) -> Prediction:
    """What the net says, leaning where *guide* says."""
    with torch.set_grad_enabled(guide is not None):
        x = x.detach().requires_grad_(guide is not None)
        prediction = denoise(x, coefficients)
        if clip:
            prediction = clipped(prediction, x, coefficients)
        if guide is not None:
            prediction = conditioned(prediction, guide(x, prediction), x, coefficients)
    log_variance = prediction.log_variance
    assert log_variance is not None
    return Prediction(prediction.pred_xstart.detach(), prediction.eps.detach(), log_variance.detach())
