"""One engine's device, its loaded models, and what it has learned about memory; failures become DreamErrors."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

import torch

from engine.errors import DreamError, OutOfMemory
from engine.runtime.device import MODELS_SHARE, Device, find_device, use_deterministic_kernels
from engine.runtime.model_cache import ModelCache
from engine.runtime.tuning import Compiler

CERTAIN = 0.95
"""An image is refused only if this share of its counted bytes exceeds the memory: real steps took 1.00 to 1.12 times
what was counted."""
GRAIN = 64 * 64
"""Pixels. Size limits are rounded up to multiples of this, so that they do not change with every byte."""


@dataclass(frozen=True, slots=True)
class SizeLine:
    """Memory as a linear function of size: *bytes* at *pixels*, and *each* bytes for every further pixel."""

    bytes: int
    pixels: int
    each: float

    def within(self, most: int) -> int:
        """Pixels of the largest image that fits into *most* bytes, rounded up to `GRAIN`."""
        found = self.pixels + (most / CERTAIN - self.bytes) / max(self.each, 1e-9)
        return max(int(found // GRAIN + 1) * GRAIN, 0)


@dataclass(slots=True)
class MemoryPlanner:
    """Figures that the stepping loop and the loading thread share; every entry is a single dictionary operation."""

    levels: dict[Hashable, int] = field(default_factory=dict)
    """Kind of image → the memory level at which its steps fitted after out-of-memory."""
    step_bytes: dict[Hashable, int] = field(default_factory=dict)
    """(request without seed and words, memory level) → bytes that its largest step took, as the device measured."""
    sizes: dict[str, SizeLine] = field(default_factory=dict)
    """`DreamRequest.memory_kind` → the least memory of such images, measured after one did not fit."""

    def level(self, kind: Hashable) -> int:
        return self.levels.get(kind, 0)

    def largest(self, most: int) -> dict[str, int]:
        """`DreamRequest.memory_kind` → pixels of the largest image that *most* bytes allow."""
        return {kind: line.within(most) for kind, line in self.sizes.items()}


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
        found = find_device(device)
        use_deterministic_kernels(found)
        return cls.on(Device(found, dtype, sharing), models=models, compiler=compiler)

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
        return self.hardware.torch

    @property
    def dtype(self) -> torch.dtype:
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


P = ParamSpec("P")

log = logging.getLogger(__name__)


def catch(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | DreamError:
    """What *call* returns, or its failure as a DreamError without traceback (a traceback keeps tensors alive).

    Lack of memory becomes OutOfMemory. Anything unexpected is logged under a number that the message names.
    """
    try:
        return call(*args, **kwargs)
    except DreamError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:  # one job's unexpected failure must not end the others
        if is_out_of_memory(error):
            return OutOfMemory("There is not enough memory for this, whatever was tried; a smaller picture may fit.")
        number = secrets.token_hex(3)
        log.exception("Something went wrong (id %s)", number)
        return Unexpected(f"Something went wrong; it has been logged (id {number}).")


class Unexpected(DreamError):
    """An unexpected exception. The log has its traceback under the number in the message."""

    @property
    def code(self) -> str:
        """Clients see a plain DreamError."""
        return DreamError.__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether *error* says that the device or the system is out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error)
        for words in ("DefaultCPUAllocator:", "out of memory", "STATUS_ALLOC_FAILED", "ALLOCATION_FAILED")
    )
