"""A full disk for one process: the system refuses its writes to files (setrlimit(2), RLIMIT_FSIZE). Linux only.

The error is EFBIG ("File too large") instead of ENOSPC ("No space left on device"); SQLite treats both alike. Pipes
and sockets are not affected, so log and network still work.
"""

import sys


def possible() -> bool:
    return sys.platform == "linux"


def block(pid: int, on: bool) -> None:
    """Refuse writes of process *pid*, or allow them again. Raises ProcessLookupError, PermissionError."""
    if sys.platform == "linux":
        import resource  # missing on Windows

        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if on else most, most))
