"""Process functions of the operating system: resident memory, and protection of this process's memory."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

import psutil

log = logging.getLogger(__name__)
_PR_SET_DUMPABLE = 4
"""prctl(2)."""


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of process *pid* (None: this one) in bytes; 0 if there is no such process."""
    try:
        return int(psutil.Process(pid).memory_info().rss)  # type: ignore[no-untyped-call]
    except psutil.Error:
        return 0


def hide_memory() -> None:
    """Deny other processes of this user this one's memory, environment and core dumps, which hold the token.

    Linux only. The superuser and processes with CAP_SYS_PTRACE can still read them.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            log.warning("The token is not protected from other processes: %s", os.strerror(ctypes.get_errno()))
