"""Batches: the number of images that a step is computed for, lack of memory in a step, offsets of seamless images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from engine.guidance.targets import power_of_two
from engine.images.tensors import uniform
from engine.runtime.provider import NetProvider


class Batched(Protocol):
    """A state whose steps depend on the size of the batch."""

    bucket: int
    memory_level: int


S = TypeVar("S", bound=Batched)


def filled(states: Sequence[S], device: torch.device) -> list[S]:
    """*states*, filled up with copies of the first to the size of the batch.

    On a CPU the size is the number of states. On other devices it is rounded up to a power of two, so that kernels are
    chosen for few sizes. `State.bucket` is the least size: a replay repeats the batch that an image was painted in.
    """
    wanted = len(states) if device.type == "cpu" else power_of_two(len(states))
    return [*states, *[states[0]] * (max(wanted, states[0].bucket) - len(states))]


def score_fewer_cutouts(state: Batched, kind: Hashable, cutouts: int, runtime: NetProvider) -> bool:
    """Raises the memory level: CLIP scores half as many of all *cutouts* at once. Later images of *kind* begin so.

    A replay gives up its batch first, if that is larger than 1. False if nothing more can be saved.
    """
    if state.bucket > 1:
        state.bucket = 1
        return True
    if 1 << state.memory_level >= cutouts:
        return False
    state.memory_level += 1
    runtime.memory.levels[kind] = state.memory_level
    return True


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
