"""Samplers: one step of a batch, and the predictions that multistep samplers need from former steps.

Everything is per sample: coefficients, noise, and the number of former predictions a multistep sampler has. Missing
predictions get a weight of exactly 0, so an image is the same alone and in a batch. Samplers hold no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction
from engine.diffusion.respacing import BatchCoefficients
from engine.diffusion.samplers import ancestral_step, ddim_step, dpmpp_2m_step, euler_step, guidance_step, plms_eps

FAINTEST = 1e-6
"""Smallest ᾱ at which x_0 is computed from ε. Below it (the first stop of a cosine schedule) x_0 is rounding error."""


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
        sighted = here.alpha_bar >= FAINTEST  # x_0 is rounding error below
        x = _pulled(given.x, model, here, given, self._before, sighted)
        now = model.plain(x, here)
        eps = plms_eps(torch.cat([now.eps[None], given.history]), torch.minimum(given.depth + 1, given.order))
        x = euler_step(x, eps, here, now.pred_xstart)
        x = _pulled(x, model, given.ahead, given, self._behind, sighted & (here.alpha_bar_prev < 1))
        return SolverStep(x, now.pred_xstart, now.eps)


def _pulled(
    x: Tensor, model: GuidedModel, there: BatchCoefficients, given: SolverInput, share: float, able: Tensor
) -> Tensor:
    """Applies a *share* of the guidance to *x* at the coefficients *there*, where *able* [N, 1, 1, 1]."""
    gradient = model.gradient(x, there) if share and able.any() else None
    if gradient is None:
        return x
    return torch.where(able.to(x.device), guidance_step(x, gradient, there.alpha_bar, given.coefficients, share), x)


def begins(given: SolverInput) -> bool:
    """Whether PLMS takes an improved Euler step, which needs every sample of the batch to begin."""
    coefficients = given.coefficients
    able = can_begin(coefficients.alpha_bar.flatten(), coefficients.alpha_bar_prev.flatten())
    return bool(((given.depth == 0) & (given.order > 1) & able).all())


def can_begin(alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Whether an improved Euler step is possible: not at the last step, and not below `FAINTEST`."""
    return (alpha_bar >= FAINTEST) & (alpha_bar_prev < 1)


SOLVERS: Mapping[str, Solver] = {
    "ddim": Ddim(),
    "ddpm": Ancestral(),
    "plms": Plms(),
    "dpmpp_2m": DpmPlusPlus(),
    "ltsp": Split(1.0, 0.0),
    "stsp": Split(0.5, 0.5),
}
"""Value of the option `sampler` → sampler."""
