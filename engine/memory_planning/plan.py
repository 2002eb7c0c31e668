"""Chooses the memory level that an image begins at, or refuses it with what it needs and which size would fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.catalogue.models import MODELS, Model
from engine.errors import OutOfMemory
from engine.memory_planning.dry_run import DryRun
from engine.memory_planning.estimate import MemoryEstimate, estimate_memory
from engine.methods import Method
from engine.requests.request import DreamRequest, build_request
from engine.runtime.memory_planner import CERTAIN, SizeLine
from engine.runtime.runtime import SPARE, Runtime

log = logging.getLogger(__name__)

EIGHTHS = range(7, 0, -1)
"""Smaller sizes that are tried where an image does not fit, in eighths of its own."""
RELEVANT = ("gradient", "perceptors")
"""Options that decide the least memory of an image; all others only add to it."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The memory level that an image begins at, and its estimate if there is one."""

    level: int = 0
    estimate: MemoryEstimate | None = None


def plan_memory(method: Method[Any], request: DreamRequest, runtime: Runtime) -> MemoryPlan:
    """The lowest memory level, which is the fastest, that memory suffices for.

    Raises OutOfMemory only if the image would not fit with all of the memory to itself; close cases are tried.
    """
    estimate = estimate_memory(method, request, runtime)
    counted = estimate.counted() if estimate else None
    if estimate is None or counted is None:
        return MemoryPlan()
    _evict_unused(estimate, counted, runtime)
    room = int(SPARE * runtime.hardware.reach()) - counted.weights
    if estimate.step() <= room:
        return MemoryPlan(0, estimate)
    lightest = estimate.lightest()
    if request.memory_kind not in runtime.memory.sizes and (line := measure_sizes(request, estimate)):
        runtime.memory.sizes[request.memory_kind] = line
    if lightest and _least(lightest) > runtime.hardware.most():
        raise OutOfMemory(_refusal(lightest, estimate, request, runtime))
    level = _first_that_fits(estimate, room)
    size = f"{request.width}×{request.height}"
    log.info("An image of %s at %s begins at memory level %d.", request.model, size, level)
    return MemoryPlan(level, estimate)


def measure_sizes(request: DreamRequest, estimate: MemoryEstimate) -> SizeLine | None:
    """The least memory of images of the request's kind as a line through two dry runs; None if one of them fails.

    Options that only add memory are left at their defaults, so the line never refuses an image that fits.
    """
    model = MODELS[request.model]
    plain = build_request("red", model=model.name, method=request.method, seed=0).options
    same = {name: getattr(request.options, name) for name in RELEVANT if hasattr(request.options, name)}
    options = plain.model_copy(update=same)
    found = []
    for side in (model.smallest, 2 * model.smallest):
        counted = estimate.lightest(
            width=side, height=side, options=options, init_image="", target_image="", mask_image=""
        )
        if counted is None:
            return None
        found.append((side * side, counted.weights + counted.step))
    (low, least), (high, most) = found
    return SizeLine(least, low, (most - least) / (high - low))


def amount(size: int) -> str:
    """Bytes for people: ``6.3 GB``, ``80 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 0.95e9 else f"{size / 1e6:.0f} MB"


def smaller(request: DreamRequest, model: Model) -> Iterator[tuple[int, int]]:
    """Smaller (width, height) of about the same shape that *model* can paint, the largest first."""
    before = request.width, request.height
    for eighths in EIGHTHS:
        width, height = (
            max(side * eighths // 8 // model.multiple * model.multiple, model.smallest)
            for side in (request.width, request.height)
        )
        if (width, height) != before and width <= request.width and height <= request.height:
            yield width, height
            before = width, height


def _first_that_fits(estimate: MemoryEstimate, room: int) -> int:
    """The lowest level whose step fits into *room* bytes, else the highest level."""
    level = 0
    while estimate.step(level) > room and (next_one := estimate.counted(level + 1)) and next_one.level > level:
        level += 1
    return level


def _evict_unused(estimate: MemoryEstimate, counted: DryRun, runtime: Runtime) -> None:
    """Evicts models that no image uses if they leave too little memory."""
    others = sum(size for key, size in runtime.cache.sizes.items() if key not in counted.models)
    if others and counted.weights + others + estimate.step() > SPARE * runtime.hardware.reach():
        runtime.cache.shed(larger_than=0)


def _least(found: DryRun) -> int:
    return int(CERTAIN * (found.weights + found.step))


def _refusal(lightest: DryRun, estimate: MemoryEstimate, request: DreamRequest, runtime: Runtime) -> str:
    need, has = lightest.weights + lightest.step, runtime.hardware.most()
    return (
        f"This picture needs {amount(need)} of memory even in its lightest form "
        f"({amount(lightest.weights)} for its nets, {amount(lightest.step)} for its largest step), "
        f"and {runtime.hardware.description} has {amount(has)} for it; {_advice(lightest, estimate, request, has)}."
    )


def _advice(lightest: DryRun, estimate: MemoryEstimate, request: DreamRequest, has: int) -> str:
    """The largest smaller size that fits, or another option that does."""
    for width, height in smaller(request, MODELS[request.model]):
        shrunk = lightest.step * width * height // (request.width * request.height)
        if CERTAIN * (lightest.weights + shrunk) > has:  # a step shrinks by less than the image
            continue
        found = estimate.lightest(width=width, height=height)
        if found and _least(found) <= has:
            return f"{width}×{height} would fit"
    for name, value in (("perceptors", "usual"), ("gradient", "xstart")):
        if getattr(request.options, name, value) != value:
            found = estimate.lightest(options=request.options.model_copy(update={name: value}))
            if found and _least(found) <= has:
                return f"{name}={value} would fit"
    return "no size of it would fit, but a smaller model may"
