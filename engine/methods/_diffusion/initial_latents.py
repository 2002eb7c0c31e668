"""Initial latents of a picture: noise, a noised init image or noised Perlin clouds; and the part that a mask keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.denoiser import q_sample
from engine.diffusion.perlin import perlin_picture
from engine.diffusion.schedules import RespacedSchedule, stack
from engine.diffusion.symmetry import mirrored
from engine.images.tensors import noise
from engine.methods._init_image import signed_image
from engine.requests.options.clip_diffusion import ClipDiffusionOptions
from engine.requests.request import DreamRequest


@dataclass(frozen=True, slots=True)
class InitialLatents:
    """The initial latent of one picture, with its init image and mask."""

    x: Tensor
    """[3, H, W], noisy."""
    init: Tensor | None
    """[3, H, W] in [-1, 1]."""
    mask: Tensor | None
    """[1, H, W]: 1 where it is painted, 0 where *init* stays."""


def initial_latents(
    request: DreamRequest,
    options: ClipDiffusionOptions,
    schedule: RespacedSchedule,
    images: Mapping[str, bytes],
    sides: tuple[int, int],
    device: torch.device,
) -> list[InitialLatents]:
    """One per picture. *images*: SHA-256 → bytes; *sides*: height and width at the net's own size."""
    how = request.options.init_fit
    init = signed_image(request.init_image, images, sides, device, how)
    mask = signed_image(request.mask_image, images, sides, device, how, "white")  # what is padded is painted
    painted = None if mask is None else mask.mean(0, keepdim=True)
    return [
        _of_image(
            request.seed, index, options, schedule, sides, device, init, None if painted is None else (painted + 1) / 2
        )
        for index in range(request.count)
    ]


def axes(options: ClipDiffusionOptions) -> tuple[bool, bool]:
    """Whether the picture is mirrored left to right, and top to bottom."""
    return options.symmetry in ("vertical", "both"), options.symmetry in ("horizontal", "both")


def _of_image(
    seed: int,
    index: int,
    options: ClipDiffusionOptions,
    schedule: RespacedSchedule,
    sides: tuple[int, int],
    device: torch.device,
    init: Tensor | None,
    mask: Tensor | None,
) -> InitialLatents:
    if options.perlin != "none":
        init = perlin_picture(options.perlin, seed, index, sides).to(device)
    x = noise(seed, index, 0, "x_T", (3, *sides)).to(device)
    if init is not None or options.skip_steps:  # without an image, the mean of all images: gray (Crowson's fork)
        begin = torch.zeros_like(x) if init is None else init
        coefficients = stack([schedule.at(len(schedule) - options.skip_steps - 1)])
        x = q_sample(begin[None], x[None], coefficients.alpha_bar)[0]
    left_right, up_down = (torch.tensor([wanted]) for wanted in axes(options))
    return InitialLatents(mirrored(x[None], left_right, up_down)[0], init, mask)
