"""A card of a given size, to ask which images would fit into it. Loads and paints nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.errors import OutOfMemory
from engine.memory_planning.plan import MemoryEstimate, plan_memory
from engine.methods import find_method
from engine.requests.request import DreamRequest
from engine.runtime.device import Device
from engine.runtime.runtime import Runtime

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
