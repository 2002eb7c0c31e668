"""A walk over the golden files' process, and its net as a denoiser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, Prediction, clipped, conditioned, eps_denoiser
from engine.diffusion.respacing import Moments, Walk, make_walk, stack
from engine.diffusion.schedules import alphas_cumprod
from engine.nets.adm import build_adm
from tests.golden import Golden

Guide = Callable[[Tensor, Prediction], Tensor]


def walk_of(file: Golden) -> Walk:
    """The respaced process that the file's flags describe."""
    flags = file.metadata["flags"]
    bars = alphas_cumprod(flags["noise_schedule"], flags["diffusion_steps"])
    return make_walk(bars, flags["timestep_respacing"], flags["rescale_timesteps"])


def denoiser_of(file: Golden) -> Denoiser:
    """The file's net, filled."""
    net = build_adm(file.metadata["flags"]).eval().requires_grad_(False)
    file.fill(net)
    return eps_denoiser(net, learned_variance=True)


def everywhere(walk: Walk, stop: int, samples: int) -> Moments:
    """All samples at one stop."""
    return stack([walk.at(stop)] * samples)


def clamped_pull(x: Tensor, prediction: Prediction) -> Tensor:
    """The golden files' cond_fn: towards grey, through the net, rms at most 0.05 per sample."""
    (g,) = torch.autograd.grad(-(prediction.pred_xstart - 0.5).square().sum(), x)
    rms = g.square().mean((1, 2, 3), keepdim=True).sqrt()
    return g * rms.clamp(max=0.05) / rms


def predict(denoise: Denoiser, x: Tensor, moments: Moments, guide: Guide | None, clip: bool = False) -> Prediction:
    """What the net says, leaning where *guide* says."""
    with torch.set_grad_enabled(guide is not None):
        x = x.detach().requires_grad_(guide is not None)
        prediction = denoise(x, moments)
        if clip:
            prediction = clipped(prediction, x, moments)
        if guide is not None:
            prediction = conditioned(prediction, guide(x, prediction), x, moments)
    log_variance = prediction.log_variance
    assert log_variance is not None
    return Prediction(prediction.pred_xstart.detach(), prediction.eps.detach(), log_variance.detach())
