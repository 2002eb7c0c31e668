"""Samplers: one step of a whole batch, and what a multistep sampler remembers of it.

Everything is per sample: coefficients, noise, and the number of former predictions a multistep sampler has. Missing
predictions get a weight of exactly 0, so an image is the same alone and in a batch. No state is kept here.
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
"""ᾱ. Below it (the first stop of a cosine schedule) a rounding error of ε is a picture, and PLMS starts plainly."""


@dataclass(frozen=True, slots=True)
class GuidedPrediction:
    """The network's prediction without and with guidance."""

    plain: Prediction
    guided: Prediction
    gradient: Tensor | None = None
    """∇ log p(y | x_t), limited; none where nothing guides."""


@dataclass(frozen=True, slots=True)
class SolverInput:
    """Everything that a sampler needs of a batch before a step."""

    x: Tensor
    coefficients: BatchCoefficients
    ahead: BatchCoefficients
    """The next stops; at the last one, that itself."""
    history: Tensor
    """[K, N, C, H, W]: what solvers had to remember, the newest first, 0 where nothing is."""
    depth: Tensor
    """[N], on the CPU: how many entries of it there are."""
    former_alpha_bar: Tensor
    """[N, 1, 1, 1]: ᾱ one stop earlier; 0 where no step was taken yet."""
    eta: Tensor
    """[N, 1, 1, 1]."""
    order: Tensor
    """[N], on the CPU."""
    noise: Tensor


@dataclass(frozen=True, slots=True)
class SolverStep:
    """The batch after a step: the next x_t, the predicted image, and what the sampler wants to remember."""

    x: Tensor
    pred_xstart: Tensor
    memory: Tensor | None = None


class GuidedModel(Protocol):
    """A network and its guidance, as samplers call them."""

    def predict(self, x: Tensor, coefficients: BatchCoefficients, /) -> GuidedPrediction:
        """Both predictions, of one forward pass."""
        ...

    def plain(self, x: Tensor, coefficients: BatchCoefficients, /) -> Prediction:
        """The prediction without guidance."""
        ...

    def gradient(self, x: Tensor, coefficients: BatchCoefficients, /) -> Tensor | None:
        """∇ log p(y | x_t) alone; None if nothing guides."""
        ...


class Solver(Protocol):
    """One way to take a step. *memory* says how many former answers it wants to have beside the present one."""

    memory: int

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """From these stops to the next."""
        ...


class Ddim:
    """Song et al. 2020, with as much fresh noise as `eta` says."""

    memory = 0

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """One evaluation."""
        guided = model.predict(given.x, given.coefficients).guided
        return SolverStep(ddim_step(guided, given.coefficients, given.eta, given.noise), guided.pred_xstart)


class Ancestral:
    """DDPM (Ho et al. 2020), with the learned variance where there is one; guidance moves the mean."""

    memory = 0

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """One evaluation."""
        answer = model.predict(given.x, given.coefficients)
        x = ancestral_step(given.x, answer.plain, given.coefficients, given.noise, answer.gradient)
        return SolverStep(x, answer.guided.pred_xstart)


class Plms:
    """Pseudo linear multi-step (Liu et al. 2022), begun by one improved Euler step, which evaluates twice."""

    memory = 3

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """One evaluation; two where `begins`, for all of the batch."""
        now = model.predict(given.x, given.coefficients).guided
        depth = torch.minimum(given.depth + 1, given.order)
        eps = plms_eps(torch.cat([now.eps[None], given.history]), depth)
        if begins(given):
            there = euler_step(given.x, now.eps, given.coefficients, now.pred_xstart)
            eps = (now.eps + model.predict(there, given.ahead).guided.eps) / 2
        return SolverStep(euler_step(given.x, eps, given.coefficients, now.pred_xstart), now.pred_xstart, now.eps)


class DpmPlusPlus:
    """DPM-Solver++(2M) (Lu et al. 2022): of second order, one evaluation a step, good in few steps."""

    memory = 1

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """One evaluation."""
        now = model.predict(given.x, given.coefficients).guided
        x = dpmpp_2m_step(given.x, now, given.coefficients, given.history[0], given.former_alpha_bar)
        return SolverStep(x, now.pred_xstart, now.pred_xstart)


class Split:
    """Operator splitting (Wizadwongsa & Suwajanakorn 2023): the walk without guidance by a pseudo linear multi-step,
    and guidance by Euler steps of its own, which no extrapolation amplifies: a part *before* it, a part *behind*.

    All before is Lie and Trotter's, half and half Strang's: nearer, for one more look of guidance. Both are of first
    order, also Strang's: the multi-step remembers answers that guidance has moved already, so its slope counts that
    twice. The first step is plain, as theirs; a double one as PLMS has it would be lost beside guidance's error.
    """

    memory = 3

    def __init__(self, before: float, behind: float) -> None:
        self._before, self._behind = before, behind

    def step(self, given: SolverInput, model: GuidedModel) -> SolverStep:
        """One evaluation, and one of guidance for each part."""
        here = given.coefficients
        sighted = here.alpha_bar >= FAINTEST  # where all is noise, nothing is seen that could be pulled at
        x = _pulled(given.x, model, here, given, self._before, sighted)
        now = model.plain(x, here)
        eps = plms_eps(torch.cat([now.eps[None], given.history]), torch.minimum(given.depth + 1, given.order))
        x = euler_step(x, eps, here, now.pred_xstart)
        x = _pulled(x, model, given.ahead, given, self._behind, sighted & (here.alpha_bar_prev < 1))
        return SolverStep(x, now.pred_xstart, now.eps)


def _pulled(
    x: Tensor, model: GuidedModel, there: BatchCoefficients, given: SolverInput, share: float, able: Tensor
) -> Tensor:
    """*x*, which has got to *there*, a share of the step further along guidance, where that is *able* [N, 1, 1, 1]."""
    gradient = model.gradient(x, there) if share and able.any() else None
    if gradient is None:
        return x
    return torch.where(able.to(x.device), guidance_step(x, gradient, there.alpha_bar, given.coefficients, share), x)


def begins(given: SolverInput) -> bool:
    """Whether PLMS takes its first, double step: a batch begins together or not at all."""
    coefficients = given.coefficients
    able = can_begin(coefficients.alpha_bar.flatten(), coefficients.alpha_bar_prev.flatten())
    return bool(((given.depth == 0) & (given.order > 1) & able).all())


def can_begin(alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Where the double step is possible: before the last stop, and where x_0 can be told from ε at all."""
    return (alpha_bar >= FAINTEST) & (alpha_bar_prev < 1)


SOLVERS: Mapping[str, Solver] = {
    "ddim": Ddim(),
    "ddpm": Ancestral(),
    "plms": Plms(),
    "dpmpp_2m": DpmPlusPlus(),
    "ltsp": Split(1.0, 0.0),
    "stsp": Split(0.5, 0.5),
}
"""By the option's words."""
