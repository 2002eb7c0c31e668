"""The interface of a task: a net, its batches, its loss, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn

Batch: TypeAlias = Mapping[str, Tensor]
Scores: TypeAlias = Mapping[str, float]


class Task(Protocol):
    """A task. The loop owns optimiser, EMA, schedule and files; the task owns data and loss."""

    name: str
    net: nn.Module

    def to(self, device: torch.device) -> None:
        """Move all that `loss` and `scores` compute with to *device*: the net, and for some tasks its teachers."""
        self.net.to(device)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return *count* samples on the CPU, drawn with *generator*; *done* is the progress of the run, 0 to 1."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the scalar to minimise, of `net` in training mode."""

    def scores(self, net: nn.Module) -> Scores:
        """Return held-out figures of *net* (the averaged copy, in eval mode, gradients off): name → value."""

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return a sample sheet, or None for a task that makes no pictures."""

    def flags(self) -> Mapping[str, object]:
        """Return the flags that rebuild the net; they are written into the metadata as JSON."""
