"""Lets one process at a time use a data folder. The operating system releases the locks when that process ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from bot.errors import FolderInUse
from bot.storage.files import PRIVATE_FILE, make_folder

FILE = "dreambot.lock"


class FolderLock:
    """The lock of one data folder: the file `dreambot.lock`, which holds the process id, and on POSIX the folder.

    The folder is locked too because the file can be deleted while the bot runs. Links in its place are refused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._file = FileLock(
            folder / FILE,
            timeout=0,
            mode=PRIVATE_FILE,
            thread_local=False,
            fallback_to_soft=False,
            on_acquired=_write_process_id,
        )

    def acquire(self) -> None:
        """Create the folder and lock it. Raises FolderInUse, which names the process, or OSError."""
        make_folder(self._folder)
        try:
            self._file.acquire()
            self._lock_folder()
        except Timeout as error:
            self.release()
            holder = self._holder()
            raise FolderInUse(
                f"Another dreambot{f' (process {holder})' if holder else ''} is using {self._folder}. "
                "Stop it, or set DREAMBOT_DATA to another folder for this one."
            ) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._file.release(force=True)

    def _lock_folder(self) -> None:
        if os.name == "posix":  # Windows opens no folders, and refuses to delete a file that is open
            self._descriptor = os.open(self._folder, os.O_RDONLY)
            if not lock_descriptor(self._descriptor, blocking=False):
                raise Timeout(str(self._folder))

    def _holder(self) -> str:
        try:
            return (self._folder / FILE).read_text(encoding="ascii")[:20].strip()
        except (OSError, ValueError):  # Windows locks the bytes against readers too
            return ""


def _write_process_id(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode("ascii"))
