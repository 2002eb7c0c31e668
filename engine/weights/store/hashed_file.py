"""Hashes a file through the handle from which it is read afterwards, so that it cannot be swapped in between.

For files without a published hash, the host may trust one: a JSON file in the weights folder, name → SHA-256, size and
source.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

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


FILE = "pins.json"
LOCK_FILE = "pins.lock"
"""An empty lock file that is never replaced, unlike the file of hashes."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Some network folders have no locks."""
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class TrustedHash:
    sha256: str
    size: int
    source: str = ""
    """Its address, or the path it was found at."""


@dataclass(frozen=True, slots=True)
class TrustedHashes:
    """The trusted hashes of one folder. Every call reads the file, so several processes may share it."""

    folder: Path

    def find(self, name: str) -> TrustedHash | None:
        return self._read().get(name)

    def put(self, name: str, pin: TrustedHash) -> None:
        with self._alone():
            self._write({**self._read(), name: pin})

    def drop(self, name: str) -> None:
        if self.find(name) is None:
            return
        with self._alone():
            self._write({other: pin for other, pin in self._read().items() if other != name})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Excludes other threads and processes between reading and writing, so that no pin is lost."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK_FILE, fallback_to_soft=False)
        with _LOCK:
            acquire_where_possible(lock)
            try:
                yield
            finally:
                lock.release()

    def _read(self) -> dict[str, TrustedHash]:
        path = self.folder / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return {name: TrustedHash(**pin) for name, pin in raw["files"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WeightsError(
                f"{path}, which remembers the hashes of trusted files, cannot be read: {error}; repair it, or move it "
                f"away and trust the files in that folder again (python -m engine weights verify --trust NAME)."
            ) from error

    def _write(self, pins: Mapping[str, TrustedHash]) -> None:
        files = {name: asdict(pin) for name, pin in sorted(pins.items())}
        write_whole(self.folder / FILE, json.dumps({"version": 1, "files": files}, indent=1) + "\n")


def acquire_where_possible(lock: FileLock) -> None:
    """As `lock.acquire()`; returns without the lock where the folder has none. The lock must not fall back to soft."""
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def write_whole(path: Path, text: str) -> None:
    """Replaces *path* by *text* atomically, also if the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new{secrets.token_hex(6)}")  # threads and containers share process ids
    try:
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
