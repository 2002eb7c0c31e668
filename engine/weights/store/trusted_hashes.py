"""Hashes that the host has trusted, for files without a published hash.

A JSON file in the weights folder: name → SHA-256, size and source.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from engine.errors import WeightsError

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
