"""A malloc that keeps what it has.

glibc gives every freed tensor back to the kernel and faults it in again page by page; on a small net that was 35,000
page faults in five steps, and a quarter of the time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

MALLOC: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""glibc reads these once, when a process starts."""


def keep_memory() -> None:
    """Start this program again with `MALLOC` set, once, on Linux; elsewhere, or if it is set already, do nothing."""
    if not sys.platform.startswith("linux") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **MALLOC})  # noqa: S606 -- the same program
