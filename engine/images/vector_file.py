"""Unit vectors by row in one file: half precision, memory-mapped, read in chunks.

The file: a header of 512 bytes, one line of JSON padded with blanks, then rows of `dim` float16, little-endian. The
header names the perceptor, so that vectors of different perceptors are never compared. Rows are appended only. The
index is written after its rows; rows without an index entry are cut off.

100,000 vectors of 512 numbers take 100 MB and are searched by one multiplication, which is faster than a tree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import DreamError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

FORM = 1
HEADER = 512
LARGEST_DIM = 8192
CHUNK = 1024
"""Rows; as floats they fit into a processor's cache."""
HALF_TO_SINGLE = 2.0**112
"""Between the biases of the exponents of a half (15) and of a single (127)."""


class VectorsUnreadable(DreamError):
    """The file is no vector file, or holds vectors of another perceptor or size; the message says which."""


class Vectors:
    """The vectors of one perceptor, named by *key*, in the file *path*; they have *dim* numbers.

    Raises VectorsUnreadable for a file of anything else; a file that is absent begins empty.
    """

    def __init__(self, path: Path, key: str, dim: int) -> None:
        self.path, self.dim = path, dim
        self._header = _header(key, dim)
        if path.exists():
            with path.open("rb") as file:
                if file.read(HEADER) != self._header:
                    raise VectorsUnreadable(f"{path} does not hold the vectors of {key}.")

    def __len__(self) -> int:
        """Number of complete rows; an incomplete last row after a power failure does not count."""
        return (self.path.stat().st_size - HEADER) // (self.dim * 2) if self.path.exists() else 0

    def add(self, vectors: Floats) -> int:
        """Append [N, dim] and sync it to disk. Returns the number of the first new row."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim or not np.isfinite(vectors).all():
            raise ValueError(f"{vectors.shape} are not finite vectors of {self.dim} numbers")
        first = len(self)
        self.cut(first)
        with self.path.open("ab") as file:
            file.write(vectors.astype("<f2").tobytes())
            file.flush()
            os.fsync(file.fileno())
        return first

    def cut(self, rows: int) -> None:
        """Keep the first *rows* only."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(self._header)
        os.truncate(self.path, HEADER + rows * self.dim * 2)

    def rows(self, which: NDArray[np.int64]) -> Floats:
        """[N] row numbers → [N, dim]."""
        return self._halves()[which].astype(np.float32)

    def scores(self, direction: Floats) -> Floats:
        """The cosine of every row with the unit vector *direction* [dim] → [rows]."""
        found = np.empty(len(self), np.float32)
        aim = (direction * HALF_TO_SINGLE).astype(np.float32)
        for start, chunk in _chunks(self._halves()):
            # Not BLAS: on a busy machine its spinning threads took 30 times as long as one thread.
            np.einsum("ij,j->i", chunk, aim, out=found[start : start + len(chunk)])
        return found

    def nearest(self, direction: Floats, count: int, alive: Mask | None = None) -> list[tuple[int, float]]:
        """The *count* rows nearest to that direction, the best first: (row, cosine). *alive*: [rows], who may be."""
        scores = self.scores(direction)
        rows = np.arange(len(scores)) if alive is None else np.flatnonzero(alive[: len(scores)])
        if count < len(rows):
            rows = rows[np.argpartition(-scores[rows], count)[:count]]
        best = rows[np.argsort(-scores[rows], kind="stable")]
        return [(int(row), float(scores[row])) for row in best[:count]]

    def _halves(self) -> NDArray[np.float16]:
        if not len(self):
            return np.empty((0, self.dim), np.float16)
        return np.memmap(self.path, "<f2", "r", HEADER, (len(self), self.dim))


def _chunks(halves: NDArray[np.float16]) -> Iterator[tuple[int, Floats]]:
    """(first row, rows as singles divided by 2^112), the latter in a buffer that is used again.

    numpy turns a half into a single four times slower than this: the bits of exponent and fraction move to their new
    place (with the sign copied above them, then cleared), and the different bias of the exponent is a factor.
    """
    buffer = np.empty((CHUNK, halves.shape[1]), np.int32)
    for start in range(0, len(halves), CHUNK):
        part = halves[start : start + CHUNK].view("<i2")
        bits = np.multiply(part, 1 << 13, out=buffer[: len(part)], dtype=np.int32)
        np.bitwise_and(bits, np.int32(-0x70000001), out=bits)
        yield start, bits.view(np.float32)


def _header(key: str, dim: int) -> bytes:
    if not 1 <= dim <= LARGEST_DIM:
        raise ValueError(f"vectors of {dim} numbers are not kept")
    line = json.dumps({"vectors": FORM, "of": key, "dim": dim, "type": "float16"}).encode()
    if len(line) >= HEADER:
        raise ValueError("the key is too long")
    return line.ljust(HEADER - 1) + b"\n"
