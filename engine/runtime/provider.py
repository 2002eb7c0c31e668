"""What methods and loaders need of a runtime. `Runtime` provides real models, a dry run provides their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch

from engine.runtime.compiler import Compiler
from engine.runtime.memory_planner import MemoryPlanner

T = TypeVar("T")


class NetProvider(Protocol):
    """A device, and models that are loaded once."""

    @property
    def device(self) -> torch.device:
        """Where tensors live."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The number format of large networks."""
        ...

    @property
    def compiler(self) -> Compiler:
        """Runs steps, compiled where the host wants it."""
        ...

    @property
    def memory(self) -> MemoryPlanner:
        """What is known about the memory of images."""
        ...

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """What *load* returned for *key*, loaded once. *expected*: about how many bytes it takes; 0 = unknown.

        Raises OutOfMemory if *expected* exceeds the device, and whatever *load* raises.
        """
        ...
