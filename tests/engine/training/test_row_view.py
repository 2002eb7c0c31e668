"""Several arrays read as one."""

import numpy as np
import pytest
import torch

from engine.training.row_view import Rows


@pytest.mark.parametrize("sizes", [(5,), (5, 3), (1, 0, 7)])
def test_rows_are_those_of_the_arrays_one_after_the_other(sizes: tuple[int, ...]) -> None:
    parts = [np.random.default_rng(size).integers(256, size=(size, 2, 2), dtype=np.uint8) for size in sizes]
    whole, rows = torch.from_numpy(np.concatenate(parts)), Rows(*parts)
    some = torch.randint(len(whole), (40,), generator=torch.Generator().manual_seed(0))
    assert len(whole) == len(rows)
    assert torch.equal(whole[some], rows[some])
    assert torch.equal(whole[:0], rows[some[:0]])


def test_a_row_is_read_where_it_lies() -> None:
    part = np.zeros((2, 3), np.uint8)
    rows = Rows(part, part.copy())
    part[1] = 7
    assert [7, 7, 7] == rows[torch.tensor([1])].flatten().tolist()
