"""Hashes a file through the handle from which it is read afterwards, so that it cannot be swapped in between."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import WeightsError

CHUNK = 1 << 20


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """An OSError becomes a WeightsError: *what*, as in “net.pt cannot be written”, and the reason."""
    try:
        yield
    except FileExistsError as error:  # of a file in the place of a folder, the system only says that it exists
        raise WeightsError(f"{what}: a part of its path is a file.") from error
    except OSError as error:
        raise WeightsError(f"{what}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class HashedFile:
    """An open, hashed file. *sha256* is that of the bytes as they were read."""

    name: str
    """What a person calls it."""
    path: Path
    file: BinaryIO
    size: int
    sha256: str
    _stamp: tuple[int, ...]

    def check_unchanged(self) -> None:
        """Call after reading. Raises WeightsError if the file was written to since it was hashed."""
        if _stamp(self.file) != self._stamp:
            raise WeightsError(f"“{self.path.name}” was written to while it was being read; load it again.")


@contextmanager
def open_hashed(path: Path, name: str, progress: Callable[[int], None] | None = None) -> Iterator[HashedFile]:
    """Opens and hashes *path*; the handle is at the start. *progress* gets byte counts. Raises WeightsError."""
    with disk_errors(f"The weights “{name}” cannot be read from {path}"):
        file = _open_regular(path)
    with file:
        with disk_errors(f"The weights “{name}” cannot be read from {path}"):
            stamp = _stamp(file)
            sha256, size = hash_file(file, progress)
            file.seek(0)
        opened = HashedFile(name, path, file, size, sha256, stamp)
        opened.check_unchanged()
        yield opened


def hash_file(file: BinaryIO, progress: Callable[[int], None] | None = None) -> tuple[str, int]:
    """SHA-256 and size of the whole *file*."""
    digest, size, buffer = hashlib.sha256(), 0, bytearray(CHUNK)
    file.seek(0)
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(memoryview(buffer)[:count])
        size += count
        if progress:
            progress(count)
    return digest.hexdigest(), size


def _open_regular(path: Path) -> BinaryIO:
    """Opens a regular file. Raises OSError for a pipe or a device, which could block for ever."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    """Values that change with every write. Programs cannot set back the change time."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
