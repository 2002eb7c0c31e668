"""Locks on open files, which the operating system releases when the process dies, however it dies. No torch."""

from __future__ import annotations

import os
from typing import BinaryIO

if os.name == "nt":
    import msvcrt

    BEYOND = 1 << 62
    """A byte that is never written: Windows locks bytes against writers too."""

    def lock_or_raise(file: BinaryIO) -> None:
        """The lock of *file* until it is closed. Raises OSError if somebody has it."""
        file.seek(BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def wait_for_lock(file: BinaryIO) -> None:
        """The same once it is free. Raises OSError where there are no locks, and on Windows after ten seconds."""
        file.seek(BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]

else:
    import fcntl

    def lock_or_raise(file: BinaryIO) -> None:
        """The lock of *file* until it is closed. Raises OSError if somebody has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wait_for_lock(file: BinaryIO) -> None:
        """The same once it is free. Raises OSError where there are no locks, and on Windows after ten seconds."""
        fcntl.flock(file, fcntl.LOCK_EX)
