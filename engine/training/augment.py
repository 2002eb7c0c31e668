"""Blur, noise and crops, as pictures show them during sampling. For nets that judge such pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return [count, 1, 1, 1] uniform numbers between *low* and *high*."""
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)


def to_float(images: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] → float [N, 3, H, W] in [0, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def blurred(images: Tensor, generator: torch.Generator, share: float = 0.5) -> Tensor:
    """Blur a *share* of the batch: average down by 2, 4 or 8 and enlarge again."""
    count = int(share * len(images))
    if not count:
        return images
    size = images.shape[-1]
    factor = 2 ** int(torch.randint(1, 4, (), generator=generator))
    small = F.avg_pool2d(images[:count], factor)
    soft = F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    return torch.cat([soft, images[count:]])


def noisy(images: Tensor, generator: torch.Generator, most: float = 0.5) -> Tensor:
    """Add Gaussian noise whose strength differs per picture, up to *most*; small strengths are likelier."""
    strength = most * uniform(len(images), 0, 1, generator) ** 2
    return images + strength * torch.randn(images.shape, generator=generator)


def zoomed(images: Tensor, generator: torch.Generator, least: float = 0.75, share: float = 0.5) -> Tensor:
    """Crop a *share* of the batch to a random square window, *least* to 1 of the side, enlarged to full size."""
    count = int(share * len(images))
    if not count:
        return images
    scale = uniform(count, least, 1, generator).view(-1, 1)
    shift = (1 - scale) * (2 * torch.rand(count, 2, generator=generator) - 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale[:, 0]
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, [count, *images.shape[1:]], align_corners=False)
    window = F.grid_sample(images[:count], grid, align_corners=False, padding_mode="reflection")
    return torch.cat([window, images[count:]])
