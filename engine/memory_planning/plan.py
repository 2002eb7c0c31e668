"""In which form a picture fits, before it begins; where none does: what it needs, what there is, what would fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.catalogue.models import MODELS, Model
from engine.errors import OutOfMemory
from engine.memory_planning.dry_run import Rehearsed
from engine.memory_planning.estimate import Needs, needs_of
from engine.memory_planning.size_limits import CERTAIN, measure
from engine.methods import Method
from engine.requests.request import DreamRequest
from engine.runtime.runtime import SPARE, Runtime

log = logging.getLogger(__name__)

EIGHTHS = range(7, 0, -1)
"""Smaller sizes that are looked at where a picture does not fit, in eighths of its own."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a picture begins in."""

    thrift: int = 0
    needs: Needs | None = None
    """Nothing where nobody asks or knows."""


def fit(method: Method[Any], request: DreamRequest, runtime: Runtime) -> Form:
    """The heaviest form, which is the fastest, for which there is memory. Raises OutOfMemory where there is none.

    Where it is close, it is tried: what is refused would not fit if all of the memory within reach were its own.
    """
    needs = needs_of(method, request, runtime)
    counted = needs.rehearsed() if needs else None
    if needs is None or counted is None:
        return Form()
    _clear_the_way(needs, counted, runtime)
    room = int(SPARE * runtime.reach()) - counted.weights
    if needs.sure() <= room:
        return Form(0, needs)
    lightest = needs.lightest()
    if request.memory_kind not in runtime.room and (line := measure(request, needs)):
        runtime.room[request.memory_kind] = line
    if lightest and _least(lightest) > runtime.most():
        raise OutOfMemory(_words(lightest, needs, request, runtime))
    thrift = _first_that_fits(needs, room)
    log.info("A picture of %s at %d×%d begins lighter (%d).", request.model, request.width, request.height, thrift)
    return Form(thrift, needs)


def _first_that_fits(needs: Needs, room: int) -> int:
    """The form to begin in; the lightest if it may not fit in any."""
    thrift = 0
    while needs.sure(thrift) > room and (lighter := needs.rehearsed(thrift + 1)) and lighter.thrift > thrift:
        thrift += 1
    return thrift


def _clear_the_way(needs: Needs, counted: Rehearsed, runtime: Runtime) -> None:
    """Nets that nobody uses leave where they are in the way."""
    others = sum(size for key, size in runtime.nets.items() if key not in counted.nets)
    if others and counted.weights + others + needs.sure() > SPARE * runtime.reach():
        runtime.shed(larger_than=0)


def _least(found: Rehearsed) -> int:
    return int(CERTAIN * (found.weights + found.step))


def _words(lightest: Rehearsed, needs: Needs, request: DreamRequest, runtime: Runtime) -> str:
    need, has = lightest.weights + lightest.step, runtime.most()
    return (
        f"This picture needs {amount(need)} of memory even in its lightest form "
        f"({amount(lightest.weights)} for its nets, {amount(lightest.step)} for its largest step), "
        f"and {runtime.description} has {amount(has)} for it; {_nearest(lightest, needs, request, has)}."
    )


def amount(size: int) -> str:
    """Bytes for people: ``6.3 GB``, ``80 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 0.95e9 else f"{size / 1e6:.0f} MB"


def _nearest(lightest: Rehearsed, needs: Needs, request: DreamRequest, has: int) -> str:
    """The largest smaller size that fits, or another setting."""
    for width, height in smaller(request, MODELS[request.model]):
        shrunk = lightest.step * width * height // (request.width * request.height)
        if CERTAIN * (lightest.weights + shrunk) > has:  # a step shrinks by less than the picture
            continue
        found = needs.lightest(width=width, height=height)
        if found and _least(found) <= has:
            return f"{width}×{height} would fit"
    for name, value in (("perceptors", "usual"), ("gradient", "xstart")):
        if getattr(request.options, name, value) != value:
            found = needs.lightest(options=request.options.model_copy(update={name: value}))
            if found and _least(found) <= has:
                return f"{name}={value} would fit"
    return "no size of it would fit, but a smaller model may"


def smaller(request: DreamRequest, model: Model) -> Iterator[tuple[int, int]]:
    """Smaller sizes of about the same shape that *model* can paint, the largest first."""
    before = request.width, request.height
    for eighths in EIGHTHS:
        width, height = (
            max(side * eighths // 8 // model.multiple * model.multiple, model.smallest)
            for side in (request.width, request.height)
        )
        if (width, height) != before and width <= request.width and height <= request.height:
            yield width, height
            before = width, height
