"""The losses of improved-diffusion and guided-diffusion (Nichol & Dhariwal 2021), and two later options.

Images are [N, 3, H, W] in [-1, 1]. Every loss is [N], a mean over all values of an image. Bounds are in bits per value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from engine.diffusion.denoiser import q_sample
from engine.diffusion.schedules import alphas_cumprod
from engine.images.tensors import per_sample
from engine.nets.flags import AdmFlags

Target: TypeAlias = Literal["eps", "x0", "v"]
Net: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""x_t [N, 3, H, W] and the net's timesteps [N] → [N, 3 or 6, H, W]."""


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Which loss. The names of the first two are guided-diffusion's."""

    use_kl: bool = False
    """The variational bound alone, times the number of timesteps."""
    rescale_learned_sigmas: bool = False
    """The bound in L_hybrid counts steps / 1000 instead of 1."""
    min_snr_gamma: float = 0.0
    """γ of min-SNR weights (Hang et al. 2023); 0 = every timestep counts the same."""


class Process:
    """The noising process of a net's training, and what its answers cost."""

    def __init__(self, flags: AdmFlags, options: LossOptions | None = None) -> None:
        self.flags, self.options = flags, options or LossOptions()
        self.steps = flags.diffusion_steps
        self.target: Target = "x0" if flags.predict_xstart else "v" if flags.predict_v else "eps"
        self.alpha_bar = bar = alphas_cumprod(flags.noise_schedule, self.steps)
        before = torch.cat([torch.ones(1, dtype=bar.dtype), bar[:-1]])
        beta = 1 - bar / before
        variance = beta * (1 - before) / (1 - bar)
        self._low = torch.cat([variance[1:2], variance[1:]]).log()  # the first is 0
        self._high = beta.log()
        self._fixed = torch.cat([variance[1:2], beta[1:]]).log()
        self._from_start = beta * before.sqrt() / (1 - bar)
        self._from_now = (1 - before) * (1 - beta).sqrt() / (1 - bar)

    def losses(self, net: Net, images: Tensor, timesteps: Tensor, noise: Tensor) -> Mapping[str, Tensor]:
        """`loss` [N], and its parts `mse` and `vb` [N] where it has them."""
        bar = per_sample(self.alpha_bar[timesteps.cpu()]).to(images.device)
        x_t = q_sample(images, noise, bar)
        scale = 1000 / self.steps if self.flags.rescale_timesteps else 1.0
        output = net(x_t, timesteps * scale if scale != 1 else timesteps).to(images.dtype)
        guess, spread = output.chunk(2, dim=1) if self.flags.learn_sigma else (output, None)
        if self.options.use_kl:
            return {"loss": self.bound(guess, spread, images, x_t, timesteps) * self.steps}
        mse = (self._wanted(images, noise, bar) - guess).square().flatten(1).mean(1) * self._weight(bar).to(guess)
        if spread is None:
            return {"loss": mse, "mse": mse}
        # L_hybrid: the bound teaches the variance and leaves the mean alone.
        vb = self.bound(guess.detach(), spread, images, x_t, timesteps)
        if self.options.rescale_learned_sigmas:
            vb = vb * (self.steps / 1000)
        return {"loss": mse + vb, "mse": mse, "vb": vb}

    def bound(self, guess: Tensor, spread: Tensor | None, images: Tensor, x_t: Tensor, timesteps: Tensor) -> Tensor:
        """The term L_t of the variational bound, [N], in bits per value; at t = 0 the likelihood of 8-bit levels."""
        mean, log_variance = self._posterior(images, x_t, timesteps)
        own_mean, _ = self._posterior(self.start(guess, x_t, timesteps), x_t, timesteps)
        own_log_variance = self._log_variance(spread, timesteps, images)
        kl = normal_kl(mean, log_variance, own_mean, own_log_variance)
        likelihood = level_log_likelihood(images, own_mean, own_log_variance / 2)
        here = per_sample(timesteps == 0).to(images.device)
        return torch.where(here, -likelihood, kl).flatten(1).mean(1) / math.log(2)

    def start(self, guess: Tensor, x_t: Tensor, timesteps: Tensor) -> Tensor:
        """x̂_0 out of the net's answer."""
        bar = per_sample(self.alpha_bar[timesteps.cpu()]).to(guess.device)
        signal, noise = bar.sqrt().to(guess), (1 - bar).sqrt().to(guess)
        if self.target == "x0":
            return guess
        if self.target == "v":
            return signal * x_t - noise * guess
        return (1 / bar).sqrt().to(guess) * x_t - (1 / bar - 1).sqrt().to(guess) * guess

    def _wanted(self, images: Tensor, noise: Tensor, bar: Tensor) -> Tensor:
        if self.target == "x0":
            return images
        if self.target == "v":
            return bar.sqrt().to(images) * noise - (1 - bar).sqrt().to(images) * images
        return noise

    def _weight(self, bar: Tensor) -> Tensor:
        """[N]: min(SNR, γ) in the terms of x_0, divided by what an error of the net's target is worth in these."""
        flat = bar.flatten()
        if not self.options.min_snr_gamma:
            return torch.ones_like(flat)
        snr = flat / (1 - flat)
        worth = {"x0": torch.ones_like(snr), "eps": snr, "v": snr + 1}[self.target]
        return snr.clamp(max=self.options.min_snr_gamma) / worth

    def _posterior(self, images: Tensor, x_t: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(x_{t-1} | x_t, x_0)."""
        mean = self._at(self._from_start, timesteps, images) * images + self._at(self._from_now, timesteps, x_t) * x_t
        return mean, self._at(self._low, timesteps, images).expand_as(images)

    def _log_variance(self, spread: Tensor | None, timesteps: Tensor, like: Tensor) -> Tensor:
        if spread is None:
            return self._at(self._fixed, timesteps, like).expand_as(like)
        share = (spread + 1) / 2
        return share * self._at(self._high, timesteps, like) + (1 - share) * self._at(self._low, timesteps, like)

    @staticmethod
    def _at(table: Tensor, timesteps: Tensor, like: Tensor) -> Tensor:
        return per_sample(table[timesteps.cpu()]).to(like)


def normal_kl(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """KL divergence of two Gaussians per value, in nats."""
    return 0.5 * (
        other_log_variance
        - log_variance
        + (log_variance - other_log_variance).exp()
        + (mean - other_mean).square() * (-other_log_variance).exp()
        - 1
    )


def level_log_likelihood(images: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of 8-bit levels under a Gaussian, per value, in nats; the two outer levels hold the tails."""
    centred, narrow = images - mean, (-log_scale).exp()
    above, below = (_normal_cdf(narrow * (centred + side / 255)) for side in (1, -1))
    inner = (above - below).clamp(min=1e-12).log()
    low, high = above.clamp(min=1e-12).log(), (1 - below).clamp(min=1e-12).log()
    return torch.where(images < -0.999, low, torch.where(images > 0.999, high, inner))


def _normal_cdf(x: Tensor) -> Tensor:
    """The reference's approximation by tanh, so that losses compare."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
