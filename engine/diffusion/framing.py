"""What holds for the whole frame: halves that mirror each other, edges that fit, parts that stay as they are.

Each sample of a batch has its own wish. Pictures are NCHW.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, Prediction, with_xstart
from engine.diffusion.respacing import Moments


def mirrored(x: Tensor, left_right: Tensor, up_down: Tensor) -> Tensor:
    """The left half over the right one where *left_right* [N] says so, the upper over the lower where *up_down* does.

    A half is copied, not averaged with the other: the mean of two noises would be less noisy (Disco Diffusion).
    """
    for flags, dim in ((left_right, -1), (up_down, -2)):
        if flags.any():
            half = x.shape[dim] // 2
            copy = x.clone()
            copy.narrow(dim, x.shape[dim] - half, half).copy_(x.narrow(dim, 0, half).flip(dim))
            x = torch.where(flags.to(x.device).view(-1, 1, 1, 1), copy, x)
    return x


def rolled(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Each picture moved by its own whole number of pixels [N], what leaves at one edge entering at the other."""
    n, _, height, width = x.shape
    rows = (torch.arange(height) - down[:, None]) % height
    columns = (torch.arange(width) - across[:, None]) % width
    one = torch.arange(n, device=x.device)
    moved = x.permute(0, 2, 3, 1)[one[:, None, None], rows.to(x.device)[:, :, None], columns.to(x.device)[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def wandering(denoise: Denoiser, down: Tensor, across: Tensor) -> Denoiser:
    """*denoise*, seeing each picture moved by so many pixels [N]; moved otherwise in every step, it has no edges."""

    def moved(x_t: Tensor, moments: Moments) -> Prediction:
        said = denoise(rolled(x_t, down, across), moments)
        parts = (said.pred_xstart, said.eps, said.log_variance)
        return Prediction(*(None if part is None else rolled(part, -down, -across) for part in parts))  # type: ignore[arg-type]

    return moved


def kept(prediction: Prediction, stays: Tensor, mask: Tensor, x_t: Tensor, moments: Moments) -> Prediction:
    """The prediction where *mask* [N, 1, H, W] is 1, the picture *stays* where it is 0, and the noise that follows.

    Whatever the sampler, such a walk ends exactly in *stays* there, and the net sees on the way what it borders on.
    """
    pred_xstart = torch.where(mask == 1, prediction.pred_xstart, mask * prediction.pred_xstart + (1 - mask) * stays)
    found = with_xstart(prediction, pred_xstart, x_t, moments)
    return replace(found, eps=torch.where(mask == 1, prediction.eps, found.eps))
