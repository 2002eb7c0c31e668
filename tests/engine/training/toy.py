"""A task so small that a run takes a blink: learn to double a number."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor, nn

from engine.training.task import Batch, Scores, Task


class Doubling(Task):
    """y = 2 x by one weight. From batch `broken_from` on the loss is no number; in `pressed_in` Ctrl-C is pressed."""

    name = "doubling"

    def __init__(self, broken_from: float = math.inf, pressed_in: int = 0) -> None:
        torch.manual_seed(0)
        self.net: nn.Module = nn.Linear(1, 1, bias=False)
        self.batches, self.broken_from, self.pressed_in = 0, broken_from, pressed_in

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        self.batches += 1
        if self.batches == self.pressed_in:
            signal.raise_signal(signal.SIGINT)
        return {"x": torch.randn(count, 1, generator=generator)}

    def loss(self, batch: Batch) -> Tensor:
        loss = (self.net(batch["x"]) - 2 * batch["x"]).square().mean()
        return loss * math.nan if self.batches >= self.broken_from else loss

    def scores(self, net: nn.Module) -> Scores:
        return {"error": abs(float(next(net.parameters())) - 2)}

    def sheet(self, net: nn.Module) -> Image.Image | None:
        return Image.new("RGB", (4, 4))

    def flags(self) -> Mapping[str, object]:
        return {"factor": 2}
