"""Index of a folder of images by the embeddings of one CLIP.

`.dreambot/` in the folder has a subfolder for each perceptor, with `index.db` (SQLite: path, time, size, row) and a
file of vectors. Vectors are written before their rows, so a crash in between loses only new entries. Results are
limited to files that exist in the folder, because an index from strangers may name any path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
        return int(self._index.execute("SELECT count(place) FROM pictures").fetchone()[0])

    @property
    def problems(self) -> dict[Path, str]:
        """Files that could not be opened, and why."""
        rows = self._index.execute("SELECT path, problem FROM pictures WHERE place IS NULL ORDER BY path")
        return {Path(os.fsdecode(path)): str(problem) for path, problem in rows}

    def look(self) -> list[IndexedImage]:
        """Compare with the folder: remove entries of deleted or changed files, and return the new files."""
        lines = scan(self.root)
        if self._is_equal_to(lines):
            return []
        there, known = _parsed(lines), self._read()
        gone = [path for path, row in known.items() if there.get(path) != row[:2]]
        with self._in_words(), self._transaction():
            self._index.executemany("DELETE FROM pictures WHERE path = ?", [(os.fsencode(path),) for path in gone])
        for path in gone:
            del known[path]
        if len(self._vectors) - len(self) > WASTE * len(self._vectors):
            self._tidy()
        return [IndexedImage(Path(path), *stamp) for path, stamp in there.items() if path not in known]

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

    def search(self, direction: Floats, count: int) -> list[Found]:
        """The *count* images with the largest cosine to the unit vector *direction* [dim], best first."""
        places = self._index.execute("SELECT coalesce(group_concat(place), '') FROM pictures").fetchone()[0]
        alive = np.zeros(len(self._vectors), bool)
        alive[np.fromstring(places, np.int64, sep=",")] = True
        nearest = self._vectors.nearest(direction, count, alive)
        wanted = json.dumps([place for place, _ in nearest])
        paths = dict(
            self._index.execute(
                "SELECT place, path FROM pictures WHERE place IN (SELECT value FROM json_each(?))", (wanted,)
            )
        )
        return [Found(Path(os.fsdecode(paths[place])), score) for place, score in nearest]

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
            self._vectors.cut(self._rows_of_vectors())
        except (sqlite3.DatabaseError, VectorsUnreadable):
            self._index.close()
            raise

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

    def _rows_of_vectors(self) -> int:
        """Number of vectors up to the last that a row refers to. Raises VectorsUnreadable if one is missing."""
        highest, wrong = self._index.execute(
            "SELECT max(place), total(typeof(path) != 'blob' OR typeof(place) NOT IN ('integer', 'null') OR place < 0)"
            " FROM pictures"
        ).fetchone()
        rows = 0 if highest is None else highest + 1
        if wrong or rows > len(self._vectors):
            raise VectorsUnreadable("The index refers to missing vectors.")
        return int(rows)

    def _is_equal_to(self, lines: Sequence[str]) -> bool:
        """Whether the rows are exactly the files of *lines*. As one text: to read the rows takes three times as long.

        No file name has a zero byte, so that equal texts of equally many rows are equal row by row.
        """
        count, text = self._index.execute(  # in the order of the primary key; another one would only cost time
            "SELECT count(*), CAST(group_concat(path || x'00' || mtime_ns || x'00' || size, x'00') AS BLOB)"
            " FROM pictures"
        ).fetchone()
        return bool(count == len(lines) and (text or b"") == os.fsencode("\0".join(lines)))

    def _read(self) -> dict[str, Row]:
        rows = self._index.execute("SELECT path, mtime_ns, size, place, problem FROM pictures")
        return {os.fsdecode(path): Row(*row) for path, *row in rows}

    def _insert(self, news: Mapping[str, Row]) -> None:
        self._index.executemany(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
            [(os.fsencode(path), *row) for path, row in news.items()],
        )

    def _tidy(self) -> None:
        """Copy the used vectors into a new file and switch the index to it."""
        kept = [(path, row) for path, row in self._read().items() if row.place is not None]
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


def scan(root: Path) -> list[str]:
    """Every image file below *root*, sorted: relative path, mtime in ns and size with zero bytes between them.

    Skips hidden files and linked folders. Raises InvalidRequest for a folder that cannot be read. Paths are text,
    because a hundred thousand Path objects take longer than the search.
    """
    if not root.is_dir():
        raise InvalidRequest(f"{root} is not a folder of pictures.")
    lines: list[str] = []
    _scan(str(root), "", lines)
    return sorted(lines)


def _parsed(lines: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Path → (mtime in ns, size)."""
    return {path: (int(mtime_ns), int(size)) for path, mtime_ns, size in (line.split("\0") for line in lines)}


def _scan(folder: str, prefix: str, lines: list[str]) -> None:
    folders = []
    try:
        with _listed(folder) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                try:
                    if entry.is_dir():
                        if not entry.is_symlink():
                            folders.append(name)
                    elif name.endswith(SUFFIXES) or name.lower().endswith(SUFFIXES):
                        about = entry.stat()
                        lines.append(f"{prefix}{name}\0{about.st_mtime_ns}\0{about.st_size}")
                except OSError:  # deleted in the meantime, or a dangling link
                    continue
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be read: {error.strerror or error}.") from error
    for name in folders:
        _scan(os.path.join(folder, name), f"{prefix}{name}{os.sep}", lines)  # noqa: PTH118 - as text


@contextlib.contextmanager
def _listed(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of *folder*; on POSIX through its descriptor, which saves the kernel the path of each file."""
    if os.scandir not in os.supports_fd:
        with os.scandir(folder) as entries:
            yield entries
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def _slug(key: str) -> str:
    """A readable and unique folder name for *key*."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in key.split(" ")[0])[:40]
    return f"{plain.strip('.') or 'perceptor'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
