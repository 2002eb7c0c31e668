"""Denoisers: what a network predicts for a noisy image, and constraints on it: symmetry, seamless edges, masks.

Images are [N, C, H, W] in [-1, 1]; ᾱ is [N, 1, 1, 1] in float64 (see `BatchCoefficients`). Each sample of a batch has
its own constraints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.schedules import BatchCoefficients


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted x_0 and ε of x_t, [N, 3, H, W] each; *log_variance* only if the network has learned it."""

    pred_xstart: Tensor
    eps: Tensor
    log_variance: Tensor | None = None


SPREAD = 0.5
"""Standard deviation of a pixel over natural images in [-1, 1]."""
Net: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""x_t [N, 3, H, W] and timesteps [N] → [N, 3 or 6, H, W]."""
Denoiser: TypeAlias = Callable[[Tensor, BatchCoefficients], Prediction]


def predict_xstart(x_t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve x_t = √ᾱ·x_0 + √(1-ᾱ)·ε for x_0 (Ho et al. 2020, eq. 15)."""
    return (1 / alpha_bar).sqrt().to(x_t) * x_t - (1 / alpha_bar - 1).sqrt().to(x_t) * eps


def predict_eps(x_t: Tensor, pred_xstart: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve x_t = √ᾱ·x_0 + √(1-ᾱ)·ε for ε."""
    return ((1 / alpha_bar).sqrt().to(x_t) * x_t - pred_xstart) / (1 / alpha_bar - 1).sqrt().to(x_t)


def q_sample(x_start: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noisy image x_t = √ᾱ·x_0 + √(1-ᾱ)·ε (Ho et al. 2020, eq. 4)."""
    return alpha_bar.sqrt().to(x_start) * x_start + (1 - alpha_bar).sqrt().to(x_start) * noise


def eps_denoiser(net: Net, learned_variance: bool) -> Denoiser:
    """Wraps a network that predicts ε and, with *learned_variance*, the interpolation between log β̃ and log β."""

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        out = net(x_t, coefficients.timestep.to(x_t.device))
        eps, log_variance = _split(out, coefficients) if learned_variance else (out, None)
        return Prediction(predict_xstart(x_t, eps, coefficients.alpha_bar), eps, log_variance)

    return denoise


def xstart_denoiser(net: Net, learned_variance: bool = False) -> Denoiser:
    """Wraps a network that predicts x_0."""

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        out = net(x_t, coefficients.timestep.to(x_t.device))
        x_start, log_variance = _split(out, coefficients) if learned_variance else (out, None)
        return Prediction(x_start, predict_eps(x_t, x_start, coefficients.alpha_bar), log_variance)

    return denoise


def velocity_denoiser(net: Net, learned_variance: bool = False) -> Denoiser:
    """Wraps a network that predicts v = √ᾱ·ε - √(1-ᾱ)·x_0 at the steps of its schedule (Salimans & Ho 2022)."""

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        out = net(x_t, coefficients.timestep.to(x_t.device))
        v, log_variance = _split(out, coefficients) if learned_variance else (out, None)
        signal, noise = coefficients.alpha_bar.sqrt().to(x_t), (1 - coefficients.alpha_bar).sqrt().to(x_t)
        return Prediction(signal * x_t - noise * v, noise * x_t + signal * v, log_variance)

    return denoise


def v_denoiser(net: Net) -> Denoiser:
    """Wraps a network that predicts v = α·ε - σ·x_0 at the cosine time 2/π·atan2(σ, α) (Salimans & Ho 2022)."""

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        alpha, sigma = coefficients.alpha_bar.sqrt(), (1 - coefficients.alpha_bar).sqrt()
        time = torch.atan2(sigma, alpha).flatten() * (2 / math.pi)
        v = net(x_t, time.to(x_t))
        alpha, sigma = alpha.to(x_t), sigma.to(x_t)
        return Prediction(alpha * x_t - sigma * v, sigma * x_t + alpha * v)

    return denoise


def plain_slope(coefficients: BatchCoefficients) -> Tensor:
    """∂x_0/∂x_t of the ideal denoiser for independent Gaussian pixels: s²√ᾱ / (s²ᾱ + 1-ᾱ), [N, 1, 1, 1]."""
    bar = coefficients.alpha_bar
    return SPREAD**2 * bar.sqrt() / (SPREAD**2 * bar + 1 - bar)


def free_guidance(
    reading: Denoiser, blind: Denoiser, scale: Tensor, against: Denoiser | None = None, aversion: Tensor | None = None
) -> Denoiser:
    """Classifier-free guidance (Ho & Salimans 2022): blind + scale · (reading - blind - aversion · (against - blind)).

    *reading* is conditioned on the prompt, *blind* on nothing, *against* on the negative prompt (composable diffusion,
    Liu et al. 2022). *scale* and *aversion* are [N, 1, 1, 1]; scale 1 equals *reading*, scale 0 *blind*.
    Only *reading* is differentiated, because that costs a third of the work and keeps the gradient's direction.
    """

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        told = reading(x_t, coefficients)
        still = x_t.detach()
        with torch.no_grad():
            ground = blind(still, coefficients).pred_xstart
            away = torch.zeros_like(ground)
            if against is not None and aversion is not None:
                away = aversion.to(x_t) * (against(still, coefficients).pred_xstart - ground)
        pred_xstart = ground + scale.to(x_t) * (told.pred_xstart - ground - away)
        return with_xstart(told, pred_xstart, x_t, coefficients)

    return denoise


def clipped(prediction: Prediction, x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
    """Clamps the predicted x_0 to [-1, 1] and recomputes ε."""
    return with_xstart(prediction, prediction.pred_xstart.clamp(-1, 1), x_t, coefficients)


def xstart_shift(gradient: Tensor, coefficients: BatchCoefficients) -> Tensor:
    """Change of x_0 by *gradient* g = ∇ log p(y | x_t): (1-ᾱ)/√ᾱ · g (Song et al. 2020, eq. 14, solved for x_0)."""
    return ((1 - coefficients.alpha_bar) / coefficients.alpha_bar.sqrt()).to(gradient) * gradient


def gradient_of_shift(shift: Tensor, coefficients: BatchCoefficients) -> Tensor:
    """The inverse of `xstart_shift`."""
    return (coefficients.alpha_bar.sqrt() / (1 - coefficients.alpha_bar)).to(shift) * shift


def with_xstart(
    prediction: Prediction, pred_xstart: Tensor, x_t: Tensor, coefficients: BatchCoefficients
) -> Prediction:
    """Replaces the predicted x_0 and recomputes ε from x_t."""
    return replace(prediction, pred_xstart=pred_xstart, eps=predict_eps(x_t, pred_xstart, coefficients.alpha_bar))


def _split(out: Tensor, coefficients: BatchCoefficients) -> tuple[Tensor, Tensor]:
    """Nichol & Dhariwal 2021, eq. 15: the second half v ∈ [-1, 1] interpolates between log β̃ and log β."""
    prediction, v = out.chunk(2, dim=1)
    part = (v + 1) / 2
    small, large = coefficients.log_variance_small.to(out), coefficients.log_variance_large.to(out)
    return prediction, part * large + (1 - part) * small


def mirrored(x: Tensor, left_right: Tensor, up_down: Tensor) -> Tensor:
    """Copies the mirrored left half to the right where *left_right* [N], the upper half down where *up_down* [N].

    Halves are copied as in Disco Diffusion, because the mean of two noises has less variance.
    """
    for flags, dim in ((left_right, -1), (up_down, -2)):
        if flags.any():
            half = x.shape[dim] // 2
            copy = x.clone()
            copy.narrow(dim, x.shape[dim] - half, half).copy_(x.narrow(dim, 0, half).flip(dim))
            x = torch.where(flags.to(x.device).view(-1, 1, 1, 1), copy, x)
    return x


def rolled(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Rolls each image by its own numbers of pixels, *down* [N] and *across* [N], like `torch.roll`."""
    n, _, height, width = x.shape
    rows = (torch.arange(height) - down[:, None]) % height
    columns = (torch.arange(width) - across[:, None]) % width
    one = torch.arange(n, device=x.device)
    moved = x.permute(0, 2, 3, 1)[one[:, None, None], rows.to(x.device)[:, :, None], columns.to(x.device)[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def wandering(denoise: Denoiser, down: Tensor, across: Tensor, margin: tuple[int, int] = (0, 0)) -> Denoiser:
    """Rolls each image by *down* and *across* [N] pixels before *denoise*, and back after it.

    Different offsets in each step make the image seamless. The circular *margin* (pixels above and below, pixels left
    and right) keeps the last steps from leaving visible edges.
    """
    high, wide = margin

    def moved(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        said = denoise(beyond_edges(x_t, down, across, margin), coefficients)
        back = (_cropped(part, high, wide) for part in (said.pred_xstart, said.eps))
        variance = said.log_variance if said.log_variance is None else _cropped(said.log_variance, high, wide)
        pred_xstart, eps = (rolled(part, -down, -across) for part in back)
        return Prediction(pred_xstart, eps, None if variance is None else rolled(variance, -down, -across))

    return moved


def beyond_edges(x: Tensor, down: Tensor, across: Tensor, margin: tuple[int, int]) -> Tensor:
    """Rolls each image, then pads it circularly by *margin*: [N, C, H + 2·high, W + 2·wide]."""
    high, wide = margin
    return F.pad(rolled(x, down, across), (wide, wide, high, high), "circular")


def _cropped(x: Tensor, high: int, wide: int) -> Tensor:
    return x[..., high : x.shape[-2] - high, wide : x.shape[-1] - wide]


def kept(
    prediction: Prediction, stays: Tensor, mask: Tensor, x_t: Tensor, coefficients: BatchCoefficients
) -> Prediction:
    """Replaces the predicted x_0 by *stays* where *mask* [N, 1, H, W] is 0, and recomputes ε there.

    The result equals *stays* there with every sampler, and the network sees the kept part in each step.
    """
    pred_xstart = torch.where(mask == 1, prediction.pred_xstart, mask * prediction.pred_xstart + (1 - mask) * stays)
    found = with_xstart(prediction, pred_xstart, x_t, coefficients)
    return replace(found, eps=torch.where(mask == 1, prediction.eps, found.eps))
