"""A device that is only supposed, to ask what would fit into it: nothing is loaded, nothing painted."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch

from engine.errors import OutOfMemory
from engine.memory_planning.estimate import Needs
from engine.memory_planning.plan import fit
from engine.memory_planning.size_limits import Line
from engine.methods import find_method
from engine.requests.request import DreamRequest
from engine.runtime.runtime import Runtime

KEPT = 0.6 * 2**30
"""Bytes of a card that its driver, CUDA's context and a desktop keep, roughly."""


class Supposed(Runtime):
    """A card of so many gigabytes (of 2³⁰ bytes), empty, that computes in half precision.

    What nets should take together makes no difference: those of one picture stay beyond that (see
    `engine.runtime.model_cache`).
    """

    def __init__(self, gigabytes: float) -> None:
        self.device, self.dtype = torch.device("cpu"), torch.float16
        self.learnt: dict[Hashable, int] = {}
        self.room: dict[str, Line] = {}
        self._gigabytes = gigabytes

    @property
    def nets(self) -> dict[str, int]:
        """It is empty."""
        return {}

    def reach(self) -> int:
        """All of it but what others keep."""
        return max(int(self._gigabytes * 2**30 - KEPT), 0)

    def most(self) -> int:
        """The same: a card does not swap."""
        return self.reach()

    @property
    def description(self) -> str:
        """As a sentence has it."""
        return f"a card with {self._gigabytes:g} GB"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one picture takes in bytes, and how it would begin. Counted, not measured: 0 where nobody can say."""

    nets: int = 0
    step: int = 0
    """Its largest step, as it is."""
    begins: int = 0
    """That in the form in which it begins; 0 if it does not."""
    refusal: str = ""
    """Why it does not."""

    @property
    def short(self) -> str:
        """Gigabytes in all: ``2.9``; ``11.5 → 4.3`` where it begins lighter; ``26.5 → no``."""
        if not self.step:
            return "?"
        whole, lighter = ((self.nets + step) / 1e9 for step in (self.step, self.begins))
        if self.refusal:
            return f"{whole:.1f} → no"
        return f"{whole:.1f} → {lighter:.1f}" if self.begins < self.step else f"{whole:.1f}"


def suppose(request: DreamRequest, runtime: Runtime) -> Verdict:
    """What a picture of *request* takes, and how it would begin there."""
    method = find_method(request.method)
    needs = Needs(method, request, runtime)
    counted = needs.rehearsed()
    if counted is None:
        return Verdict()
    try:
        form = fit(method, request, runtime)
    except OutOfMemory as error:
        return Verdict(counted.weights, counted.step, 0, str(error))
    begins = needs.rehearsed(form.thrift)
    return Verdict(counted.weights, counted.step, begins.step if begins else counted.step)
