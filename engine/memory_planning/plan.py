"""Counts the memory of an image, then chooses the level that it begins at, or refuses it with a size that would fit.

A memory level is how often an image's steps were made lighter (`State.memory_level`). A dry run counts each level; the
device's own measurements replace the counts. Requests that differ only in what takes no memory (seed, words, count)
share one dry run. Steps never run at the same time, so an image has all the memory that loaded models leave.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch

from engine.catalogue.models import MODELS, Model
from engine.errors import DreamError, OutOfMemory
from engine.memory_planning.dry_run import SHIPPED, DryRun, dry_run
from engine.methods import Method, find_method
from engine.requests.options.biggan_clip import ALL
from engine.requests.options.clip_views import ALL_ALIKE, guiding_clips
from engine.requests.request import DreamRequest, build_request
from engine.requests.schedule import Schedule, constant
from engine.runtime.device import Device
from engine.runtime.runtime import CERTAIN, SPARE, Runtime, SizeLine, catch

MARGIN = 1.2, 64 * 2**20
"""Factor and bytes added to the counted size of a step, for what kernels allocate themselves. Measured on a CPU: real
steps took 1.00 to 1.12 times as much, and up to 17 MiB more."""
HIGHEST_LEVEL = 1 << 10
PLENTY = 8
"""Images of the package's own networks get no estimate where memory holds this many of them."""
WORD, IMAGE = "red", "picture"
"""Replace every prompt, and every image that a request names."""


class MemoryEstimate:
    """The memory of one image of a request on a runtime's device, at each memory level."""

    def __init__(self, method: Method[Any], request: DreamRequest, runtime: Runtime) -> None:
        self._method, self.request, self._runtime = method, without_irrelevant(request), runtime
        self._counted: dict[int, int] = {}

    def step(self, level: int = 0) -> int:
        """Bytes of the largest step at *level*, with a margin; 0 if unknown. Makes a dry run if there was none."""
        if not self.known(level) and (found := self.counted(level)):
            self._counted[level] = int(found.step * MARGIN[0]) + MARGIN[1]
        return self.known(level)

    def known(self, level: int) -> int:
        """Like `step`, but never makes a dry run: the measured bytes, else the counted ones, else 0."""
        return self._runtime.memory.step_bytes.get((self.request, level)) or self._counted.get(level, 0)

    def learn(self, level: int, taken: int) -> None:
        """Records that the steps of an image at *level* took up to *taken* bytes."""
        former = self._runtime.memory.step_bytes.get((self.request, level), 0)
        self._runtime.memory.step_bytes[self.request, level] = max(taken, former)

    def counted(self, level: int = 0) -> DryRun | None:
        """The dry run at *level* or at the highest level there is; None if it failed."""
        return _cached_dry_run(cast(Hashable, self._method), self.request, self._runtime.dtype, level)

    def lightest(self, **changes: object) -> DryRun | None:
        """The dry run with one cutout per step at the highest level. *changes*: other fields of the request."""
        request = with_one_cutout(self.request.model_copy(update=changes))
        return _cached_dry_run(cast(Hashable, self._method), request, self._runtime.dtype, HIGHEST_LEVEL)


def without_irrelevant(request: DreamRequest) -> DreamRequest:
    """*request* with everything replaced that does not affect memory: equal for requests that take equally much."""
    named = ("init_image", "target_image", "mask_image")
    changes: dict[str, object] = {name: IMAGE for name in named if getattr(request, name)}
    changes["prompts"] = tuple(
        p.model_copy(update={"text": WORD} if p.text else {"image": IMAGE}) for p in request.prompts
    )
    if hasattr(request.options, "classes"):  # otherwise the names of all classes would be embedded to find the nearest
        changes["options"] = request.options.model_copy(update={"classes": ALL})
    return request.model_copy(update={"seed": 0, "count": 1, **changes})


def with_one_cutout(request: DreamRequest) -> DreamRequest:
    """*request* with one cutout per step; many cutouts that are scored one by one take the same memory."""
    least: dict[str, object] = {
        name: constant(count) if isinstance(getattr(request.options, name), Schedule) else count
        for name, count in (("cutouts", 1), ("overview", 0))
        if hasattr(request.options, name)
    }
    if hasattr(request.options, "clip_cutouts"):
        least["clip_cutouts"] = ALL_ALIKE
    return request.model_copy(update={"options": request.options.model_copy(update=least)})


