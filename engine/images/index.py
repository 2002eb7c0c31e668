"""Index of a folder of images by the embeddings of one CLIP.

`.dreambot/` in the folder has a subfolder for each perceptor, with `index.db` (SQLite: path, time, size, row) and a
file of vectors. Vectors are written before their rows, so a crash in between loses only new entries. Results are
limited to files that exist in the folder, because an index from strangers may name any path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from engine.errors import InvalidRequest
from engine.images.vector_file import Floats, Vectors, VectorsUnreadable

FOLDER = ".dreambot"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic")
WASTE = 0.25
"""Share of unused vectors above which the file is rewritten."""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FORM = 3
"""Version of the index; raise it when more file formats can be opened."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    path BLOB PRIMARY KEY,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    place INTEGER,
    problem TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """One file: *path* relative to the folder, modification time and size."""

    path: Path
    mtime_ns: int
    size: int


class Row(NamedTuple):
    """The entry of a file: the index of its vector, or None and the *problem* with the file."""

    mtime_ns: int
    size: int
    place: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Found:
    """One search result; *path* relative to the folder."""

    path: Path
    score: float


class Album:
    """The index of the folder *root* for the perceptor *key*, with vectors of *dim* numbers. Exclusive to one process.

    A damaged index is rebuilt, and `mended` is set. *cache*: another folder for the index. Raises InvalidRequest if the
    folder is not writable or another process uses the index.
    """

    def __init__(self, root: Path, key: str, dim: int, cache: Path | None = None) -> None:
        self.root, self.mended = root, False
        self._key, self._dim = key, dim
        self._place = (cache or root / FOLDER) / _slug(key)
        with self._in_words():
            try:
                self._open()
            except (sqlite3.DatabaseError, VectorsUnreadable) as error:
                if getattr(error, "sqlite_errorcode", _BROKEN[0]) not in _BROKEN:
                    raise
                shutil.rmtree(self._place)
                self._open()
                self.mended = True

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._index.close()

    def __len__(self) -> int:
        """Number of images that a search can find."""
        return sum(row.place is not None for row in self._known.values())

    @property
    def problems(self) -> dict[Path, str]:
        """Files that could not be opened, and why."""
        return {Path(path): row.problem for path, row in sorted(self._known.items()) if row.place is None}

    def look(self) -> list[IndexedImage]:
        """Compare with the folder: remove entries of deleted or changed files, and return the new files."""
        there = scan(self.root)
        gone = [path for path, row in self._known.items() if there.get(path) != row[:2]]
        with self._in_words(), self._transaction():
            self._index.executemany("DELETE FROM pictures WHERE path = ?", [(os.fsencode(path),) for path in gone])
        for path in gone:
            del self._known[path]
        if len(self._vectors) - len(self) > WASTE * len(self._vectors):
            self._tidy()
        return [IndexedImage(Path(path), *stamp) for path, stamp in there.items() if path not in self._known]

    def remember(
        self, entries: Sequence[IndexedImage], vectors: Floats, problems: Sequence[tuple[IndexedImage, str]] = ()
    ) -> None:
        """Store *vectors* [N, dim], the embeddings of *entries*, and *problems*, unreadable files with reasons."""
        with self._in_words():
            first = self._vectors.add(vectors) if len(entries) else 0
            news = {str(e.path): Row(e.mtime_ns, e.size, first + i, "") for i, e in enumerate(entries)}
            news |= {str(e.path): Row(e.mtime_ns, e.size, None, problem) for e, problem in problems}
            with self._transaction():
                self._insert(news)
        self._known.update(news)

    def search(self, direction: Floats, count: int) -> list[Found]:
        """The *count* images with the largest cosine to the unit vector *direction* [dim], best first."""
        paths = {row.place: path for path, row in self._known.items() if row.place is not None}
        alive = np.zeros(len(self._vectors), bool)
        alive[list(paths)] = True
        return [Found(Path(paths[place]), score) for place, score in self._vectors.nearest(direction, count, alive)]

    def _open(self) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        self._index = sqlite3.connect(self._place / "index.db", isolation_level=None, timeout=1)
        try:
            for statement in (
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA synchronous = FULL",
                "BEGIN EXCLUSIVE",
                _SCHEMA,
            ):
                self._index.execute(statement)
            self._renew()
            self._index.execute("COMMIT")
            self._vectors = self._vectors_of(self._generation)
            self._known = self._read()
        except (sqlite3.DatabaseError, VectorsUnreadable):
            self._index.close()
            raise
        self._vectors.cut(max((row.place + 1 for row in self._known.values() if row.place is not None), default=0))

    def _renew(self) -> None:
        """Retry files that an older version could not open."""
        if self._index.execute("PRAGMA application_id").fetchone()[0] != _FORM:
            self._index.execute("DELETE FROM pictures WHERE place IS NULL")
            self._index.execute(f"PRAGMA application_id = {_FORM}")

    @property
    def _generation(self) -> int:
        """Number of the current file of vectors; changes in one transaction with the rows."""
        return int(self._index.execute("PRAGMA user_version").fetchone()[0])

    def _vectors_of(self, generation: int) -> Vectors:
        return Vectors(self._place / f"vectors-{generation}", self._key, self._dim)

    def _read(self) -> dict[str, Row]:
        """Path → row. Raises VectorsUnreadable if a row refers to a missing vector."""
        count, known = len(self._vectors), dict[str, Row]()
        for path, mtime_ns, size, place, problem in self._index.execute(
            "SELECT path, mtime_ns, size, place, problem FROM pictures"
        ):
            if type(path) is not bytes or not (place is None or (type(place) is int and 0 <= place < count)):
                raise VectorsUnreadable("The index refers to missing vectors.")
            known[os.fsdecode(path)] = Row(mtime_ns, size, place, problem)
        return known

    def _insert(self, news: Mapping[str, Row]) -> None:
        self._index.executemany(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
            [(os.fsencode(path), *row) for path, row in news.items()],
        )

    def _tidy(self) -> None:
        """Copy the used vectors into a new file and switch the index to it."""
        kept = [(path, row) for path, row in self._known.items() if row.place is not None]
        generation = self._generation + 1
        with self._in_words():
            new = self._vectors_of(generation)
            new.cut(0)
            new.add(self._vectors.rows(np.array([row.place for _, row in kept], dtype=np.int64)))
            moved = {path: row._replace(place=place) for place, (path, row) in enumerate(kept)}
            with self._transaction():
                self._insert(moved)
                self._index.execute(f"PRAGMA user_version = {generation}")
            self._vectors.path.unlink()
        self._vectors = new
        self._known.update(moved)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._index.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._index.execute("ROLLBACK")
            raise
        self._index.execute("COMMIT")

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise InvalidRequest(f"Another search is using {self.root}. Try again when it has finished.") from error
            raise InvalidRequest(self._refusal(str(error))) from error
        except OSError as error:
            raise InvalidRequest(self._refusal(error.strerror or str(error))) from error

    def _refusal(self, why: str) -> str:
        return f"The index cannot be written to {self._place}: {why}. Free space, or name another folder with --cache."


