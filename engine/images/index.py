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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InvalidRequest
from engine.images.vector_file import Floats, Vectors, VectorsUnreadable

FOLDER = ".dreambot"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})
WASTE = 0.25
"""So much of the vectors may belong to pictures that are gone before the others are written anew."""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FORM = 2
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


@dataclass(frozen=True, slots=True)
class Known:
    """What the index says of a file: the row of its vector, or None and the *problem* why it could not be opened."""

    entry: IndexedImage
    row: int | None
    problem: str = ""


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
        """Pictures that can be found."""
        return sum(known.row is not None for known in self._known.values())

    @property
    def problems(self) -> dict[Path, str]:
        """Files that could not be opened, and why."""
        return {path: known.problem for path, known in sorted(self._known.items()) if known.row is None}

    def look(self) -> list[IndexedImage]:
        """Compare with the folder: what is gone or changed is forgotten, what is new comes back, to be remembered."""
        there = {entry.path: entry for entry in scan(self.root)}
        gone = [path for path, known in self._known.items() if there.get(path) != known.entry]
        with self._in_words(), self._transaction():
            self._index.executemany("DELETE FROM pictures WHERE path = ?", [(os.fsencode(path),) for path in gone])
        for path in gone:
            del self._known[path]
        if len(self._vectors) - len(self) > WASTE * len(self._vectors):
            self._tidy()
        return [entry for path, entry in there.items() if path not in self._known]

    def remember(
        self, entries: Sequence[IndexedImage], vectors: Floats, problems: Sequence[tuple[IndexedImage, str]] = ()
    ) -> None:
        """*vectors* [N, dim] are what *entries* look like; *problems* are files that could not be opened, and why."""
        with self._in_words():
            first = self._vectors.add(vectors) if len(entries) else 0
            news = [Known(entry, first + i) for i, entry in enumerate(entries)]
            news += [Known(entry, None, problem) for entry, problem in problems]
            with self._transaction():
                self._insert(news)
        self._known.update((known.entry.path, known) for known in news)

    def search(self, direction: Floats, count: int) -> list[Found]:
        """The *count* pictures that point most in the direction of that unit vector, the best first."""
        paths = {known.row: path for path, known in self._known.items() if known.row is not None}
        alive = np.zeros(len(self._vectors), bool)
        alive[list(paths)] = True
        return [Found(paths[row], score) for row, score in self._vectors.nearest(direction, count, alive)]

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
            self._known = {known.entry.path: known for known in self._read()}
        except (sqlite3.DatabaseError, VectorsUnreadable):
            self._index.close()
            raise
        self._vectors.cut(max((known.row + 1 for known in self._known.values() if known.row is not None), default=0))

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

    def _read(self) -> Iterator[Known]:
        rows = len(self._vectors)
        for path, mtime_ns, size, row, problem in self._index.execute("SELECT * FROM pictures"):
            if not isinstance(path, bytes) or not (row is None or (isinstance(row, int) and 0 <= row < rows)):
                raise VectorsUnreadable("The index names rows that are not there.")
            yield Known(IndexedImage(Path(os.fsdecode(path)), mtime_ns, size), row, str(problem))

    def _insert(self, news: Sequence[Known]) -> None:
        self._index.executemany(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
            [(os.fsencode(k.entry.path), k.entry.mtime_ns, k.entry.size, k.row, k.problem) for k in news],
        )

    def _tidy(self) -> None:
        """Copy the vectors that are still used into a new file, and switch the index to it."""
        kept = [known for known in self._known.values() if known.row is not None]
        generation = self._generation + 1
        with self._in_words():
            new = self._vectors_of(generation)
            new.cut(0)
            new.add(self._vectors.rows(np.array([known.row for known in kept], dtype=np.int64)))
            moved = [Known(known.entry, row) for row, known in enumerate(kept)]
            with self._transaction():
                self._insert(moved)
                self._index.execute(f"PRAGMA user_version = {generation}")
            self._vectors.path.unlink()
        self._vectors = new
        self._known.update((known.entry.path, known) for known in moved)

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


def scan(root: Path) -> Iterator[IndexedImage]:
    """Every file below *root* that has a picture's name, in order; hidden ones and linked folders are left out.

    Raises InvalidRequest for what is no folder, or one that may not be read.
    """
    if not root.is_dir():
        raise InvalidRequest(f"{root} is not a folder of pictures.")
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                with contextlib.suppress(OSError):  # gone in this moment, or a link to nowhere
                    about = path.stat()
                    yield IndexedImage(path.relative_to(root), about.st_mtime_ns, about.st_size)


def _refuse(error: OSError) -> None:
    raise InvalidRequest(f"{error.filename} cannot be read: {error.strerror or error}.") from error


def _slug(key: str) -> str:
    """A folder's name for a perceptor: readable, and different for different keys."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in key.split(" ")[0])[:40]
    return f"{plain.strip('.') or 'perceptor'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
