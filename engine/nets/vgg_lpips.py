"""LPIPS (Zhang et al. 2018): distance of two images in VGG16's feature maps, weighted per channel.

Names are those of torchvision's VGG16 (`features.0.weight`, …) and of the authors' heads of version 0.1
(`lin0.model.1.weight`, …).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.resampling import HalfMax

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Convolutions of each stage; the distance is taken behind the last ReLU of each, before pooling."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Normalisation of images in [-1, 1] for VGG16."""
EPSILON = 1e-10


class VggStages(nn.Module):
    """The convolutions of VGG16 (Simonyan & Zisserman 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*_layers())

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] → five maps [N, C, h, w], the largest first."""
        maps, h = list[Tensor](), x
        for layer in self.features:
            if isinstance(layer, HalfMax):
                maps.append(h)
            h = layer(h)
        return maps


class LpipsHeads(nn.Module):
    """One weight, not negative, per channel of each stage."""

    def __init__(self) -> None:
        super().__init__()
        for number, widths in enumerate(WIDTHS):
            head = nn.Module()
            head.model = nn.Sequential(nn.Identity(), nn.Conv2d(widths[-1], 1, 1, bias=False))
            setattr(self, f"lin{number}", head)

    def weights(self) -> list[Tensor]:
        """Five tensors [1, C, 1, 1]."""
        found: list[Tensor] = [getattr(self, f"lin{number}").model[1].weight for number in range(len(WIDTHS))]
        return found


class Lpips(nn.Module):
    """Stages and heads, frozen."""

    def __init__(self, vgg: VggStages, heads: LpipsHeads, sha256: str = "") -> None:
        super().__init__()
        self.vgg, self.heads, self.sha256 = vgg, heads, sha256
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    def forward(self, seen: Tensor, inits: Tensor) -> Tensor:
        """Two batches [N, 3, H, W] in [-1, 1] → [N]; unrelated photographs are about 0.7 apart."""
        with torch.no_grad():
            wanted = self.vgg((inits - self.shift) / self.scale)
        found = self.vgg((seen - self.shift) / self.scale)
        total = seen.new_zeros(len(seen))
        for a, b, weight in zip(found, wanted, self.heads.weights(), strict=True):
            total = total + (weight * (_unit(a) - _unit(b)).square()).sum(1).mean((1, 2))
        return total


def _unit(x: Tensor) -> Tensor:
    """Each place's channels at length 1. *eps* bounds the root away from zero, where its derivative is infinite."""
    return F.normalize(x, dim=1, eps=EPSILON)


def _layers() -> Iterator[nn.Module]:
    channels = 3
    for widths in WIDTHS:
        for width in widths:
            yield nn.Conv2d(channels, width, 3, padding=1)
            yield nn.ReLU()
            channels = width
        yield HalfMax()
