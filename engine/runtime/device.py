"""The torch device that an engine computes on: its number format, its state, and its memory within a container."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.errors import EngineUnusable

UNKNOWN = 8 * 2**30
"""Bytes, where the system does not say."""
CGROUP = Path("/sys/fs/cgroup")


def device_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return min(system_memory(), container_memory()[0] or system_memory())


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated, including those that torch has cached."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    most, used = container_memory()
    available = _meminfo("MemAvailable") or system_memory() // 2  # half where the system does not say
    return max(min(available, most - used), 0) if most else available


def within_reach(device: torch.device, held: int = 0) -> int:
    """Bytes that models and images of this process can take together: what is free and what they hold already.

    *held*: on a CPU, `held_memory` before anything was loaded. The allocator keeps freed memory, so it counts as held.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device)
    return free_memory(device) + max(held_memory() - held, 0)


def beyond(device: torch.device) -> int:
    """Bytes that can be used beyond those within reach: swap; all memory where the system does not report it."""
    if device.type != "cpu" or container_memory()[0]:
        return 0
    return _meminfo("SwapFree") if _meminfo("MemTotal") else system_memory()


def held_memory() -> int:
    """Anonymous resident bytes of this process; 0 where the system does not report them."""
    return _listed(Path("/proc/self/status"), "RssAnon")


def system_memory() -> int:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN


def container_memory(root: Path = CGROUP) -> tuple[int, int]:
    """(limit, usage without cached files) of this container in bytes; (0, 0) = no limit."""
    try:
        most = (root / "memory.max").read_text(encoding="ascii").strip()
        used = int((root / "memory.current").read_text(encoding="ascii"))
        counted = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
        return (int(most), max(used - int(counted.get("inactive_file", 0)), 0)) if most.isdecimal() else (0, 0)
    except (OSError, ValueError):
        return 0, 0


def _meminfo(name: str) -> int:
    """Bytes; 0 where the system does not say."""
    return _listed(Path("/proc/meminfo"), name)


def _listed(path: Path, name: str) -> int:
    """One line of a file like ``MemAvailable:   12595 kB``, in bytes."""
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


MODELS_SHARE = 0.6
"""Share of the device's memory that loaded models may take; the rest is for the steps of images."""
MEBIBYTES_PER_SLOT = 1500
"""Memory of one guided 512×512 image on a GPU, roughly. Too many slots are noticed and split; too few waste time."""
CPU_SLOTS = 4
MOST_SLOTS = 64


@dataclass(slots=True)
class Peak:
    """Bytes that a piece of work allocated at most; 0 where the device does not report it (a CPU)."""

    bytes: int = 0


class Device:
    """One torch device. *dtype* is the number format of large networks; None picks `fast_dtype`.

    *sharing*: how many processes like this one share it; each takes an equal share of its memory.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None = None, sharing: int = 1) -> None:
        self.torch = device
        self._sharing = max(sharing, 1)
        self.dtype = dtype or fast_dtype(device)
        self._held = held_memory()

    @property
    def total(self) -> int:
        """Bytes of memory in all, or of this process' share."""
        return device_memory(self.torch) // self._sharing

    def reach(self) -> int:
        """Bytes that models and the largest step can take together, whatever is loaded now."""
        return within_reach(self.torch, self._held)

    def most(self) -> int:
        """Bytes including swap; work that needs more is refused without a try."""
        return self.reach() + beyond(self.torch)

    def free(self, loaded: int) -> int:
        """Bytes that the next step can take beside *loaded* bytes of models."""
        return free_memory(self.torch) if self.torch.type == "cuda" else max(self.reach() - loaded, 0)

    @contextmanager
    def peak(self) -> Iterator[Peak]:
        """Measures the memory of the work inside; the figure is set on exit."""
        peak = Peak()
        if self.torch.type != "cuda":
            yield peak
            return
        torch.cuda.reset_peak_memory_stats(self.torch)
        before = torch.cuda.memory_allocated(self.torch)
        try:
            yield peak
        finally:
            peak.bytes = max(torch.cuda.max_memory_allocated(self.torch) - before, 0)

    def release(self) -> None:
        """Collects reference cycles (a traceback holds the tensors of its frames) and empties torch's cache."""
        gc.collect()
        if self.torch.type == "cuda":
            torch.cuda.empty_cache()
        elif self.torch.type == "mps":
            torch.mps.empty_cache()

    def alive(self) -> bool:
        """Whether the device still computes. After an illegal access every CUDA call fails until the process ends."""
        try:
            return float(torch.ones(2, device=self.torch).sum()) == 2.0
        except RuntimeError:
            return False

    def synchronize(self) -> None:
        """Waits until the device has done all queued work, so that clocks measure it."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)
        elif self.torch.type == "mps":
            torch.mps.synchronize()

    @property
    def slots(self) -> int:
        """How many images may be in progress together."""
        if self.torch.type == "cpu":
            return CPU_SLOTS
        free = self.total * (1 - MODELS_SHARE / 2)
        return min(max(int(free / 2**20 / MEBIBYTES_PER_SLOT), 1), MOST_SLOTS)

    @property
    def description(self) -> str:
        """For people: ``NVIDIA H200 (143 GB)``, ``CPU (2 cores)``."""
        if self.torch.type == "cuda":
            return f"{torch.cuda.get_device_name(self.torch)} ({device_memory(self.torch) / 1e9:.0f} GB)"
        return f"CPU ({cores()} cores)" if self.torch.type == "cpu" else self.torch.type.upper()


def find_device(name: str) -> torch.device:
    """The torch device *name*: "cpu", "cuda", "cuda:1", "mps" or "auto" (the first GPU that computes, else the CPU).

    Raises EngineUnusable for a device that does not work with this PyTorch.
    """
    if name != "auto":
        return _tried(name)
    for candidate in ("cuda", "mps"):
        if (torch.cuda if candidate == "cuda" else torch.backends.mps).is_available():
            try:
                return _tried(candidate)
            except EngineUnusable:
                continue
    return torch.device("cpu")


def fast_dtype(device: torch.device) -> torch.dtype:
    """float16 where the hardware is faster at it (NVIDIA from Volta on; Pascal is 64 times slower), else float32."""
    if device.type == "cuda" and torch.version.cuda and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    return torch.float32


log = logging.getLogger(__name__)


def use_deterministic_kernels(device: torch.device) -> None:
    """Selects deterministic kernels for an NVIDIA *device* in the whole process: replays then repeat each bit.

    Otherwise the gradients of convolutions and of attention differ from run to run. Call it before the first product.
    """
    if device.type == "cuda" and not torch.version.hip:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` would import half a compiler


def allow_any_kernel(error: RuntimeError) -> bool:
    """Ends `use_deterministic_kernels` if *error* says that an operation has no such kernel; whether it did."""
    if not torch.are_deterministic_algorithms_enabled() or "deterministic" not in str(error):
        return False
    torch.set_deterministic_debug_mode("default")
    log.warning("From now on, replays may differ by rounding: %s", str(error).strip().splitlines()[0])
    return True


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tried(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.ones(2, device=device).mul(2).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineUnusable(f"The device “{name}” does not work with this PyTorch: {why}") from error
    return device
