"""The interface between methods and the worker: the state of a picture, and the result of each step.

    begin(job) → [State, …]     advance([State, …]) → [Step, …], in the same order

A `Step` is `Running`, `Finished` or `Failed`. Imports no method, no worker and no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from PIL import Image

from engine.errors import DreamError, NotFinite


class State(Protocol):
    """The state of one unfinished picture. Each method has a mutable dataclass with these fields and its own.

    `advance` changes a state only after its forward pass has succeeded. After out-of-memory, a step can therefore be
    repeated or split, and gives the same numbers.

    Rounding depends on the batch size and on measures that save memory. Where that matters, a state has a `bucket` (the
    smallest batch for this picture) and may have a `memory_level`; a replay sets both before each step. The state also
    keeps a `course`, the conditions of each step, which goes into `resolved`.
    """

    job_id: str
    index: int
    """Of the picture within its job, from 0; its seed is `request.seed + index`."""
    step: int
    """Steps done."""
    steps: int
    """Steps in all."""


@dataclass(frozen=True, slots=True)
class Running:
    """*step* of *steps* are done. *preview* draws the current picture; it is called on another thread, or not at all.

    It must be cheap to create: it may keep a small detached tensor, but no autograd graph.
    """

    step: int
    steps: int
    preview: Callable[[], Image.Image] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished picture: RGB at the net's own size, before the model's final upscaling.

    *facts* are JSON: keys of `engine.protocol.messages.Picture` (`clip_score`, `notes`, `embedding`, `perceptor`), and
    `resolved`, a mapping for the replay record (hashes of the weights, dtype, bucket).
    """

    image: Image.Image
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """This picture cannot continue, usually because of `NotFinite`; others in the batch can."""

    error: DreamError


def not_finite(state: State, advice: str = "") -> Failed:
    """The numbers of *state* overflowed in its next step. *advice*: a clause without a full stop."""
    more = f"; {advice}" if advice else ""
    return Failed(
        NotFinite(f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}{more}.")
    )


Step: TypeAlias = Running | Finished | Failed
