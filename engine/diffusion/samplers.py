"""From x_t to x_{t-1}, given what the net said. Pure functions of a batch in which every sample has its own moment.

x, predictions and noise are NCHW; eta is a number or [N, 1, 1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction, predict_xstart
from engine.diffusion.respacing import BatchCoefficients

ADAMS_BASHFORTH: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Coefficients of order 1 to 4 (Liu et al. 2022, PLMS), the newest first."""


def ddim_step(prediction: Prediction, coefficients: BatchCoefficients, eta: float | Tensor, noise: Tensor) -> Tensor:
    """One step of DDIM (Song et al. 2020, eq. 12 and 16): eta 0 is deterministic, eta 1 as noisy as DDPM."""
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

    With *gradient* = ∇ log p(y | x_t) the mean moves by Σ·g (Dhariwal & Nichol 2021, algorithm 1), so *prediction* is
    then the one before guidance. The variance is the learned one, or β̃ where the net has learned none.
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

    *history* holds the ε of this and the former steps, the newest first; of each sample, the first *depth* [N] count,
    which is the order: 4 at most.
    """
    table = torch.tensor([row + (0.0,) * (4 - len(row)) for row in ADAMS_BASHFORTH], dtype=torch.float64)
    weights = table[depth.clamp(1, 4) - 1].T[: len(history)]
    return (weights[:, :, None, None, None].to(history) * history).sum(0)


def euler_step(x_t: Tensor, eps: Tensor, coefficients: BatchCoefficients, last: Tensor) -> Tensor:
    """Carry x_t along *eps* to the next stop: DDIM without noise. Samples at their last stop take *last* instead.

    The first step of PLMS (pseudo improved Euler) is this twice: with ε, and again with the mean of ε and the ε found
    where the first one led, at the next stop.
    """
    prev = coefficients.alpha_bar_prev
    x_start = predict_xstart(x_t, eps, coefficients.alpha_bar)
    moved = prev.sqrt().to(x_t) * x_start + (1 - prev).sqrt().to(x_t) * eps
    return torch.where((prev >= 1).to(x_t.device), last, moved)


def guidance_step(x_t: Tensor, gradient: Tensor, here: Tensor, coefficients: BatchCoefficients, share: float) -> Tensor:
    """An Euler step of the guidance alone, for a *share* of the way to the next stop; x_t stays as noisy as it is.

    With x̄ = x/√ᾱ and σ = √(1/ᾱ - 1), the flow is dx̄/dσ = ε - √(1-ᾱ)·g; this is its second term (Wizadwongsa &
    Suwajanakorn 2023, eq. 11). *here* [N, 1, 1, 1] is ᾱ of x_t: of this stop, or already of the next.
    """
    span = (1 / coefficients.alpha_bar - 1).sqrt() - (1 / coefficients.alpha_bar_prev - 1).sqrt()
    return x_t + (share * here.sqrt() * span * (1 - here).sqrt()).to(x_t) * gradient


def dpmpp_2m_step(
    x_t: Tensor, prediction: Prediction, coefficients: BatchCoefficients, former: Tensor, alpha_bar_former: Tensor
) -> Tensor:
    """One step of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), of second order, without noise.

    *former* is the pred_xstart of the step before, taken at *alpha_bar_former* [N, 1, 1, 1]. Where there was none that
    is 0, and the step is of first order (which is DDIM without noise); so is the last one, which has no end in λ.
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
