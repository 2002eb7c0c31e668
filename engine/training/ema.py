"""An exponential moving average of a net's weights: what is scored, sampled from and shipped."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """A frozen copy of *net* that follows it; buffers (BatchNorm's statistics) are copied as they are."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move towards *net*. At first the average forgets faster (a tenth of the run), or it would hold the start."""
        decay = min(self.decay, (1 + step) / (10 + step))
        mine: list[Tensor] = [parameter.data for parameter in self.net.parameters()]
        theirs: list[Tensor] = [parameter.data for parameter in net.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for buffer, source in zip(self.net.buffers(), net.buffers(), strict=True):
            buffer.copy_(source)
