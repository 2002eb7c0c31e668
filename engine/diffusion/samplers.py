"""Samplers: a step from x_t to x_{t-1}, and the predictions that multistep samplers need from former steps.

Everything is per sample: timestep, coefficients, noise, and the number of former predictions a multistep sampler has.
Missing predictions get a weight of exactly 0, so an image is the same alone and in a batch. Samplers hold no state.
x, predictions and noise are [N, C, H, W]; eta is a number or [N, 1, 1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction, predict_xstart
from engine.diffusion.schedules import BatchCoefficients

ADAMS_BASHFORTH: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Adams–Bashforth coefficients of order 1 to 4 (PLMS, Liu et al. 2022), newest first."""


def ddim_step(prediction: Prediction, coefficients: BatchCoefficients, eta: float | Tensor, noise: Tensor) -> Tensor:
    """One step of DDIM (Song et al. 2020, eq. 12 and 16): eta 0 is deterministic, eta 1 has the noise of DDPM."""
    bar, prev = coefficients.alpha_bar, coefficients.alpha_bar_prev
    sigma = eta * ((1 - prev) / (1 - bar)).sqrt() * (1 - bar / prev).sqrt()
    direction = (1 - prev - sigma**2).clamp_min(0).sqrt()
    x_start, eps = prediction.pred_xstart, prediction.eps
    return prev.sqrt().to(x_start) * x_start + direction.to(eps) * eps + sigma.to(noise) * noise


def posterior_mean(x_t: Tensor, pred_xstart: Tensor, coefficients: BatchCoefficients) -> Tensor:
    """The mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eq. 7)."""
    bar, prev = coefficients.alpha_bar, coefficients.alpha_bar_prev
    alpha = bar / prev
    of_xstart = prev.sqrt() * (1 - alpha) / (1 - bar)
    of_x_t = alpha.sqrt() * (1 - prev) / (1 - bar)
    return of_xstart.to(x_t) * pred_xstart + of_x_t.to(x_t) * x_t


def ancestral_step(
    x_t: Tensor, prediction: Prediction, coefficients: BatchCoefficients, noise: Tensor, gradient: Tensor | None = None
) -> Tensor:
    """One step of DDPM (Ho et al. 2020, algorithm 2).

    *gradient* g = ∇ log p(y | x_t) moves the mean by Σ·g (Dhariwal & Nichol 2021, algorithm 1); *prediction* is then
    the unguided one. The variance is the learned one, or β̃ without a learned variance.
    """
    log_variance = prediction.log_variance
    if log_variance is None:
        log_variance = coefficients.log_variance_small.to(x_t)
    mean = posterior_mean(x_t, prediction.pred_xstart, coefficients)
    if gradient is not None:
        mean = mean + log_variance.exp() * gradient
    moving = (coefficients.alpha_bar_prev < 1).to(x_t)
    return mean + moving * (0.5 * log_variance).exp() * noise


def plms_eps(history: Tensor, depth: Tensor) -> Tensor:
    """The ε of a pseudo linear multi-step (Liu et al. 2022, eq. 12): [K, N, C, H, W] → [N, C, H, W].

    *history* holds ε of this step and of those before, newest first. *depth* [N] is the order, 1 to 4: a sample uses
    its first *depth* entries.
    """
    table = torch.tensor([row + (0.0,) * (4 - len(row)) for row in ADAMS_BASHFORTH], dtype=torch.float64)
    weights = table[depth.clamp(1, 4) - 1].T[: len(history)]
    return (weights[:, :, None, None, None].to(history) * history).sum(0)


def euler_step(x_t: Tensor, eps: Tensor, coefficients: BatchCoefficients, last: Tensor) -> Tensor:
    """DDIM without noise, along *eps*. Samples at their last step take *last* instead.

    The first step of PLMS (pseudo improved Euler) applies it twice: with ε(x_t), then with the mean of ε(x_t) and ε at
    the result of the first application.
    """
    prev = coefficients.alpha_bar_prev
    x_start = predict_xstart(x_t, eps, coefficients.alpha_bar)
    moved = prev.sqrt().to(x_t) * x_start + (1 - prev).sqrt().to(x_t) * eps
    return torch.where((prev >= 1).to(x_t.device), last, moved)


