"""Constraints on the whole image: mirror symmetry, seamless edges, masks. Each sample of a batch has its own.

Images are [N, C, H, W].
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.denoiser import Denoiser, Prediction, with_xstart
from engine.diffusion.schedules import BatchCoefficients


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
