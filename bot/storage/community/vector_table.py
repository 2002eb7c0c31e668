"""The vectors of all pictures by one CLIP, memory-mapped: a cache of `picture_index.vector`, rebuilt when damaged.

    <data>/search/<name>.vectors   halves, see `engine.images.vector_file`
    <data>/search/<name>.rows      for every row: picture, server, owner, CRC-32 of the vector

A row is zeroed when its picture is removed. Blocks; call it in a thread, one call at a time.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.storage.files import make_folder
from engine.images.vector_file import HEADER, Floats, Vectors, VectorsUnreadable

FOLDER = "search"
ROW = np.dtype([("picture", "<i8"), ("server", "<i8"), ("owner", "<i8"), ("crc", "<u4"), ("spare", "<u4")])
"""Picture 0: the row is empty; server 0: none."""
WASTE = 0.25
"""Share of empty rows above which the table is rebuilt."""
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A picture and its vector (halves, little-endian)."""

    picture_id: int
    server_id: int | None
    owner: int
    vector: bytes


class VectorTable:
    """The table of the perceptor *key*, whose vectors have *dim* numbers. Raises OSError."""

    def __init__(self, folder: Path, key: str, dim: int) -> None:
        make_folder(folder)
        self.key, self.dim = key, dim
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        self._rows_path = folder / f"{name}.rows"
        for path in folder.glob("*.*"):
            if path.stem != name:  # of another perceptor
                path.unlink()
        vectors = folder / f"{name}.vectors"
        try:
            self._vectors = Vectors(vectors, key, dim)
        except VectorsUnreadable:
            vectors.unlink()
            self._rows_path.unlink(missing_ok=True)
            self._vectors = Vectors(vectors, key, dim)
        self._rows = self._read()
        empty = int((self._rows["picture"] == 0).sum())
        if empty > WASTE * len(self._rows):
            self.clear()

    @property
    def pictures(self) -> Ids:
        """Ids of all pictures in the table."""
        ids: Ids = self._rows["picture"][self._rows["picture"] != 0]
        return ids

    def clear(self) -> None:
        self._vectors.cut(0)
        self._rows = np.zeros(0, ROW)
        self._rows_path.write_bytes(b"")

    def add(self, entries: Sequence[VectorRow]) -> None:
        """Append pictures; those that are in the table already are replaced. Durable when it returns."""
        if not entries:
            return
        self.drop([entry.picture_id for entry in entries])
        halves = np.frombuffer(b"".join(entry.vector for entry in entries), "<f2").reshape(len(entries), self.dim)
        news = np.zeros(len(entries), ROW)
        for row, entry in zip(news, entries, strict=True):
            row["picture"], row["server"], row["owner"] = entry.picture_id, entry.server_id or 0, entry.owner
            row["crc"] = zlib.crc32(entry.vector)
        first = self._vectors.add(halves.astype(np.float32))
        assert first == len(self._rows)
        with self._rows_path.open("ab") as file:
            file.write(news.tobytes())
            file.flush()
            os.fsync(file.fileno())
        self._rows = np.concatenate([self._rows, news])

    def drop(self, picture_ids: Collection[int]) -> None:
        """Overwrite the vectors of these pictures with zeros."""
        places = np.flatnonzero(np.isin(self._rows["picture"], list(picture_ids)) & (self._rows["picture"] != 0))
        self._empty(self._rows, places)

    def nearest(
        self, direction: Floats, count: int, server_id: int | None, owner: int, among: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """(picture, cosine) of the nearest to a unit vector [dim]: of this server or owner, or *among* pictures."""
        if among is None:
            alive = self._rows["owner"] == owner
            if server_id is not None:
                alive |= self._rows["server"] == server_id
        else:
            alive = np.isin(self._rows["picture"], list(among))
        alive &= self._rows["picture"] != 0
        found = self._vectors.nearest(direction, count, alive)
        return [(int(self._rows["picture"][row]), cosine) for row, cosine in found]

    def _empty(self, rows: NDArray[Any], places: Ids) -> None:
        if not len(places):
            return
        rows[places] = np.zeros(1, ROW)
        with self._vectors.path.open("rb+") as vectors, self._rows_path.open("rb+") as file:
            for place in places.tolist():
                vectors.seek(HEADER + place * self.dim * 2)
                vectors.write(bytes(self.dim * 2))
                file.seek(place * ROW.itemsize)
                file.write(bytes(ROW.itemsize))
            for written in (vectors, file):
                written.flush()
                os.fsync(written.fileno())

    def _read(self) -> NDArray[Any]:
        """The rows whose vectors are whole; damaged ones are emptied, so that their pictures are missing."""
        data = self._rows_path.read_bytes() if self._rows_path.exists() else b""
        count = min(len(data) // ROW.itemsize, len(self._vectors))
        rows = np.frombuffer(data[: count * ROW.itemsize], ROW).copy()
        self._vectors.cut(count)
        self._rows_path.write_bytes(rows.tobytes())
        if count:
            halves = np.memmap(self._vectors.path, "<f2", "r", HEADER, (count, self.dim))
            crcs = np.fromiter((zlib.crc32(row.tobytes()) for row in halves), np.uint32, count)
            _, first = np.unique(rows["picture"], return_index=True)
            once = np.zeros(count, bool)
            once[first] = True
            self._empty(rows, np.flatnonzero((rows["picture"] != 0) & ((crcs != rows["crc"]) | ~once)))
        return rows