def guidance_step(x_t: Tensor, gradient: Tensor, here: Tensor, coefficients: BatchCoefficients, share: float) -> Tensor:
    """Euler step of the guidance alone over a *share* (0 to 1) of the step. The noise level of x_t is unchanged.

    With x̄ = x/√ᾱ and σ = √(1/ᾱ - 1), the flow is dx̄/dσ = ε - √(1-ᾱ)·g; this is its second term (Wizadwongsa &
    Suwajanakorn 2023, eq. 11). *here* [N, 1, 1, 1] is ᾱ of x_t: before or after the step.
    """
    span = (1 / coefficients.alpha_bar - 1).sqrt() - (1 / coefficients.alpha_bar_prev - 1).sqrt()
    return x_t + (share * here.sqrt() * span * (1 - here).sqrt()).to(x_t) * gradient


def dpmpp_2m_step(
    x_t: Tensor, prediction: Prediction, coefficients: BatchCoefficients, former: Tensor, alpha_bar_former: Tensor
) -> Tensor:
    """One step of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), of second order, without noise.

    *former* is pred_xstart of the previous step at *alpha_bar_former* [N, 1, 1, 1], which is 0 in the first step. The
    first and the last step are of first order (DDIM without noise), because λ is infinite at the end.
    """
    bar, prev = coefficients.alpha_bar, coefficients.alpha_bar_prev
    step, before = _log_snr(prev) - _log_snr(bar), _log_snr(bar) - _log_snr(alpha_bar_former)
    two = (alpha_bar_former > 0) & (prev < 1)
    lean = torch.where(two, step / (2 * before), torch.zeros_like(step))
    x_start = prediction.pred_xstart
    ahead = (1 + lean).to(x_start) * x_start - lean.to(x_start) * former
    keep, gain = ((1 - prev) / (1 - bar)).sqrt(), prev.sqrt() * (1 - (-step).exp())
    return keep.to(x_t) * x_t + gain.to(x_t) * ahead


def _log_snr(alpha_bar: Tensor) -> Tensor:
    """λ = log(√ᾱ / √(1-ᾱ))."""
    return (alpha_bar.log() - (1 - alpha_bar).log()) / 2


MIN_ALPHA_BAR = 1e-6
"""Smallest ᾱ at which x_0 is computed from ε. Below it (the first step of a cosine schedule) x_0 is rounding error."""


@dataclass(frozen=True, slots=True)
class GuidedPrediction:
    """The network's prediction without and with guidance."""

    plain: Prediction
    guided: Prediction
    gradient: Tensor | None = None
    """∇ log p(y | x_t), limited; None without guidance."""


@dataclass(frozen=True, slots=True)
class SolverInput:
    """A batch before a step."""

    x: Tensor
    coefficients: BatchCoefficients
    ahead: BatchCoefficients
    """Coefficients of the next step; those of this step at the last one."""
    history: Tensor
    """[K, N, C, H, W]: `SolverStep.memory` of former steps, newest first, padded with 0."""
    depth: Tensor
    """[N], on the CPU: number of valid entries of *history*."""
    former_alpha_bar: Tensor
    """[N, 1, 1, 1]: ᾱ of the previous step; 0 before the first step."""
    eta: Tensor
    """[N, 1, 1, 1]: noise of `Ddim`, 0 to 1."""
    order: Tensor
    """[N], on the CPU: order of multistep samplers, 1 to 4."""
    noise: Tensor


@dataclass(frozen=True, slots=True)
class SolverStep:
    """A batch after a step. *memory* enters `SolverInput.history` of the next step."""

    x: Tensor
    pred_xstart: Tensor
    memory: Tensor | None = None


class GuidedModel(Protocol):
    """A network and its guidance, as samplers call them."""

    def predict(self, x: Tensor, coefficients: BatchCoefficients, /) -> GuidedPrediction:
        """The prediction without and with guidance, from one forward pass."""
        ...

    def plain(self, x: Tensor, coefficients: BatchCoefficients, /) -> Prediction:
        """The prediction without guidance."""
        ...

    def gradient(self, x: Tensor, coefficients: BatchCoefficients, /) -> Tensor | None:
        """∇ log p(y | x_t) alone; None if nothing guides."""
        ...


class Solver(Protocol):
    """A sampler. *memory*: number of former steps whose predictions it needs."""

    memory: int

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """Takes one step."""
        ...


