"""Equal to torch's own resampling, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.nets.resampling import DoubleBilinear, DoubleNearest, HalfMax

PAIRS = {
    "bilinear": (DoubleBilinear(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)),
    "nearest": (DoubleNearest(), nn.Upsample(scale_factor=2)),
    "max": (HalfMax(), nn.MaxPool2d(2)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("sides", [(1, 1), (2, 5), (7, 4), (8, 8)])
def test_values_and_gradients_are_torchs(name: str, sides: tuple[int, int]) -> None:
    if name == "max" and min(sides) < 2:
        sides = (2, 2)
    own, torchs = PAIRS[name]
    x = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    results = []
    for module in (own, torchs):
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)
        results.append((out.detach(), torch.autograd.grad((out * weights).sum(), leaf)[0]))

    torch.testing.assert_close(results[0], results[1])
