"""Vectors by row in one file: what goes in comes out, what is nearest is found, what is foreign is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.images.vector_file import HEADER, Floats, Vectors, VectorsUnreadable


def unit(count: int, dim: int = 16, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


@pytest.fixture
def vectors(tmp_path: Path) -> Vectors:
    return Vectors(tmp_path / "vectors", "an eye", 16)


def test_an_absent_file_is_empty_and_finds_nothing(vectors: Vectors) -> None:
    assert 0 == len(vectors)
    assert [] == vectors.nearest(unit(1)[0], 5)


def test_rows_are_counted_on_and_outlive_the_object(vectors: Vectors) -> None:
    assert (0, 5) == (vectors.add(unit(5)), vectors.add(unit(7, seed=1)))

    again = Vectors(vectors.path, "an eye", 16)

    assert 12 == len(again)
    np.testing.assert_allclose(unit(7, seed=1), again.rows(np.arange(5, 12)), atol=3e-4)


@pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 3000])
def test_scores_are_the_products_that_numpy_finds(vectors: Vectors, count: int) -> None:
    vectors.add(unit(count))
    aim = unit(1, seed=9)[0]

    expected = vectors.rows(np.arange(count)) @ aim

    np.testing.assert_allclose(expected, vectors.scores(aim), atol=1e-6)


def test_every_half_becomes_the_single_that_it_is(tmp_path: Path) -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].astype(np.float32)[:, None]
    vectors = Vectors(tmp_path / "v", "x", 1)
    vectors.add(finite)

    assert np.array_equal(finite[:, 0], vectors.scores(np.ones(1, np.float32)))


def test_the_nearest_come_first_and_only_those_who_may_be_found(vectors: Vectors) -> None:
    rows = unit(50)
    vectors.add(rows)
    aim = rows[30]
    alive = np.ones(50, bool)
    alive[30] = False

    order = np.argsort(-(vectors.rows(np.arange(50)) @ aim))

    assert order[:5].tolist() == [row for row, _ in vectors.nearest(aim, 5)]
    assert order[1:6].tolist() == [row for row, _ in vectors.nearest(aim, 5, alive)]
    assert 49 == len(vectors.nearest(aim, 100, alive))
    assert 1 == pytest.approx(vectors.nearest(aim, 1)[0][1], abs=1e-3)


def test_half_a_row_that_a_power_cut_left_is_no_row(vectors: Vectors) -> None:
    vectors.add(unit(3))
    with vectors.path.open("ab") as file:
        file.write(b"\x00" * 7)

    assert 3 == len(vectors)
    assert 3 == vectors.add(unit(1, seed=5))
    np.testing.assert_allclose(unit(1, seed=5), vectors.rows(np.array([3])), atol=3e-4)


@pytest.mark.parametrize(("key", "dim"), [("another eye", 16), ("an eye", 8)])
def test_vectors_of_another_perceptor_are_not_taken_for_ours(vectors: Vectors, key: str, dim: int) -> None:
    vectors.add(unit(3))

    with pytest.raises(VectorsUnreadable, match=f"does not hold the vectors of {key}"):
        Vectors(vectors.path, key, dim)


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff" * HEADER, b" " * 2000])
def test_junk_is_refused(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "v").write_bytes(junk)

    with pytest.raises(VectorsUnreadable):
        Vectors(tmp_path / "v", "an eye", 16)


def test_what_is_not_finite_never_gets_in(vectors: Vectors) -> None:
    for bad in (np.full((1, 16), np.nan, np.float32), np.zeros((1, 15), np.float32), np.zeros(16, np.float32)):
        with pytest.raises(ValueError, match="not finite vectors of 16"):
            vectors.add(bad)

    assert 0 == len(vectors)
