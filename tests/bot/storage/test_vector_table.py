"""The memory-mapped vectors: found again after a reopening, made anew when damaged, erased when their picture goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.storage.community.vector_table import ROW, VectorRow, VectorTable
from engine.images.vector_file import HEADER, Floats

DIM = 16


def unit(seed: int) -> Floats:
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    found: Floats = vector / np.linalg.norm(vector)
    return found


def row(picture: int, server: int | None = 400, owner: int = 11) -> VectorRow:
    return VectorRow(picture, server, owner, unit(picture).astype("<f2").tobytes())


@pytest.fixture
def table(tmp_path: Path) -> VectorTable:
    made = VectorTable(tmp_path / "search", "clip abc", DIM)
    made.add([row(1), row(2, server=500), row(3, server=None, owner=22)])
    made.add([row(4)])
    return made


def reopened(table: VectorTable, key: str = "clip abc") -> VectorTable:
    return VectorTable(table._rows_path.parent, key, DIM)


def ids(table: VectorTable) -> list[int]:
    return [int(one) for one in table.pictures]


def test_the_nearest_of_a_server_and_of_an_owner_are_found_best_first(table: VectorTable) -> None:
    again = reopened(table)

    assert [1, 2, 3, 4] == ids(again)
    assert [1, 4] == sorted(picture for picture, _ in again.nearest(unit(1), 9, 400, 0))
    [(picture, cosine)] = again.nearest(unit(1), 1, 400, 0)
    assert 1 == picture
    assert cosine == pytest.approx(1.0, abs=0.01)
    assert {1, 3, 4} == {picture for picture, _ in again.nearest(unit(1), 9, 400, 22)}
    assert [3] == [picture for picture, _ in again.nearest(unit(1), 9, None, 22)]
    assert [2] == [picture for picture, _ in again.nearest(unit(2), 9, 400, 0, [2, 77])]


def test_a_removed_vector_is_overwritten(table: VectorTable) -> None:
    table.drop([2])

    assert unit(2).astype("<f2").tobytes() not in table._vectors.path.read_bytes()
    assert [1, 3, 4] == ids(table) == ids(reopened(table))
    assert [] == table.nearest(unit(2), 9, 500, 0)


def test_a_picture_that_is_added_again_is_there_once(table: VectorTable) -> None:
    table.add([VectorRow(1, 400, 11, unit(9).astype("<f2").tobytes())])

    assert [2, 3, 4, 1] == ids(reopened(table))
    assert 1 == reopened(table).nearest(unit(9), 1, 400, 0)[0][0]


def test_damage_loses_only_what_it_touches(table: VectorTable) -> None:
    path = table._vectors.path
    table.add([row(5), row(6), row(7), row(8)])
    with path.open("rb+") as file:
        file.seek(HEADER + DIM * 2)  # the second row
        file.write(b"\xff")
    assert [1, 3, 4, 5, 6, 7, 8] == ids(reopened(table))

    with table._rows_path.open("rb+") as file:
        file.truncate(ROW.itemsize * 6 + 5)
    assert [1, 3, 4, 5, 6] == ids(reopened(table))
    path.write_bytes(path.read_bytes()[: HEADER + DIM + 3])
    assert [] == ids(reopened(table))
    path.write_bytes(b"something else")
    again = reopened(table)
    assert [] == ids(again)
    again.add([row(7)])
    assert [7] == ids(reopened(table))


def test_another_perceptor_begins_anew_and_leaves_nothing_of_the_first(table: VectorTable) -> None:
    other = reopened(table, "clip def")

    assert [] == ids(other)
    assert not table._rows_path.exists()


def test_many_empty_rows_are_dropped(table: VectorTable) -> None:
    table.drop([1, 2])

    assert [] == ids(reopened(table))  # the caller adds what the database has
