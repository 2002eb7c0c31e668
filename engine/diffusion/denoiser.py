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


PIXEL_STD = 0.5
"""Standard deviation of a pixel over natural images in [-1, 1]."""
Net: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""x_t [N, 3, H, W] and timesteps [N] → [N, 3 or 6, H, W]."""
Denoiser: TypeAlias = Callable[[Tensor, BatchCoefficients], Prediction]
Solve: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""x_t, what a network predicts, and ᾱ → x_0 and ε; one of `from_eps`, `from_xstart`, `from_v`."""


def predict_xstart(x_t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve x_t = √ᾱ·x_0 + √(1-ᾱ)·ε for x_0 (Ho et al. 2020, eq. 15)."""
    return (1 / alpha_bar).sqrt().to(x_t) * x_t - (1 / alpha_bar - 1).sqrt().to(x_t) * eps


def predict_eps(x_t: Tensor, pred_xstart: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve x_t = √ᾱ·x_0 + √(1-ᾱ)·ε for ε."""
    return ((1 / alpha_bar).sqrt().to(x_t) * x_t - pred_xstart) / (1 / alpha_bar - 1).sqrt().to(x_t)


def q_sample(x_start: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noisy image x_t = √ᾱ·x_0 + √(1-ᾱ)·ε (Ho et al. 2020, eq. 4)."""
    return alpha_bar.sqrt().to(x_start) * x_start + (1 - alpha_bar).sqrt().to(x_start) * noise


def from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """A prediction of ε → x_0 and ε."""
    return predict_xstart(x_t, eps, alpha_bar), eps


def from_xstart(x_t: Tensor, pred_xstart: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """A prediction of x_0 → x_0 and ε."""
    return pred_xstart, predict_eps(x_t, pred_xstart, alpha_bar)


def from_v(x_t: Tensor, v: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """A prediction of v = √ᾱ·ε - √(1-ᾱ)·x_0 (Salimans & Ho 2022) → x_0 and ε."""
    alpha, sigma = alpha_bar.sqrt().to(x_t), (1 - alpha_bar).sqrt().to(x_t)
    return alpha * x_t - sigma * v, sigma * x_t + alpha * v


def timestep_denoiser(net: Net, solve: Solve, *, learned_variance: bool = False) -> Denoiser:
    """Wraps a network that sees the timesteps of its training.

    *learned_variance*: it also predicts the interpolation between log β̃ and log β.
    """

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        out, log_variance = net(x_t, coefficients.timestep.to(x_t.device)), None
        if learned_variance:
            out, log_variance = _split(out, coefficients)
        return Prediction(*solve(x_t, out, coefficients.alpha_bar), log_variance)

    return denoise


def cosine_denoiser(net: Net) -> Denoiser:
    """Wraps a network that predicts v and sees the cosine time 2/π·atan2(√(1-ᾱ), √ᾱ)."""

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        alpha_bar = coefficients.alpha_bar
        time = torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt()).flatten() * (2 / math.pi)
        return Prediction(*from_v(x_t, net(x_t, time.to(x_t)), alpha_bar))

    return denoise


def gaussian_slope(coefficients: BatchCoefficients) -> Tensor:
    """∂x_0/∂x_t of the ideal denoiser for independent Gaussian pixels: s²√ᾱ / (s²ᾱ + 1-ᾱ), [N, 1, 1, 1]."""
    bar = coefficients.alpha_bar
    return PIXEL_STD**2 * bar.sqrt() / (PIXEL_STD**2 * bar + 1 - bar)


def classifier_free_guidance(
    conditional: Denoiser,
    unconditional: Denoiser,
    scale: Tensor,
    negative: Denoiser | None = None,
    negative_scale: Tensor | None = None,
) -> Denoiser:
    """x_0 = u + scale · (c - u - negative_scale · (n - u)) of the predictions of three denoisers.

    Classifier-free guidance (Ho & Salimans 2022, eq. 6) from u, *unconditional*, to c, *conditional* on the prompt, and
    away from n, conditional on the *negative* prompt (composable diffusion, Liu et al. 2022). *scale* and
    *negative_scale* are [N, 1, 1, 1]; scale 1 equals *conditional*, scale 0 *unconditional*.
    Only *conditional* is differentiated, because that costs a third of the work and keeps the gradient's direction.
    """

    def denoise(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        prediction = conditional(x_t, coefficients)
        with torch.no_grad():
            base = unconditional(x_t.detach(), coefficients).pred_xstart
            away = torch.zeros_like(base)
            if negative is not None and negative_scale is not None:
                away = negative_scale.to(x_t) * (negative(x_t.detach(), coefficients).pred_xstart - base)
        pred_xstart = base + scale.to(x_t) * (prediction.pred_xstart - base - away)
        return with_xstart(prediction, pred_xstart, x_t, coefficients)

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


def seamless_denoiser(denoise: Denoiser, down: Tensor, across: Tensor, margin: tuple[int, int] = (0, 0)) -> Denoiser:
    """Rolls each image by *down* and *across* [N] pixels before *denoise*, and back after it.

    Different offsets in each step make the image seamless. The circular *margin* (pixels above and below, pixels left
    and right) keeps the last steps from leaving visible edges.
    """

    def unrolled(padded: Tensor) -> Tensor:
        return rolled(_cropped(padded, *margin), -down, -across)

    def denoise_rolled(x_t: Tensor, coefficients: BatchCoefficients) -> Prediction:
        found = denoise(roll_and_pad(x_t, down, across, margin), coefficients)
        variance = None if found.log_variance is None else unrolled(found.log_variance)
        return Prediction(unrolled(found.pred_xstart), unrolled(found.eps), variance)

    return denoise_rolled


def roll_and_pad(x: Tensor, down: Tensor, across: Tensor, margin: tuple[int, int]) -> Tensor:
    """Rolls each image, then pads it circularly by *margin*: [N, C, H + 2·high, W + 2·wide]."""
    high, wide = margin
    return F.pad(rolled(x, down, across), (wide, wide, high, high), "circular")


def _cropped(x: Tensor, high: int, wide: int) -> Tensor:
    return x[..., high : x.shape[-2] - high, wide : x.shape[-1] - wide]


def inpainted(
    prediction: Prediction, picture: Tensor, mask: Tensor, x_t: Tensor, coefficients: BatchCoefficients
) -> Prediction:
    """Replaces the predicted x_0 by *picture* where *mask* [N, 1, H, W] is 0, and recomputes ε there.

    The result equals *picture* there with every sampler, and the network sees that part in each step.
    """
    blend = mask * prediction.pred_xstart + (1 - mask) * picture
    found = with_xstart(prediction, torch.where(mask == 1, prediction.pred_xstart, blend), x_t, coefficients)
    return replace(found, eps=torch.where(mask == 1, prediction.eps, found.eps))
