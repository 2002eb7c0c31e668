"""How much memory a device has, and how much of it is free: the whole of it, and what a container allows."""

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
    """Bytes that may still be taken; torch keeps some that it has freed, and they count as free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    most, used = container_memory()
    available = _available()
    return max(min(available, most - used), 0) if most else available


def system_memory() -> int:
    """Of the machine."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN


def container_memory(root: Path = CGROUP) -> tuple[int, int]:
    """(the most that this container may take, what it takes without the files that it has read); (0, 0) = no limit."""
    try:
        most = (root / "memory.max").read_text(encoding="ascii").strip()
        used = int((root / "memory.current").read_text(encoding="ascii"))
        counted = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
        return (int(most), max(used - int(counted.get("inactive_file", 0)), 0)) if most.isdecimal() else (0, 0)
    except (OSError, ValueError):
        return 0, 0


def _available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that could be taken without swapping, as Linux estimates it; elsewhere half of all."""
    try:
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return system_memory() // 2
