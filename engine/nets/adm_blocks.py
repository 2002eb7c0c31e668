"""Blocks of the ADM U-Net (Dhariwal & Nichol 2021, appendix A), named as in the reference checkpoints."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.kernels import PointwiseConv1d, PointwiseConv2d, attend

M = TypeVar("M", bound=nn.Module)


class GroupNorm32(nn.GroupNorm):
    """GroupNorm in float32, because half precision overflows. Uses gcd(groups, channels) groups."""

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(math.gcd(groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, …] → [N, C, …], in the dtype of the input."""
        return super().forward(x.float()).to(x.dtype)


class Downsample(nn.Module):
    """Halves height and width by a strided convolution if *learned*, else by average pooling."""

    def __init__(self, channels: int, learned: bool) -> None:
        super().__init__()
        self.op: nn.Module = nn.Conv2d(channels, channels, 3, stride=2, padding=1) if learned else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H/2, W/2]."""
        out: Tensor = self.op(x)
        return out


class Upsample(nn.Module):
    """Doubles height and width by nearest-neighbour interpolation, followed by a convolution if *learned*."""

    def __init__(self, channels: int, learned: bool) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(channels, channels, 3, padding=1) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, 2H, 2W]."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class ResBlock(nn.Module):
    """Residual block: norm, SiLU, convolution, twice, with the time embedding added in between.

    *resample* halves or doubles both branches. *scale_shift*: the embedding scales and shifts the second norm.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        emb_channels: int,
        *,
        scale_shift: bool,
        groups: int = 32,
        dropout: float = 0.0,
        resample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = nn.Identity() if resample is None else resample
        self.in_layers = nn.Sequential(
            GroupNorm32(channels, groups), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(emb_channels, 2 * out_channels if scale_shift else out_channels)
        )
        self.out_layers = nn.Sequential(
            GroupNorm32(out_channels, groups),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
        )
        self.skip_connection: nn.Module = (
            nn.Identity() if channels == out_channels else PointwiseConv2d(channels, out_channels)
        )

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """x [N, C, H, W], emb [N, E] → [N, C', H', W']."""
        norm, act, conv = self.in_layers
        h = conv(self.resample(act(norm(x))))
        shift = self.emb_layers(emb).to(h.dtype)[:, :, None, None]
        if self.scale_shift:
            scale, shift = shift.chunk(2, dim=1)
            h = self.out_layers[0](h) * (1 + scale) + shift
            h = self.out_layers[1:](h)
        else:
            h = self.out_layers(h + shift)
        out: Tensor = self.skip_connection(self.resample(x)) + h
        return out


class AttentionBlock(nn.Module):
    """Residual self-attention over all positions.

    *new_order*: the rows of `qkv` are (q|k|v) × heads; otherwise heads × (q|k|v), as in the first checkpoints.
    """

    def __init__(self, channels: int, heads: int, new_order: bool, groups: int = 32) -> None:
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = GroupNorm32(channels, groups)
        self.qkv = PointwiseConv1d(channels, 3 * channels)
        self.proj_out = zeroed(PointwiseConv1d(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H, W]."""
        n, c, height, width = x.shape
        flat = x.reshape(n, c, height * width)
        qkv = self.qkv(self.norm(flat))
        if self.new_order:
            q, k, v = qkv.view(n, 3, self.heads, c // self.heads, -1).transpose(-1, -2).unbind(1)
        else:
            q, k, v = qkv.view(n, self.heads, 3, c // self.heads, -1).transpose(-1, -2).unbind(2)
        # With transposed strides, the rounding would depend on the image's position in the batch.
        h = attend(q.contiguous(), k.contiguous(), v.contiguous())
        h = h.transpose(-1, -2).reshape(n, c, -1)
        out: Tensor = flat + self.proj_out(h)
        return out.view(n, c, height, width)


class EmbeddedSequential(nn.Sequential):
    """A sequence whose residual blocks receive the time embedding."""

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # type: ignore[override]
        """x [N, C, H, W], emb [N, E] → [N, C', H', W']."""
        for layer in self:
            x = layer(x, emb) if isinstance(layer, ResBlock) else layer(x)
        return x


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10000.0) -> Tensor:
    """Sinusoidal embedding, cosines first (Vaswani et al. 2017): [N] → [N, dim], float32. Accepts fractional steps."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    freqs = torch.exp(-math.log(max_period) * steps / half)
    angles = timesteps[:, None].float() * freqs[None]
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=-1), (0, dim % 2))


def zeroed(module: M) -> M:
    """Set all weights of *module* to zero, so that a residual block starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
