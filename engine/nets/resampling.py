"""Resampling whose gradient is deterministic on CUDA, where torch's own adds up in any order."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DoubleBilinear(nn.Module):
    """As `nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)`: [N, C, H, W] → [N, C, 2H, 2W]."""

    def forward(self, x: Tensor) -> Tensor:
        return _interpolated(_interpolated(x, 2), 3)


class DoubleNearest(nn.Module):
    """As `nn.Upsample(scale_factor=2)`: [N, C, H, W] → [N, C, 2H, 2W]."""

    def forward(self, x: Tensor) -> Tensor:
        return doubled(x)


class HalfMax(nn.Module):
    """As `nn.MaxPool2d(2)`: [N, C, H, W] → [N, C, H // 2, W // 2]."""

    def forward(self, x: Tensor) -> Tensor:
        return pooled(x)


def doubled(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling: [N, C, H, W] → [N, C, 2H, 2W]."""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def pooled(x: Tensor) -> Tensor:
    """2×2 max pooling: [N, C, H, W] → [N, C, H // 2, W // 2]."""
    n, channels, height, width = x.shape
    even = x[:, :, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, channels, height // 2, 2, width // 2, 2).amax((3, 5))


def _interpolated(x: Tensor, dim: int) -> Tensor:
    """Between two places, each new one is three quarters of the nearer and one quarter of the farther."""
    side = x.shape[dim]
    first, last = x.narrow(dim, 0, 1), x.narrow(dim, side - 1, 1)
    before = torch.cat([first, x.narrow(dim, 0, side - 1)], dim)
    behind = torch.cat([x.narrow(dim, 1, side - 1), last], dim)
    pairs = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind], dim + 1)
    return pairs.flatten(dim, dim + 1)
