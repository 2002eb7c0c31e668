"""A picture's step, rehearsed before anything is loaded: the method's own code, on tensors without numbers.

What a step takes follows from shapes alone, so the method itself is run on the meta device, with nets that have shapes
and no weights, and what is alive is counted (`engine.memory_planning.meta_memory`). Nothing is estimated by formulas
that could drift
away from the code. A rehearsal takes a few tenths of a second, however large the picture; it downloads nothing, reads
no checkpoint but those of the package, and may run beside the stepping loop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from PIL import Image

from engine.catalogue.registry import entries, find_entry
from engine.errors import ModelUnavailable
from engine.images.pictures import to_png
from engine.loaders.biggan import BigganNet, biggan_blueprint
from engine.loaders.diffusion import DiffusionNet
from engine.loaders.meta_init import NoInit, blueprint
from engine.loaders.secondary import NAME as SECONDARY
from engine.loaders.vqgan import VqganNet, vqgan_blueprint
from engine.memory_planning.meta_memory import META, LiveBytes
from engine.methods import Method
from engine.methods._base import State
from engine.nets.secondary import SecondaryNet
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest
from engine.runtime.compiler import Compiler
from engine.runtime.runtime import Runtime, size_of

if TYPE_CHECKING:
    from engine.guidance.perceptor import Perceptor

T = TypeVar("T")

MOST_SCENES = 3
"""Steps of different shape that are rehearsed of one picture; those with the most views first."""
STAND_IN = 64
"""The side of the picture that stands in for every one that a request names; most become as large as the result."""
SHIPPED = "primer"
"""Nets of that name, and those that begin so, lie in the package."""


class Unrehearsed(ModelUnavailable):
    """Nobody knows the shape of a net that this picture needs, so it cannot be said before what it takes."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one picture takes. All in bytes."""

    nets: dict[str, int]
    """Key in `Runtime.nets` → its weights."""
    step: int
    """Its largest step, beside the nets."""
    thrift: int
    """So many times it was made lighter."""

    @property
    def weights(self) -> int:
        """Of all its nets."""
        return sum(self.nets.values())


class Stage(Runtime):
    """A runtime of nets without weights: nothing is loaded that does not lie in the package, nothing is learned."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.device = META
        self.dtype = dtype
        self.compiler = Compiler(takes=False)
        self.lessons: dict[Hashable, int] = {}
        self._values: dict[str, Any] = {}

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """The shape of the net that *load* would bring; raises Unrehearsed where nobody knows it."""
        if key not in self._values:
            self._values[key] = _shape(key, self.dtype) or _of_the_package(key, self.dtype, load)
        return cast(T, self._values[key])

    def perceptor(self, name: str) -> Perceptor:
        """The shape of that CLIP."""
        from engine.guidance.perceptor import load_perceptor

        return self.net(f"perceptor:{name}", lambda: load_perceptor(name, self))

    @property
    def nets(self) -> dict[str, int]:
        """What was asked for → its bytes."""
        return {key: size_of(value) for key, value in self._values.items()}


def rehearse(method: Method[Any], request: DreamRequest, dtype: torch.dtype, thrift: int = 0) -> Rehearsed:
    """What one picture of *request* takes when it is made lighter *thrift* times, or as often as it can be.

    Raises Unrehearsed, and what the method's `load` says in words about a request that it cannot paint.
    """
    with LiveBytes() as live:
        stage = Stage(dtype)
        state = _begun(method, request, stage)
        lighten = getattr(method, "lighten", None)
        lighter = 0
        while lighter < thrift and lighten and lighten(state, stage):
            lighter += 1
        most = 0
        for scene in _scenes(method, state):
            before = live.begin()
            method.advance([scene], stage)
            most = max(most, live.peak - before)
    return Rehearsed(stage.nets, most, lighter)


def _begun(method: Method[Any], request: DreamRequest, stage: Stage) -> State:
    """The first of its pictures, on the meta device."""
    alone = request.model_copy(update={"count": 1})
    method.load(alone, stage)
    white = to_png(Image.new("RGB", (STAND_IN, STAND_IN), "white"))
    (state,) = method.begin(Job("rehearsal", 0, "", alone), dict.fromkeys(alone.images, white), stage)
    return cast(State, state)


def _scenes(method: Method[Any], state: State) -> list[State]:
    """The picture at the steps that differ in shape from one another, the largest first; the last is never among them:
    it is judged besides, which takes less than guiding it."""
    scenes: dict[Hashable, State] = {}
    for step in range(max(state.steps - 1, 1)):
        scene = copy.copy(state)
        scene.step = step
        scenes.setdefault(method.lane(scene), scene)
    return sorted(scenes.values(), key=_views, reverse=True)[:MOST_SCENES]


def _views(state: State) -> tuple[bool, int, int]:
    """How much a step looks: whether it is guided at all, what the net sees beyond the edges, how many views."""
    pull = getattr(state, "pull", None)
    return (pull.acts, getattr(state, "margin", 0), pull.recipe.total) if pull else (False, 0, 0)


def _shape(key: str, dtype: torch.dtype) -> Any:
    """The net of that key without weights; nothing for those of the package, which are small enough to be read."""
    kind, _, name = key.partition(":")
    if name.startswith(SHIPPED):
        return None
    if key == SECONDARY:
        return _secondary()
    if kind == "diffusion" and name in entries():
        return _diffusion(name, dtype)
    if kind in GENERATORS and name in entries():
        return GENERATORS[kind](name)
    if kind == "perceptor":
        return _clip(name)
    return None


_package: dict[tuple[str, torch.dtype], Any] = {}
"""The package's own nets, read once and then without their weights."""


def _of_the_package(key: str, dtype: torch.dtype, load: Callable[[], T]) -> Any:
    if not key.partition(":")[2].startswith(SHIPPED):
        raise Unrehearsed(f"The shape of “{key}” is not known before it is loaded.")
    if (key, dtype) not in _package:
        _package[key, dtype] = load()
    return _package[key, dtype]


@lru_cache(maxsize=4)
def _diffusion(name: str, dtype: torch.dtype) -> DiffusionNet:
    return DiffusionNet(blueprint(find_entry(name).flags).eval().requires_grad_(False).set_torso_dtype(dtype))


@lru_cache(maxsize=2)
def _vqgan(name: str) -> VqganNet:
    return VqganNet(vqgan_blueprint(find_entry(name).flags).eval().requires_grad_(False))


@lru_cache(maxsize=2)
def _biggan(name: str) -> BigganNet:
    return BigganNet(biggan_blueprint(find_entry(name).flags).eval().requires_grad_(False))


GENERATORS: Mapping[str, Callable[[str], VqganNet | BigganNet]] = {"vqgan": _vqgan, "biggan": _biggan}
"""By the kind in their keys."""


@lru_cache(maxsize=1)
def _secondary() -> SecondaryNet:
    with META, NoInit():
        return SecondaryNet().eval().requires_grad_(False)


@lru_cache(maxsize=6)
def _clip(name: str) -> Perceptor:
    from engine.guidance.open_clip import shape_of  # seconds of import, as for loading it

    try:
        return shape_of(name)
    except ModelUnavailable as error:
        raise Unrehearsed(str(error)) from error
