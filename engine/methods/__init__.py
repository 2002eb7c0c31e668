"""One synthesis method per file; the file's name is the method's name. There is no list to edit.

A module `engine/methods/<name>.py` has a docstring (its help text) and `METHOD`, an object that is a `Method`.

    begin(job) → [State, …]     advance([State, …]) → [Step, …], in the same order

A `Step` is `Running`, `Finished` or `Failed`. Imports no torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from PIL import Image

from engine.errors import DreamError, ModelUnavailable, NotFinite
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest

if TYPE_CHECKING:  # torch
    from engine.runtime.runtime import NetProvider


class State(Protocol):
    """The state of one unfinished picture. Each method has a mutable dataclass with these fields and its own.

    `advance` changes a state only after its forward pass has succeeded. After out-of-memory, a step can therefore be
    repeated or split, and gives the same numbers.

    Rounding depends on the batch size and on measures that save memory. Where that matters, a state has a `bucket` (the
    smallest batch for this picture) and may have a `memory_level`; a replay sets both before each step. The state also
    keeps a `step_log`, the conditions of each step, which goes into `resolved` as `course`.
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


S = TypeVar("S", bound=State)


class Method(Protocol[S]):
    """A way to make pictures. It runs in the engine process; `load` and `begin` run in a thread."""

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Load the nets that *request* needs. Raises DreamErrors."""
        ...

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[S]:
        """One state per picture, index 0 … count-1: prompts embedded, x_T drawn. *images*: SHA-256 → bytes."""
        ...

    def batch_key(self, state: S) -> Hashable:
        """The key of the next step: states with equal keys share one forward pass."""
        ...

    def advance(self, states: list[S], runtime: NetProvider) -> list[Step]:
        """Advance all *states* by one step; results are in their order. Out-of-memory errors leave states unchanged."""
        ...


def method_names() -> tuple[str, ...]:
    """The names of all methods: the files of this folder, without those that begin with an underscore."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def find_method(name: str) -> Method[Any]:
    """Import `engine.methods.<name>` and return its METHOD; raises ModelUnavailable if it does not exist."""
    if name not in method_names():
        raise ModelUnavailable(f"There is no method “{name}”; available: {', '.join(method_names())}.")
    method: Method[Any] = importlib.import_module(f"{__name__}.{name}").METHOD
    return method