def ceiling(request: DreamRequest) -> int:
    """An upper bound in bytes for an image of the package's networks. A test compares it with dry runs."""
    options = request.options
    views = sum(_most(getattr(options, name, 0)) for name in ("cutouts", "overview"))
    guides, overview = guiding_clips(options, SHIPPED), _most(getattr(options, "overview", 0))
    views = max(views, *(_most(clip.cutouts) + overview for clip in guides if clip.cutouts), 0)
    strokes = getattr(options, "strokes", 0)
    return int(request.width * request.height * 2**8 + (2 * views * len(guides) + 2 * strokes + 16) * 2**20)


def _most(option: object) -> float:
    return option.largest if isinstance(option, Schedule) else float(option)  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def _cached_dry_run(method: Hashable, request: DreamRequest, dtype: torch.dtype, level: int) -> DryRun | None:
    """None if the dry run fails; the job then runs without a memory estimate, and the log has the reason."""
    found = catch(dry_run, cast("Method[Any]", method), request, dtype, level)
    return None if isinstance(found, DreamError) else found


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

    Without an estimate for methods without memory levels, and for small images where memory is plenty. Raises
    OutOfMemory only if the image would not fit with all of the memory to itself; close cases are tried.
    """
    clips = guiding_clips(request.options, SHIPPED)
    ours = request.model == SHIPPED and all(clip.name.startswith(SHIPPED) for clip in clips)  # small networks
    plenty = ours and ceiling(request) * PLENTY < runtime.hardware.reach()
    if plenty or not hasattr(method, "reduce_memory"):
        return MemoryPlan()
    estimate = MemoryEstimate(method, request, runtime)
    counted = estimate.counted()
    if counted is None:
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


RESERVED = 0.6 * 2**30
"""Bytes of a card that its driver, the CUDA context and a desktop take, roughly."""


class VirtualDevice(Device):
    """An empty GPU with *gigabytes* GiB that computes in half precision."""

    def __init__(self, gigabytes: float) -> None:
        super().__init__(torch.device("cpu"), torch.float16)
        self._gigabytes = gigabytes

    def reach(self) -> int:
        """Bytes of the card beside what is reserved."""
        return max(int(self._gigabytes * 2**30 - RESERVED), 0)

    def most(self) -> int:
        """Equal to `reach`: a card does not swap."""
        return self.reach()

    @property
    def description(self) -> str:
        """For sentences: ``a card with 8 GB``."""
        return f"a card with {self._gigabytes:g} GB"


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """The counted memory of one image in bytes; all 0 where no dry run is possible."""

    models: int = 0
    step: int = 0
    """The largest step at memory level 0."""
    begins: int = 0
    """The largest step at the level at which the image begins; 0 if it is refused."""
    refusal: str = ""

    @property
    def short(self) -> str:
        """Gigabytes in all: ``2.9``; ``11.5 → 4.3`` where it begins lighter; ``26.5 → no`` where it is refused."""
        if not self.step:
            return "?"
        whole, lighter = ((self.models + step) / 1e9 for step in (self.step, self.begins))
        if self.refusal:
            return f"{whole:.1f} → no"
        return f"{whole:.1f} → {lighter:.1f}" if self.begins < self.step else f"{whole:.1f}"


def report_memory(request: DreamRequest, runtime: Runtime) -> MemoryReport:
    """What one image of *request* takes on *runtime*, and how it would begin."""
    method = find_method(request.method)
    estimate = MemoryEstimate(method, request, runtime)
    counted = estimate.counted()
    if counted is None:
        return MemoryReport()
    try:
        plan = plan_memory(method, request, runtime)
    except OutOfMemory as error:
        return MemoryReport(counted.weights, counted.step, 0, str(error))
    begins = estimate.counted(plan.level)
    return MemoryReport(counted.weights, counted.step, begins.step if begins else counted.step)
