"""Upscalers: one per module, and one for every checkpoint of that kind.

A module `engine/upscalers/<name>.py` has a docstring (its help text) and `UPSCALER`, an object that is an `Upscaler`.
Checkpoints come from `engine.catalogue.registry`. May import `engine.methods`, `engine.loaders` and below.
"""

from __future__ import annotations

import difflib
import importlib
import math
import pkgutil
from collections.abc import Hashable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from PIL import Image

from engine.catalogue.registry import Kind, entries, find_entry
from engine.errors import InvalidRequest, ModelUnavailable
from engine.images.opening import MAX_SIDE, OWN_PIXELS
from engine.methods import State, Step
from engine.requests.upscaling import BLEND, MILDER
from engine.weights.store.folder import missing_files

if TYPE_CHECKING:
    from engine.protocol.messages import Job
    from engine.runtime.runtime import Runtime

S = TypeVar("S", bound=State)
Axes = tuple[bool, bool]
"""Whether the left edge fits the right one, and the upper edge the lower one."""
PLAIN: Axes = (False, False)


class Upscaler(Protocol[S]):
    """One way of upscaling, a tile or a few per step, so that other jobs get their turn."""

    def missing(self) -> str:
        """Why it cannot be used here, as a clause; empty if it can. Loads no network."""
        ...

    def load(self, request: Any, runtime: Runtime) -> None:
        """Loads its network. Raises ModelUnavailable or WeightsError."""
        ...

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[S]:
        """One state for the image of an `UpscaleRequest`. *images*: SHA-256 → bytes."""
        ...

    def enlarge(
        self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime, wrap: Axes = PLAIN
    ) -> S:
        """A state that enlarges *image*, which the engine has painted; *wrap*: its seamless axes."""
        ...

    def batch_key(self, state: S) -> Hashable:
        """Asked before every step: states with equal keys share one forward pass."""
        ...

    def advance(self, states: list[S], runtime: Runtime) -> list[Step]:
        """One step for each state, in their order. States change only when it succeeds."""
        ...


def upscaler_names() -> tuple[str, ...]:
    """Names of the modules, then of the checkpoints."""
    return (*_files(), *(entry.name for entry in entries().values() if entry.kind is Kind.UPSCALER))


def find_upscaler(name: str) -> Upscaler[Any]:
    """The upscaler of that name, the same object each time. Raises ModelUnavailable."""
    check_known(name)
    if name not in _files():
        return _of_checkpoint(name)
    upscaler: Upscaler[Any] = importlib.import_module(f"{__name__}.{name}").UPSCALER
    return upscaler


def check_known(name: str) -> None:
    """Raises ModelUnavailable, with a suggestion, for an unknown name."""
    if name not in upscaler_names():
        base, mark, share = name.partition(BLEND)
        if mark and base in MILDER and base in upscaler_names():
            check_share(share)
            return
        near = difflib.get_close_matches(name, upscaler_names(), n=1, cutoff=0.5)
        known = f"; did you mean “{near[0]}”?" if near else f"; available: {', '.join(upscaler_names())}."
        raise ModelUnavailable(f"There is no upscaler “{name}”{known}")


def check_share(text: str) -> float:
    """The share of the strong net in a blend, 0 to 1. Raises InvalidRequest."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidRequest(f"The strength of noise removal is a number from 0 to 1, not {text[:20]}.")
    return share


def check_large(width: int, height: int, scale: float) -> None:
    """Raises InvalidRequest, with the largest possible scale, if the result would be too large."""
    most = min(MAX_SIDE // max(width, height), math.isqrt(OWN_PIXELS // (width * height)))
    if scale > most:
        raise InvalidRequest(
            f"{width}×{height} times {scale} would be {width * scale}×{height * scale}; {MAX_SIDE} pixels a side and "
            f"{OWN_PIXELS / 1e6:.0f} megapixels are the "
            + (f"most, so {most} is the largest scale for this picture." if most > 1 else "most: it is large enough.")
        )


def usable_upscalers() -> tuple[str, ...]:
    """Names of the upscalers whose files are present."""
    return tuple(name for name in upscaler_names() if not find_upscaler(name).missing())


@cache
def _files() -> tuple[str, ...]:
    """Names of the public modules."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


@cache
def _of_checkpoint(name: str) -> Upscaler[Any]:
    from engine.loaders.upscaler import blend_upscalers, load_upscaler
    from engine.upscalers._net import NetUpscaler  # torch

    base, mark, text = name.partition(BLEND)
    if not mark:
        return NetUpscaler(
            name, lambda device, dtype: load_upscaler(name, device, dtype), lambda: missing_files([find_entry(name)])
        )
    pair, share = (base, MILDER[base]), check_share(text)
    return NetUpscaler(
        name,
        lambda device, dtype: blend_upscalers(pair, share, device, dtype),
        lambda: missing_files([find_entry(one) for one in pair]),
    )
