"""One engine's device, its loaded models, and what it has learned about memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from engine.errors import OutOfMemory
from engine.runtime.compiler import Compiler
from engine.runtime.device import MODELS_SHARE, Device, find_device
from engine.runtime.memory_planner import MemoryPlanner
from engine.runtime.model_cache import ModelCache

T = TypeVar("T")

SPARE = 0.9
"""Share of the memory within reach that is planned with; the rest is for fragments and other programs."""
UNKNOWN_STEP = 0.2
"""Share of the memory within reach that is left for a step of unknown size."""


class DeviceLost(RuntimeError):
    """The device has failed for good; only a new process can use it again."""


@dataclass(frozen=True, eq=False)
class Runtime:
    """A `NetProvider` of real models. Safe to use from the loading thread and the stepping loop at the same time."""

    hardware: Device
    cache: ModelCache
    memory: MemoryPlanner
    compiler: Compiler

    @classmethod
    def open(
        cls,
        device: str = "auto",
        *,
        dtype: torch.dtype | None = None,
        models: int = 0,
        compiler: Compiler | None = None,
        sharing: int = 1,
    ) -> Runtime:
        """A runtime on *device* ("auto", "cpu", "cuda", "cuda:1", "mps"); raises EngineUnusable.

        *models*: bytes that loaded models may take together; 0 = a share of the device's memory. Without a *compiler*
        nothing is compiled. *sharing*: see `Device`.
        """
        return cls.on(Device(find_device(device), dtype, sharing), models=models, compiler=compiler)

    @classmethod
    def on(cls, hardware: Device, *, models: int = 0, compiler: Compiler | None = None) -> Runtime:
        """A runtime on *hardware*, with nothing loaded."""

        def suffices(loaded: int, step: int) -> bool:
            reach = hardware.reach()
            return loaded + (step or int(UNKNOWN_STEP * reach)) <= SPARE * reach

        cache = ModelCache(models or int(hardware.total * MODELS_SHARE), suffices, hardware.release)
        return cls(hardware, cache, MemoryPlanner(), compiler or Compiler(takes=False))

    @property
    def device(self) -> torch.device:
        """Where tensors live."""
        return self.hardware.torch

    @property
    def dtype(self) -> torch.dtype:
        """The number format of large networks."""
        return self.hardware.dtype

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """What *load* returned for *key*; it runs once, however many threads ask.

        *expected*: about how many bytes it takes. Other models are evicted for it before it is loaded. Raises
        OutOfMemory if it exceeds the device.
        """
        if expected and key not in self.cache and expected > (most := self.hardware.total):
            raise OutOfMemory(
                f"The weights of “{key.partition(':')[2]}” alone take {expected / 1e9:.1f} GB, and "
                f"{self.hardware.description} has {most / 1e9:.1f} GB in all."
            )
        return self.cache.get(key, load, expected)

    def free_memory(self) -> int:
        """Bytes that the next step can take without evicting a model."""
        return self.hardware.free(sum(self.cache.sizes.values()))
