"""The secondary net of Crowson (2021), a small convolutional U-Net that approximates a large one.

It predicts v (Salimans & Ho 2022) at the cosine time t, for which α = cos(πt/2) and σ = sin(πt/2), and has no
attention: sides may be any multiples of `SECONDARY_MULTIPLE`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.nets.flags import SECONDARY_WIDTHS as WIDTHS
from engine.nets.resampling import DoubleBilinear
from engine.nets.v_diffusion import RandomFeatures

FEATURES = 16


class ConvBlock(nn.Sequential):
    """Convolution and ReLU."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU(inplace=True))


class SkipBlock(nn.Module):
    """Concatenates the output of *main* and its input."""

    def __init__(self, *main: nn.Module) -> None:
        super().__init__()
        self.main = nn.Sequential(*main)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C' + C, H, W]."""
        return torch.cat([self.main(x), x], dim=1)


class SecondaryNet(nn.Module):
    """x_t and the cosine time → v."""

    def __init__(self) -> None:
        super().__init__()
        self.timestep_embed = RandomFeatures(FEATURES)
        first = WIDTHS[0]
        self.net = nn.Sequential(
            ConvBlock(3 + FEATURES, first),
            ConvBlock(first, first),
            _level(1),
            ConvBlock(2 * first, first),
            nn.Conv2d(first, 3, 3, padding=1),
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] plus noise, and [N] in [0, 1] → v, [N, 3, H, W]."""
        planes = self.timestep_embed(t)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        v: Tensor = self.net(torch.cat([x, planes], dim=1))
        return v


def _level(depth: int) -> SkipBlock:
    """The levels from *depth* down, with the pooling before and the upsampling after them."""
    above, width = WIDTHS[depth - 1], WIDTHS[depth]
    if depth == len(WIDTHS) - 1:
        inner: list[nn.Module] = [ConvBlock(width, width)]
    else:
        inner = [_level(depth + 1), ConvBlock(2 * width, width)]
    return SkipBlock(
        nn.AvgPool2d(2),
        ConvBlock(above, width),
        ConvBlock(width, width),
        *inner,
        ConvBlock(width, above),
        DoubleBilinear(),
    )