class Ddim:
    """DDIM (Song et al. 2020) with noise `eta`. One evaluation per step."""

    memory = 0

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        guided = model.predict(given.x, given.coefficients).guided
        return SolverStep(ddim_step(guided, given.coefficients, given.eta, given.noise), guided.pred_xstart)


class Ancestral:
    """DDPM (Ho et al. 2020) with the learned variance, if any; guidance moves the mean. One evaluation per step."""

    memory = 0

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        answer = model.predict(given.x, given.coefficients)
        x = ancestral_step(given.x, answer.plain, given.coefficients, given.noise, answer.gradient)
        return SolverStep(x, answer.guided.pred_xstart)


class Plms:
    """Pseudo linear multi-step (Liu et al. 2022). The first step, an improved Euler step, evaluates twice."""

    memory = 3

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        now = model.predict(given.x, given.coefficients).guided
        depth = torch.minimum(given.depth + 1, given.order)
        eps = plms_eps(torch.cat([now.eps[None], given.history]), depth)
        if begins(given):
            there = euler_step(given.x, now.eps, given.coefficients, now.pred_xstart)
            eps = (now.eps + model.predict(there, given.ahead).guided.eps) / 2
        return SolverStep(euler_step(given.x, eps, given.coefficients, now.pred_xstart), now.pred_xstart, now.eps)


class DpmPlusPlus:
    """DPM-Solver++(2M) (Lu et al. 2022), of second order. One evaluation per step."""

    memory = 1

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        now = model.predict(given.x, given.coefficients).guided
        x = dpmpp_2m_step(given.x, now, given.coefficients, given.history[0], given.former_alpha_bar)
        return SolverStep(x, now.pred_xstart, now.pred_xstart)


class Split:
    """Operator splitting (Wizadwongsa & Suwajanakorn 2023): a multistep without guidance and Euler steps of guidance.

    *before* and *behind* are the shares of guidance before and after the multistep: (1, 0) is Lie–Trotter splitting,
    (½, ½) Strang splitting, which evaluates guidance twice. Both are of first order, because ε of former steps was
    computed at guided points. The first step is a plain Euler step, as in the paper.
    """

    memory = 3

    def __init__(self, before: float, behind: float) -> None:
        self._before, self._behind = before, behind

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        here = given.coefficients
        known = here.alpha_bar >= MIN_ALPHA_BAR  # x_0 is rounding error below
        x = _guided(given.x, model, here, given, self._before, known)
        now = model.plain(x, here)
        eps = plms_eps(torch.cat([now.eps[None], given.history]), torch.minimum(given.depth + 1, given.order))
        x = euler_step(x, eps, here, now.pred_xstart)
        x = _guided(x, model, given.ahead, given, self._behind, known & (here.alpha_bar_prev < 1))
        return SolverStep(x, now.pred_xstart, now.eps)


def _guided(
    x: Tensor, model: GuidedModel, at: BatchCoefficients, given: SolverInput, share: float, where: Tensor
) -> Tensor:
    """Applies a *share* of the guidance to *x* with the coefficients *at*, *where* [N, 1, 1, 1] it is possible."""
    gradient = model.gradient(x, at) if share and where.any() else None
    if gradient is None:
        return x
    return torch.where(where.to(x.device), guidance_step(x, gradient, at.alpha_bar, given.coefficients, share), x)


def begins(given: SolverInput) -> bool:
    """Whether PLMS takes an improved Euler step, which needs every sample of the batch to begin."""
    coefficients = given.coefficients
    able = can_begin(coefficients.alpha_bar.flatten(), coefficients.alpha_bar_prev.flatten())
    return bool(((given.depth == 0) & (given.order > 1) & able).all())


def can_begin(alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Whether an improved Euler step is possible: not at the last step, and not below `MIN_ALPHA_BAR`."""
    return (alpha_bar >= MIN_ALPHA_BAR) & (alpha_bar_prev < 1)


SOLVERS: Mapping[str, Solver] = {
    "ddim": Ddim(),
    "ddpm": Ancestral(),
    "plms": Plms(),
    "dpmpp_2m": DpmPlusPlus(),
    "ltsp": Split(1.0, 0.0),
    "stsp": Split(0.5, 0.5),
}
"""Value of the option `sampler` → sampler."""
