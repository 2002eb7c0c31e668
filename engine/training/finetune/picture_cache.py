"""The squares of a folder on disk: decoded once, then mapped into memory, for folders larger than memory.

A set has three files: `rows.bin` with all squares, `signatures.npy` for the search of duplicates, and `index.json` with
size and time of every file. It is written whole or not at all. One whose hashes are wrong is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from engine.weights.store.hashed_file import acquire_where_possible

ROWS, SIGNATURES, INDEX = "rows.bin", "signatures.npy", "index.json"
SIGNATURE = np.dtype([("hash", "<u8"), ("colours", "u1", (8, 8, 3))])

Mark = tuple[int, int]
"""Bytes of a file, and the time of its last change in nanoseconds."""


@dataclass(frozen=True)
class KnownFile:
    """What a set has of a file."""

    mark: Mark
    row: int = -1
    """Its square; -1 for a file that is left out."""
    why: str = ""
    """Why it is left out."""


@dataclass(frozen=True)
class StoredSet:
    files: Mapping[str, KnownFile]
    """In the order of the folder."""
    rows: NDArray[np.uint8]
    """[N, S, S, 3], mapped from the disk."""
    signatures: NDArray[np.void]
    """[N] of SIGNATURE."""
    sha256: str
    """Of all rows."""


class PictureCache:
    """The sets below *root*, which together take at most *limit* bytes."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit

    def fits(self, count: int, side: int) -> bool:
        """Whether *count* squares can be stored."""
        needed = count * side * side * 3
        if needed > self.limit:
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        return needed < shutil.disk_usage(self.root).free

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """One process at a time reads a folder; the others wait and find it read."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / f"{key}.lock", fallback_to_soft=False)
        acquire_where_possible(lock)
        try:
            yield
        finally:
            lock.release()

    def find(self, key: str, side: int) -> StoredSet | None:
        """The set of that key; None if it is missing or broken."""
        place = self.root / key
        try:
            index = json.loads((place / INDEX).read_text(encoding="utf-8"))
            if any(sha256_of(place / name) != index["sha256"][name] for name in (ROWS, SIGNATURES)):
                return None
            signatures = np.load(place / SIGNATURES)
            rows = np.memmap(place / ROWS, np.uint8, "r", shape=(len(signatures), side, side, 3))
            files = {name: KnownFile((size, time), row, why) for name, size, time, row, why in index["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        os.utime(place / INDEX)  # the last use
        return StoredSet(files, rows, signatures, index["sha256"][ROWS])

    def make_room(self, key: str) -> None:
        """Delete the sets that were used longest ago, but for *key*, until the limit holds."""
        sets = [path.parent for path in self.root.glob(f"[!.]*/{INDEX}")]
        sets.sort(key=lambda place: (place / INDEX).stat().st_mtime_ns)
        sizes = {place: sum(file.stat().st_size for file in place.iterdir()) for place in sets}
        for place in sets:
            if sum(sizes.values()) <= self.limit:
                return
            if place.name != key:
                shutil.rmtree(place, ignore_errors=True)
                sizes.pop(place)


class SetWriter:
    """Context manager: writes the set *key* beside the old one, which it replaces at the end of the block."""

    def __init__(self, cache: PictureCache, key: str) -> None:
        self.cache, self.key = cache, key
        self._part = cache.root / f".{key}.{uuid.uuid4().hex[:8]}"
        self._signatures: list[NDArray[np.void]] = []
        self._files: list[tuple[str, int, int, int, str]] = []

    def __enter__(self) -> SetWriter:
        for left in self.cache.root.glob(f".{self.key}.*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        self._part.mkdir(parents=True)
        self._rows = (self._part / ROWS).open("wb")
        return self

    def left_out(self, name: str, mark: Mark, why: str) -> None:
        self._files.append((name, *mark, -1, why))

    def add(self, name: str, mark: Mark, image: NDArray[np.uint8], signature: NDArray[np.void]) -> None:
        """*image*: [S, S, 3]; *signature*: one SIGNATURE."""
        self._rows.write(np.ascontiguousarray(image).data)
        self._files.append((name, *mark, len(self._signatures), ""))
        self._signatures.append(signature)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with self._rows:
                self._rows.flush()
                os.fsync(self._rows.fileno())
            if kind is None and self._signatures:
                self._finish()
        finally:
            shutil.rmtree(self._part, ignore_errors=True)

    def _finish(self) -> None:
        np.save(self._part / SIGNATURES, np.array(self._signatures, SIGNATURE))
        hashes = {name: sha256_of(self._part / name) for name in (ROWS, SIGNATURES)}
        index = {"sha256": hashes, "files": self._files}
        (self._part / INDEX).write_text(json.dumps(index), encoding="utf-8")
        place = self.cache.root / self.key
        shutil.rmtree(place, ignore_errors=True)
        self._part.rename(place)
        self.cache.make_room(self.key)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def set_key(*facts: object) -> str:
    """The name of a set: a hash of everything that its squares depend on, but for the files."""
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()
