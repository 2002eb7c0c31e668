"""Index of a folder of images by the embeddings of one CLIP.

The folder holds `.dreambot/`, and in it for every perceptor a folder with `index.db` (SQLite: path, time, size,
row) and a file of vectors. Vectors are written first and the index after them, so whatever dies between leaves an index
that is right about less. Only what the folder itself holds now is ever found; an index that came along with foreign
pictures names nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from engine.errors import InvalidRequest
from engine.images.vector_file import Floats, Vectors, VectorsUnreadable

FOLDER = ".dreambot"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic")
WASTE = 0.25
"""So much of the vectors may belong to pictures that are gone before the others are written anew."""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FORM = 3
"""Of the index; raise it when more kinds of pictures are opened than before."""
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
    """One file: *path* within the folder, and what changes when the file does."""

    path: Path
    mtime_ns: int
    size: int


class Row(NamedTuple):
    """What the index says of a file: its vector's number, or None and the *problem* why it could not be opened."""

    mtime_ns: int
    size: int
    place: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Found:
    """One answer to a search; *path* within the folder."""

    path: Path
    score: float


class Album:
    """The folder *root* as the perceptor *key* sees it, with vectors of *dim* numbers; one process at a time.

    A broken index is made anew, and `mended` says so. *cache* is another place for it than beside the pictures. Raises
    InvalidRequest if the folder cannot be written, or another process has the index open.
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
        """Let go of the files."""
        self._index.close()

    def __len__(self) -> int:
        """Number of images that a search can find."""
        return sum(row.place is not None for row in self._known.values())

    @property
    def problems(self) -> dict[Path, str]:
        """Files that could not be opened, and why."""
        return {Path(path): row.problem for path, row in sorted(self._known.items()) if row.place is None}

    def look(self) -> list[IndexedImage]:
        """Compare with the folder: forget what is gone or changed, return what is new, to be remembered."""
        there = dict(scan(self.root))
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
        """*vectors* [N, dim]: embeddings of *entries*. *problems*: files that could not be opened, and why."""
        with self._in_words():
            first = self._vectors.add(vectors) if len(entries) else 0
            news = {str(e.path): Row(e.mtime_ns, e.size, first + i, "") for i, e in enumerate(entries)}
            news |= {str(e.path): Row(e.mtime_ns, e.size, None, problem) for e, problem in problems}
            with self._transaction():
                self._insert(news)
        self._known.update(news)

    def search(self, direction: Floats, count: int) -> list[Found]:
        """The *count* images with the largest cosine with that unit vector, best first."""
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
        """What an older version could not open is looked at again: it opened less, and took passing errors for good."""
        if self._index.execute("PRAGMA application_id").fetchone()[0] != _FORM:
            self._index.execute("DELETE FROM pictures WHERE place IS NULL")
            self._index.execute(f"PRAGMA application_id = {_FORM}")

    @property
    def _generation(self) -> int:
        """Which file of vectors the index speaks of; it changes in one transaction with the rows."""
        return int(self._index.execute("PRAGMA user_version").fetchone()[0])

    def _vectors_of(self, generation: int) -> Vectors:
        return Vectors(self._place / f"vectors-{generation}", self._key, self._dim)

    def _read(self) -> dict[str, Row]:
        """Path → row. Raises VectorsUnreadable if a row names a vector that is not there."""
        rows = self._index.execute("SELECT path, mtime_ns, size, place, problem FROM pictures").fetchall()
        count = len(self._vectors)
        if not all(
            isinstance(path, bytes) and (place is None or (isinstance(place, int) and 0 <= place < count))
            for path, _, _, place, _ in rows
        ):
            raise VectorsUnreadable("The index names rows that are not there.")
        return {os.fsdecode(path): Row._make(values) for path, *values in rows}

    def _insert(self, news: Mapping[str, Row]) -> None:
        self._index.executemany(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
            [(os.fsencode(path), *row) for path, row in news.items()],
        )

    def _tidy(self) -> None:
        """Copy the vectors that are still used into a new file, and switch the index to it."""
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
                raise InvalidRequest(
                    f"Another search is at {self.root} just now; try again when it is done."
                ) from error
            raise InvalidRequest(self._refusal(str(error))) from error
        except OSError as error:
            raise InvalidRequest(self._refusal(error.strerror or str(error))) from error

    def _refusal(self, why: str) -> str:
        return (
            f"How the pictures look cannot be remembered in {self._place}: {why}. Name another place by --cache, or "
            "make room."
        )


def scan(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every image file below *root*: its path within it, and (mtime in ns, size). In order, depth first.

    Hidden files and linked folders are left out. Raises InvalidRequest for a folder that cannot be read. Paths are
    text, because a hundred thousand Path objects take longer than the search.
    """
    if not root.is_dir():
        raise InvalidRequest(f"{root} is not a folder of pictures.")
    yield from _scan(str(root), "")


def _scan(folder: str, prefix: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        _refuse(error)
    folders = []
    for entry in entries:
        with contextlib.suppress(OSError):  # deleted in the meantime, or a link to nowhere
            if entry.is_dir():
                if not entry.is_symlink():
                    folders.append(entry)
            elif entry.name.lower().endswith(SUFFIXES):
                about = entry.stat()
                yield prefix + entry.name, (about.st_mtime_ns, about.st_size)
    for entry in folders:
        yield from _scan(entry.path, f"{prefix}{entry.name}{os.sep}")


def _refuse(error: OSError) -> NoReturn:
    raise InvalidRequest(f"{error.filename} cannot be read: {error.strerror or error}.") from error


def _slug(key: str) -> str:
    """A folder's name for a perceptor: readable, and different for different keys."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in key.split(" ")[0])[:40]
    return f"{plain.strip('.') or 'perceptor'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
