"""Random offsets of seamless images, so that no step sees their seam at the edge of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.images.tensors import uniform


class Seamless(Protocol):
    """An image whose `options.seamless` is none, down, across or both."""

    seed: int
    index: int
    step: int
    options: Any


def seam_offsets(batch: Sequence[Seamless], sides: tuple[int, int]) -> tuple[Tensor, Tensor] | None:
    """[N] pixels down and across by which to roll images of *sides* (height, width); None if none is seamless."""
    axes = [state.options.seamless for state in batch]
    if all(axis == "none" for axis in axes):
        return None
    draws = torch.stack([uniform(s.seed, s.index, s.step, "seam", (2,)) for s in batch])
    down, across = (torch.tensor([axis in (word, "both") for axis in axes]) for word in ("down", "across"))
    return (draws[:, 0] * sides[0]).long() * down, (draws[:, 1] * sides[1]).long() * across
