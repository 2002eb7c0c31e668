"""One dreambot per data folder: a lock that the operating system releases when its process dies, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from bot.errors import FolderInUse

FILE = "dreambot.lock"


class FolderLock:
    """The lock of one data folder. The file stays, with the process id of its last holder; the lock is what counts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock or raise FolderInUse, which names the holder. Creates the folder."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="ascii")
        try:
            _lock(file)
        except OSError as error:
            holder = _read(file)
            file.close()
            raise FolderInUse(
                f"Another dreambot{f' (process {holder})' if holder else ''} is working on {self._path.parent}. "
                "Stop it, or give this one a data folder of its own (DREAMBOT_DATA)."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let others have the folder. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _read(file: IO[str]) -> str:
    try:
        file.seek(0)
        return file.read(20).strip()
    except OSError:  # Windows locks the bytes against readers too
        return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
