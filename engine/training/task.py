"""What is learned, apart from how: a net, its batches, its loss, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn

Batch: TypeAlias = Mapping[str, Tensor]
Scores: TypeAlias = Mapping[str, float]


class Task(Protocol):
    """One thing to learn. The loop owns optimiser, EMA, schedule and files; the task owns data and meaning."""

    name: str
    net: nn.Module

    def to(self, device: torch.device) -> None:
        """Move all that `loss` and `scores` compute with to *device*: the net, and for some tasks its teachers."""
        self.net.to(device)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """*count* training samples on the CPU, drawn with *generator*; *done* of the run (0 … 1) lies behind."""

    def loss(self, batch: Batch) -> Tensor:
        """The scalar to minimise, of `net` in training mode."""

    def scores(self, net: nn.Module) -> Scores:
        """Held-out figures of *net* (the averaged copy, in eval mode, gradients off): name → value, for the log."""

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """A picture to look at, or none for a task that makes none."""

    def flags(self) -> Mapping[str, object]:
        """What rebuilds the net from a weights file: written into its metadata as JSON."""
