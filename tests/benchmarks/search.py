"""One query of a folder of 100,000 pictures: its CPU time, and what is gained over numpy's conversion of halves and
BLAS. The vectors have as many numbers as those of the small grader, ViT-B/32 and ViT-L/14.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from engine.images.index import Album
from engine.images.vector_file import CHUNK, HEADER, Floats, Vectors
from tests.benchmarks.measure import Figure, side_by_side

PICTURES = 100_000
DIMS = (128, 512, 768)


FILES = 100_000


def run() -> list[Figure]:
    """Time and ratio for every size, then the wait for a whole folder."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            *(figure for dim in DIMS for figure in compare(Path(folder) / str(dim), dim)),
            search_folder(Path(folder) / "images"),
        ]


def search_folder(root: Path) -> Figure:
    """Open the index of a folder in which nothing is new, compare it with the files, search once."""
    random = np.random.default_rng(0)
    for number in range(FILES):
        path = root / f"{number // 1000:03}" / f"image-{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with Album(root, "benchmark", DIMS[0]) as album:
        album.remember(album.look(), unit(random.standard_normal((FILES, DIMS[0]), dtype=np.float32)))
    aim = unit(random.standard_normal((1, DIMS[0]), dtype=np.float32))[0]

    def once() -> float:
        start = time.process_time()
        with Album(root, "benchmark", DIMS[0]) as album:
            assert [] == album.look()
            album.search(aim, 20)
        return time.process_time() - start

    once()
    return Figure(f"a folder of {FILES:,} files, nothing new", min(once() for _ in range(3)), "CPU s", "≤ 0.5")


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
