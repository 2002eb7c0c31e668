"""Several arrays read as one without a copy: an album of pictures fills gigabytes."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


class Rows:
    """The rows of *parts*, one part after the other: arrays [N, …] that differ in N alone."""

    def __init__(self, *parts: NDArray[Any]) -> None:
        self._parts = [torch.from_numpy(part) for part in parts]
        self._ends = list(accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the rows [M, …] of the indices [M], 0 to len - 1."""
        taken = self._parts[0].new_empty((len(rows), *self._parts[0].shape[1:]))
        for part, end in zip(self._parts, self._ends, strict=True):
            here = (rows >= end - len(part)) & (rows < end)
            taken[here] = part[rows[here] - (end - len(part))]
        return taken
