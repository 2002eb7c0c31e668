"""Sample grids of a net during training: DDIM, with classifier-free guidance if it reads prompts."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from engine.diffusion.denoiser import clipped, free_guidance
from engine.diffusion.samplers import ddim_step
from engine.diffusion.schedules import stack
from engine.images.pictures import grid
from engine.images.tensors import per_sample, to_image, to_unit
from engine.loaders.diffusion import DiffusionNet
from engine.nets.adm import UNetModel

CFG_SCALE = 2.5
STEPS = 25


@torch.no_grad()
def sample_grid(net: UNetModel, count: int, *, contexts: Tensor | None = None, steps: int = STEPS) -> Image.Image:
    """*count* samples in one image; *contexts*: [count, D] or none. The same noise at every call."""
    found, device = DiffusionNet(net), next(net.parameters()).device
    walk = found.walk(str(min(steps, net.flags.diffusion_steps)))
    denoise = found.denoiser()
    if contexts is not None:
        scale = per_sample(torch.full((count,), CFG_SCALE))
        denoise = free_guidance(found.denoiser(contexts.to(device)), denoise, scale)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, net.flags.image_size, net.flags.image_size, generator=generator).to(device)
    for stop in reversed(range(len(walk))):
        moments = stack([walk.at(stop)] * count)
        x = ddim_step(clipped(denoise(x, moments), x, moments), moments, 0.0, torch.zeros_like(x))
    return grid([to_image(to_unit(image)) for image in x.cpu()])
