"""A disk that is full, as one process meets it: the system lets it write to no file (setrlimit(2), RLIMIT_FSIZE).

The error is "File too large" where a full disk says "No space left on device"; all else is the same, SQLite included.
Pipes and sockets go on working, so the log and the wire do. Only Linux can do this to another process.
"""

import sys


def possible() -> bool:
    return sys.platform == "linux"


def fill(pid: int, full: bool) -> None:
    """From now on process *pid* can write to files no more, or again. Raises ProcessLookupError, PermissionError."""
    if sys.platform == "linux":
        import resource  # there is none on Windows

        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if full else most, most))
