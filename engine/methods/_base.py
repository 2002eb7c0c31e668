"""What a method hands back for each picture after each step, and what the worker may know of a picture's state.

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
    """One picture on its way. Every method has its own mutable dataclass with these fields and what else it needs.

    `advance` changes a state only after its forward pass has succeeded, so that a step may be repeated or split
    after out-of-memory and gives the same numbers.

    How a step is rounded depends on the size of its batch and on what is done to save memory. A method to which that
    matters has an attribute `bucket` (the smallest batch that the picture may run in) and perhaps `memory_level`, which
    a replay sets before every step; and it keeps a `course` of how each step was run, which goes into `resolved`.
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
    """*step* of *steps* are done. *preview* draws the picture as it stands; it is called on another thread, or never.

    It must be cheap to make (keep a small detached tensor, on the device if need be) and hold no graph.
    """

    step: int
    steps: int
    preview: Callable[[], Image.Image] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The method's last word on one picture: RGB, at the net's own size (before a model's finishing upscale).

    *facts* are JSON: of the keys that `engine.protocol.messages.Picture` lists those that the method knows
    (`clip_score`,
    `notes`, `embedding`, `perceptor`), and `resolved`, a mapping that goes into the replay record (hashes of the
    weights, dtype, bucket).
    """

    image: Image.Image
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """This picture cannot go on (`NotFinite`, usually); its neighbours can."""

    error: DreamError


def not_finite(state: State, advice: str = "") -> Failed:
    """The numbers of *state* overflowed in its next step. *advice*: a clause without a full stop."""
    more = f"; {advice}" if advice else ""
    return Failed(
        NotFinite(f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}{more}.")
    )


Step: TypeAlias = Running | Finished | Failed