def scan(root: Path) -> dict[str, tuple[int, int]]:
    """Every image file below *root*: relative path → (mtime in ns, size), sorted, depth first.

    Skips hidden files and linked folders. Raises InvalidRequest for a folder that cannot be read. Paths are text,
    because a hundred thousand Path objects take longer than the search.
    """
    if not root.is_dir():
        raise InvalidRequest(f"{root} is not a folder of pictures.")
    found: dict[str, tuple[int, int]] = {}
    _scan(str(root), "", found)
    return found


def _scan(folder: str, prefix: str, found: dict[str, tuple[int, int]]) -> None:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=attrgetter("name"))
    except OSError as error:
        _refuse(error)
    folders = []
    for entry in entries:
        name = entry.name
        if name[0] == ".":
            continue
        try:
            if entry.is_dir():
                if not entry.is_symlink():
                    folders.append(entry)
            elif name.endswith(SUFFIXES) or name.lower().endswith(SUFFIXES):
                about = entry.stat()
                found[prefix + name] = about.st_mtime_ns, about.st_size
        except OSError:  # deleted in the meantime, or a dangling link
            continue
    for entry in folders:
        _scan(entry.path, f"{prefix}{entry.name}{os.sep}", found)


def _refuse(error: OSError) -> NoReturn:
    raise InvalidRequest(f"{error.filename} cannot be read: {error.strerror or error}.") from error


def _slug(key: str) -> str:
    """A readable and unique folder name for *key*."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in key.split(" ")[0])[:40]
    return f"{plain.strip('.') or 'perceptor'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
