"""Counts the memory of an image's steps before any model is loaded, by running the method on torch's meta device.

The memory of a step follows from shapes alone. So the method's own code runs on tensors without data, with networks
that have shapes but no weights, and the live bytes are counted (`engine.memory_planning.meta_memory`). A dry run takes
a few tenths of a second at any image size. It downloads nothing, reads only the package's own checkpoints, and can run
beside the stepping loop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import torch
from PIL import Image

from engine.catalogue.registry import entries, find_entry
from engine.errors import ModelUnavailable
from engine.images.pictures import to_png
from engine.loaders.biggan import BigganNet
from engine.loaders.checkpoint import M, blueprint
from engine.loaders.diffusion import BUILDERS, DiffusionNet
from engine.loaders.guidance_nets import KEY as LPIPS
from engine.loaders.guidance_nets import SECONDARY
from engine.loaders.vqgan import VqganNet
from engine.memory_planning.meta_memory import META, LiveBytes
from engine.methods import Method, State
from engine.nets.biggan import build_biggan
from engine.nets.secondary import SecondaryNet
from engine.nets.vgg_lpips import Lpips, LpipsHeads, VggStages
from engine.nets.vqgan import build_vqgan
from engine.perceptors.perceptor import Perceptor
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest
from engine.runtime.model_cache import size_of
from engine.runtime.runtime import MemoryPlanner
from engine.runtime.tuning import Compiler

T = TypeVar("T")

MOST_VARIANTS = 3
"""Steps of different shape that are run for one image; those with the most cutouts first."""
STAND_IN = 64
"""Side in pixels of the image that replaces every image of a request; most are resized to the result's size anyway."""
SHIPPED = "primer"
"""Prefix of the names of the package's own networks."""


class UnknownShape(ModelUnavailable):
    """The shape of a network is unknown before it is loaded, so there can be no dry run."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The memory of one image, in bytes."""

    models: dict[str, int]
    """Key in the `ModelCache` → bytes of its weights."""
    step: int
    """The largest step, models excluded."""
    level: int
    """The memory level of the image: how often `reduce_memory` was applied."""

    @property
    def weights(self) -> int:
        return sum(self.models.values())


class DryRunRuntime:
    """A `NetProvider` of networks without weights; only the package's own checkpoints are read."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.device, self.dtype = META, dtype
        self.compiler, self.memory = Compiler(takes=False), MemoryPlanner()
        self._values: dict[str, Any] = {}

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """The shape of the network that *load* would return; raises UnknownShape."""
        if key not in self._values:
            self._values[key] = _shape(key, self.dtype) or _shipped(key, self.dtype, load)
        return cast(T, self._values[key])

    @property
    def sizes(self) -> dict[str, int]:
        """Key → bytes of every network that was asked for."""
        return {key: size_of(value) for key, value in self._values.items()}


def dry_run(method: Method[Any], request: DreamRequest, dtype: torch.dtype, level: int = 0) -> DryRun:
    """The memory of one image of *request* at memory *level*, or at the highest level that the method has.

    Raises UnknownShape, and the DreamErrors of the method's `load`.
    """
    with LiveBytes() as live:
        runtime = DryRunRuntime(dtype)
        state = _begin(method, request, runtime)
        reduce_memory = getattr(method, "reduce_memory", None)
        reached = 0
        while reached < level and reduce_memory and reduce_memory(state, runtime):
            reached += 1
        most = 0
        for variant in _variants(method, state):
            before = live.begin()
            method.advance([variant], runtime)
            most = max(most, live.peak - before)
    return DryRun(runtime.sizes, most, reached)


def _begin(method: Method[Any], request: DreamRequest, runtime: DryRunRuntime) -> State:
    """The state of the request's first image, on the meta device."""
    alone = request.model_copy(update={"count": 1})
    method.load(alone, runtime)
    white = to_png(Image.new("RGB", (STAND_IN, STAND_IN), "white"))
    (state,) = method.begin(Job("dry run", 0, "", alone), dict.fromkeys(alone.images, white), runtime)
    return cast(State, state)


def _variants(method: Method[Any], state: State) -> list[State]:
    """Copies of *state*, one for each shape of step, the largest first.

    The last step is left out: it also scores the image, which takes less memory than guidance.
    """
    variants: dict[Hashable, State] = {}
    for step in range(max(state.steps - 1, 1)):
        variant = copy.copy(state)
        variant.step = step
        variants.setdefault(method.batch_key(variant), variant)
    return sorted(variants.values(), key=_views, reverse=True)[:MOST_VARIANTS]


def _views(state: State) -> tuple[bool, int, int]:
    """Sort key: whether the step is guided, the margin that the network sees, the number of cutouts."""
    objective = getattr(state, "objective", None)
    return (objective.acts, getattr(state, "margin", 0), objective.most_cuts) if objective else (False, 0, 0)


def _shape(key: str, dtype: torch.dtype) -> Any:
    """The network of *key* without weights; None for the package's own, which are small enough to be read."""
    kind, _, name = key.partition(":")
    marked = name.partition("+")[0]  # adapters change no shape
    name = marked.partition("@")[0]
    if name.startswith(SHIPPED):
        return None
    if kind == "perceptor":
        return _clip(name)
    if key in (SECONDARY, LPIPS) or (kind in ("diffusion", "vqgan", "biggan") and name in entries()):
        return _unloaded(kind, marked, dtype)
    return None


_read: dict[tuple[str, torch.dtype], Any] = {}


def _shipped(key: str, dtype: torch.dtype, load: Callable[[], T]) -> Any:
    """The package's own network of *key* on the meta device, read once."""
    if not key.partition(":")[2].startswith(SHIPPED):
        raise UnknownShape(f"The shape of “{key}” is not known before it is loaded.")
    if (key, dtype) not in _read:
        _read[key, dtype] = load()
    return _read[key, dtype]


@lru_cache(maxsize=8)
def _unloaded(kind: str, marked: str, dtype: torch.dtype) -> Any:
    """*marked*: the name of the weights, and the mark that changes with them, because their flags may change too."""
    if kind == SECONDARY:
        return _frozen(SecondaryNet)
    if kind == LPIPS:
        return _frozen(lambda: Lpips(VggStages(), LpipsHeads()))
    entry = find_entry(marked.partition("@")[0])
    if kind == "vqgan":
        return VqganNet(_frozen(build_vqgan, entry.flags))
    if kind == "biggan":
        return BigganNet(_frozen(build_biggan, entry.flags))
    return DiffusionNet(_frozen(BUILDERS[entry.kind], entry.flags).set_torso_dtype(dtype))


def _frozen(build: Callable[..., M], *args: object) -> M:
    return blueprint(build, *args).eval().requires_grad_(False)


@lru_cache(maxsize=6)
def _clip(name: str) -> Perceptor:
    from engine.perceptors.open_clip import shape_of  # takes seconds to import

    try:
        return shape_of(name)
    except ModelUnavailable as error:
        raise UnknownShape(str(error)) from error
