"""One upscaler per file; the file's name is the upscaler's name. The contract is that of `engine.methods`.

A module `engine/upscalers/<name>.py` has a docstring (its help text) and `UPSCALER`, an object that is an `Upscaler`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from PIL import Image

from engine.errors import ModelUnavailable
from engine.steps import State, Step

if TYPE_CHECKING:
    from engine.messages import Job
    from engine.runtime import Runtime

S = TypeVar("S", bound=State)


class Upscaler(Protocol[S]):
    """One way of enlarging pictures, a tile (or a few) per step, so that nothing freezes the others."""

    def missing(self) -> str:
        """Why it cannot be used here, in words; empty if it can. Cheap: no net is loaded."""
        ...

    def load(self, request: Any, runtime: Runtime) -> None:
        """Bring its net into memory; raises DreamErrors in words."""
        ...

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[S]:
        """One state for the one picture of an `UpscaleRequest`. *images*: SHA-256 → bytes."""
        ...

    def enlarge(self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime) -> S:
        """A state that enlarges *image*, which the engine itself has painted."""
        ...

    def lane(self, state: S) -> Hashable:
        """Asked before every step: states of equal lanes share one forward pass."""
        ...

    def advance(self, states: list[S], runtime: Runtime) -> list[Step]:
        """One step for each, together, answered in order; states change only when it succeeds."""
        ...


def upscaler_names() -> tuple[str, ...]:
    """The names of all upscalers: the files of this folder, without those that begin with an underscore."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def find_upscaler(name: str) -> Upscaler[Any]:
    """Import `engine.upscalers.<name>` and return its UPSCALER; raises ModelUnavailable if there is none."""
    if name not in upscaler_names():
        raise ModelUnavailable(f"There is no upscaler “{name}”; there is {', '.join(upscaler_names())}.")
    upscaler: Upscaler[Any] = importlib.import_module(f"{__name__}.{name}").UPSCALER
    return upscaler
