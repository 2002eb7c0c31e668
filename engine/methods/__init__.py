"""One synthesis method per file; the file's name is the method's name. There is no list to edit.

A module `engine/methods/<name>.py` has a docstring (its help text) and `METHOD`, an object that is a `Method`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from engine.errors import ModelUnavailable
from engine.methods._base import State, Step
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest

if TYPE_CHECKING:  # torch
    from engine.runtime.runtime import NetProvider

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
    """Import `engine.methods.<name>` and return its METHOD; raises ModelUnavailable if there is none."""
    if name not in method_names():
        raise ModelUnavailable(f"There is no method “{name}”; available: {', '.join(method_names())}.")
    method: Method[Any] = importlib.import_module(f"{__name__}.{name}").METHOD
    return method
