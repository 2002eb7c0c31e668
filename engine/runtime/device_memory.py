"""How much memory a device has and how much is free, within the limits of a container."""

from __future__ import annotations

import os
from pathlib import Path

import torch

UNKNOWN = 8 * 2**30
"""Bytes, where the system does not say."""
CGROUP = Path("/sys/fs/cgroup")


def device_memory(device: torch.device) -> int:
    """Bytes in all."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return min(system_memory(), container_memory()[0] or system_memory())


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated, including those that torch has cached."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    most, used = container_memory()
    available = _available()
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
    """Of the machine."""
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


def _available() -> int:
    """Bytes available without swapping, by Linux's estimate; elsewhere half of all memory."""
    return _meminfo("MemAvailable") or system_memory() // 2


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
