"""One question to a folder of 100,000 pictures: its CPU time, and what is gained over numpy's conversion of halves and
BLAS. The vectors have as many numbers as those of the small grader, ViT-B/32 and ViT-L/14.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from engine.images.vector_file import CHUNK, HEADER, Floats, Vectors
from tests.benchmarks.measure import Figure, side_by_side

PICTURES = 100_000
DIMS = (128, 512, 768)


def run() -> list[Figure]:
    """Time and ratio for every size."""
    with tempfile.TemporaryDirectory() as folder:
        return [figure for dim in DIMS for figure in compare(Path(folder) / str(dim), dim)]


def compare(path: Path, dim: int) -> list[Figure]:
    """Random unit vectors, asked for their 20 nearest."""
    random = np.random.default_rng(0)
    vectors = Vectors(path, "benchmark", dim)
    for _ in range(PICTURES // 10_000):
        vectors.add(unit(random.standard_normal((10_000, dim), dtype=np.float32)))
    aim = unit(random.standard_normal((1, dim), dtype=np.float32))[0]
    pair = side_by_side(lambda: plain(vectors, aim), lambda: vectors.nearest(aim, 20))
    what = f"{PICTURES:,} pictures, {dim} numbers each"
    return [
        Figure(what, pair.after * 1000, "ms", "well under 100"),
        Figure(f"{what}, faster than by numpy's conversion and BLAS", pair.ratio, "×", "> 1"),
    ]


def plain(vectors: Vectors, aim: Floats) -> Floats:
    """Every cosine by numpy's own conversion, in the same chunks."""
    halves = np.memmap(vectors.path, "<f2", "r", HEADER, (len(vectors), vectors.dim))
    return np.concatenate([halves[i : i + CHUNK].astype(np.float32) @ aim for i in range(0, len(halves), CHUNK)])


def unit(rows: Floats) -> Floats:
    """Each row at length 1."""
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found
