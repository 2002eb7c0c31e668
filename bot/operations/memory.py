"""How much memory a process holds. Linux tells exactly; elsewhere we know only our own peak, or nothing."""

from __future__ import annotations

import sys
from pathlib import Path


def resident_bytes(pid: int | None = None) -> int:
    """Bytes that process *pid* (None: ours) holds in memory; 0 where that cannot be known."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0 if pid else _own_peak()
    return int(pages) * _page_size()


if sys.platform == "win32":

    def _own_peak() -> int:
        return 0

    def _page_size() -> int:
        return 4096

else:
    import resource

    def _own_peak() -> int:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def _page_size() -> int:
        return resource.getpagesize()
