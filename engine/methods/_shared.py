"""What several methods share: the init image, batches, lack of memory in a step, offsets of seamless images, Adam."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.guidance.targets import power_of_two
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import to_signed, to_tensor, uniform
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

CPU = torch.device("cpu")


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


def sides_of(request: DreamRequest) -> tuple[int, int]:
    """Height and width that the model paints, before its finishing upscale."""
    scale = MODELS[request.model].scale
    return request.height // scale, request.width // scale


def init_image(request: DreamRequest, images: Mapping[str, bytes], device: torch.device) -> Tensor | None:
    """The init image, [3, H, W] in [-1, 1]; None for a request without one."""
    return signed_image(request.init_image, images, sides_of(request), request.options.init_fit, device)


def signed_image(
    sha256: str,
    images: Mapping[str, bytes],
    sides: tuple[int, int],
    how: str,
    device: torch.device = CPU,
    border: str = "",
    opened: Callable[[bytes], Image.Image] = open_own,
) -> Tensor | None:
    """The image of that hash, fitted to *sides* as `fit` does: [3, H, W] in [-1, 1]; None for an empty hash."""
    if not sha256:
        return None
    height, width = sides
    return to_signed(to_tensor(fit(opened(images[sha256]), width, height, how, border))).to(device)


class Moving(Protocol):
    """An image whose parameters Adam moves. *mean*, *square*: running means of their gradient and of its square."""

    step: int
    parameters: Tensor
    mean: Tensor
    square: Tensor


def adam_update(
    batch: Sequence[Moving],
    gradient: Tensor,
    rates: Sequence[float],
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The parameters, what to subtract from them, and their new moments by name; all [N, …] like *gradient*.

    *rates*: each image's learning rate. The defaults are PyTorch's, as in the notebooks.
    """
    first, second = betas
    before, mean, square = (torch.stack([getattr(s, k) for s in batch]) for k in ("parameters", "mean", "square"))
    mean, square = mean.lerp(gradient, 1 - first), square.lerp(gradient.square(), 1 - second)
    counts = [image.step + 1 for image in batch]
    count, rate = (torch.tensor(values, dtype=torch.float64) for values in (counts, rates))
    size, correction = (
        values.to(gradient).view(-1, *(1,) * (gradient.ndim - 1))
        for values in (rate / (1 - first**count), (1 - second**count).sqrt())
    )
    move = size * mean / (square.sqrt() / correction + epsilon)
    return before, move, {"mean": mean, "square": square}


def decay_in_steps(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: 1, 0.4 after half, 0.1 after three quarters."""
    return 0.1 if step >= 0.75 * steps else 0.4 if step >= 0.5 * steps else 1.0


def cosine_decay(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: falls from 1 to 0 along half a cosine."""
    return (1 + float(torch.cos(torch.tensor(torch.pi * step / steps, dtype=torch.float64)))) / 2
