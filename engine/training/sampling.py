"""A batched sampler for sample sheets during training: DDIM with classifier-free guidance, no CLIP.

People's pictures come from `engine/methods`, which can do more; this one needs a net and nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction, predict_eps
from engine.diffusion.samplers import ddim_step
from engine.diffusion.schedules import alphas_cumprod, respaced_schedule, stack
from engine.nets.adm import UNetModel


@torch.no_grad()
def sample(
    net: UNetModel,
    count: int,
    *,
    contexts: Tensor | None = None,
    sketches: Tensor | None = None,
    cfg_scale: float = 2.5,
    steps: int = 25,
    eta: float = 1.0,
    seed: int = 0,
    batch: int = 32,
) -> Tensor:
    """*count* pictures of an x_0-predicting net, [count, 3, S, S] in [0, 1]; *contexts*: [count, D] or none.

    *sketches*: [count, 4, S, S] or none.
    """
    flags, device = net.flags, next(net.parameters()).device
    walk = respaced_schedule(alphas_cumprod(flags.noise_schedule, flags.diffusion_steps), str(steps))
    generator = torch.Generator().manual_seed(seed)
    done = []
    for start in range(0, count, batch):
        some = min(batch, count - start)
        shape = (some, 3, flags.image_size, flags.image_size)
        told = None if contexts is None else contexts[start : start + some].to(device)
        seen = None if sketches is None else sketches[start : start + some].to(device)
        x = torch.randn(shape, generator=generator).to(device, memory_format=torch.channels_last)
        for stop in reversed(range(len(walk))):
            moments = stack([walk.at(stop)] * some)
            x_start = _guess(net, x, moments.timestep.to(device), told, seen, cfg_scale).clamp(-1, 1)
            prediction = Prediction(x_start, predict_eps(x, x_start, moments.alpha_bar))
            noise = torch.randn(shape, generator=generator).to(device)
            x = ddim_step(prediction, moments, eta if stop else 0.0, noise) if stop else x_start
        done.append(x.add(1).div(2).cpu())
    return torch.cat(done)


def _guess(
    net: UNetModel, x: Tensor, timesteps: Tensor, told: Tensor | None, sketch: Tensor | None, cfg_scale: float
) -> Tensor:
    """Return x̂_0 with classifier-free guidance (Ho & Salimans 2022)."""
    if told is None or cfg_scale == 1:
        out: Tensor = net(x, timesteps, context=told, sketch=sketch)
        return out
    both = net(
        torch.cat([x, x]),
        torch.cat([timesteps, timesteps]),
        context=torch.cat([told, told]),
        context_mask=_halves(len(x)).to(x.device),
        sketch=None if sketch is None else torch.cat([sketch, sketch]),
    )
    with_text, without = both.chunk(2)
    guess: Tensor = without + cfg_scale * (with_text - without)
    return guess


def _halves(count: int) -> Tensor:
    """True for the first *count* rows, false for as many again."""
    return torch.arange(2 * count) < count
