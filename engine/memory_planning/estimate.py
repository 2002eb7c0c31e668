"""What a picture will take, and in which form it fits: known before it begins, and better once it has been painted.

A form is how often the picture was made lighter (`State.thrift`). Its largest step is rehearsed
(`engine.memory_planning.dry_run`),
once for all requests that differ in nothing that takes memory; where a device says what a step really took, that counts
from then on. Steps never run at the same time, so a picture has all the memory that nets leave.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, cast

import torch

from engine.errors import DreamError
from engine.memory_planning.dry_run import SHIPPED, Rehearsed, rehearse
from engine.methods import Method
from engine.requests.options.biggan_clip import ALL
from engine.requests.request import DreamRequest
from engine.requests.schedule import Schedule, constant
from engine.runtime.error_boundary import guarded
from engine.runtime.runtime import Runtime

UNSEEN = 1.2, 64 * 2**20
"""A rehearsed step is taken to need so many times what was counted, and so many bytes more: for what kernels take for
themselves. On a CPU real steps took 1.00 to 1.12 times as much, and up to 17 MiB more."""
AS_LIGHT_AS_POSSIBLE = 1 << 10
PLENTY = 8
"""Where so many pictures of the package's nets would fit together, nobody asks exactly."""
WORD, PICTURE = "red", "picture"
"""What stands for every prompt, and for every picture that a request names."""


class Needs:
    """What one picture of a request takes on the device of a runtime, in each of its forms."""

    def __init__(self, method: Method[Any], request: DreamRequest, runtime: Runtime) -> None:
        self._method, self.request, self._runtime = method, essence(request), runtime
        self._counted: dict[int, int] = {}

    def sure(self, thrift: int = 0) -> int:
        """Bytes for its largest step in that form, with something to spare; 0 if nobody knows."""
        if not self.known(thrift) and (found := self.rehearsed(thrift)):
            self._counted[thrift] = int(found.step * UNSEEN[0]) + UNSEEN[1]
        return self.known(thrift)

    def known(self, thrift: int) -> int:
        """The same, if it was found out already: what such a step was seen to take, else what was counted."""
        return self._runtime.learnt.get((self.request, thrift)) or self._counted.get(thrift, 0)

    def learn(self, thrift: int, taken: int) -> None:
        """A picture in that form took so many bytes at most."""
        former = self._runtime.learnt.get((self.request, thrift), 0)
        self._runtime.learnt[self.request, thrift] = max(taken, former)

    def rehearsed(self, thrift: int = 0) -> Rehearsed | None:
        """What was counted for that form, or for the lightest there is."""
        return _rehearsed(cast(Hashable, self._method), self.request, self._runtime.dtype, thrift)

    def lightest(self, **changes: object) -> Rehearsed | None:
        """What was counted where CLIP looks at one view at a time and all else is as light as it can be.

        *changes*: other fields of the request.
        """
        request = one_view(self.request.model_copy(update=changes))
        return _rehearsed(cast(Hashable, self._method), request, self._runtime.dtype, AS_LIGHT_AS_POSSIBLE)


def needs_of(method: Method[Any], request: DreamRequest, runtime: Runtime) -> Needs | None:
    """Nothing for painters that have no lighter form, and for small pictures where there is plenty."""
    if not hasattr(method, "lighten") or (of_the_package(request) and ceiling(request) * PLENTY < runtime.reach()):
        return None
    return Needs(method, request, runtime)


def essence(request: DreamRequest) -> DreamRequest:
    """The request without what makes no difference to memory: equal for all that take equally much."""
    named = ("init_image", "target_image", "mask_image")
    changes: dict[str, object] = {name: PICTURE for name in named if getattr(request, name)}
    changes["prompts"] = tuple(
        p.model_copy(update={"text": WORD} if p.text else {"image": PICTURE}) for p in request.prompts
    )
    if hasattr(request.options, "classes"):  # else all of their names would be read to find those that fit the words
        changes["options"] = request.options.model_copy(update={"classes": ALL})
    return request.model_copy(update={"seed": 0, "count": 1, **changes})


def one_view(request: DreamRequest) -> DreamRequest:
    """The same with a single view in every step, which takes as much as many that are looked at one by one."""
    least: dict[str, object] = {
        name: constant(count) if isinstance(getattr(request.options, name), Schedule) else count
        for name, count in (("cutouts", 1), ("overview", 0))
        if hasattr(request.options, name)
    }
    return request.model_copy(update={"options": request.options.model_copy(update=least)})


def of_the_package(request: DreamRequest) -> bool:
    """Whether all that paints and guides it lies in the package, and is small."""
    clips = getattr(request.options, "perceptors", "usual").replace("usual", SHIPPED).split("+")
    return request.model == SHIPPED and all(clip.strip().startswith(SHIPPED) for clip in clips)


def ceiling(request: DreamRequest) -> int:
    """Bytes that no picture of the package's nets exceeds. A test holds it against rehearsals."""
    options = request.options
    views = sum(_most(getattr(options, name, 0)) for name in ("cutouts", "overview"))
    clips = getattr(options, "perceptors", "").count("+") + 1
    strokes = getattr(options, "strokes", 0)
    return int(request.width * request.height * 2**8 + (2 * views * clips + 2 * strokes + 16) * 2**20)


def _most(option: object) -> float:
    return option.largest if isinstance(option, Schedule) else float(option)  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def _rehearsed(method: Hashable, request: DreamRequest, dtype: torch.dtype, thrift: int) -> Rehearsed | None:
    """None where it cannot be rehearsed: then it is painted, and what happens happens. What broke is in the log."""
    found = guarded(rehearse, cast("Method[Any]", method), request, dtype, thrift)
    return None if isinstance(found, DreamError) else found
