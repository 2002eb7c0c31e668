"""Cells that cover a picture: which pixel belongs to which cell, for squares, hexagons, triangles and knitted stitches.

Cells lie in rows. Rows of hexagons alternate by half a cell, triangles point up and down in turn, and a stitch is a V.
All patterns continue across the left and right edge, so that they tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

LINE = 0.5
"""How much a line between cells darkens."""


@dataclass(frozen=True, slots=True)
class Cells:
    """*columns* and *rows* of squares of that size; a row of triangles has twice as many cells."""

    shape: str
    columns: int
    rows: int

    @property
    def across(self) -> int:
        return 2 * self.columns if self.shape == "triangle" else self.columns

    @property
    def count(self) -> int:
        return self.across * self.rows

    def map(self, side: int) -> Tensor:
        """[rows · side, columns · side], int64: the cell of every pixel, counted row by row."""
        return _map(self, side)

    def lines(self, side: int) -> Tensor:
        """[rows · side, columns · side]: 1 where the pixel to the right or below is of another cell, else 0."""
        cells = self.map(side)
        right, below = torch.roll(cells, -1, 1), torch.roll(cells, -1, 0)
        return ((cells != right) | (cells != below)).float()

    def mirror(self, left_right: bool, up_down: bool) -> Tensor:
        """[count], int64: the cell whose colour each cell shows under these symmetries."""
        row, column = torch.meshgrid(torch.arange(self.rows), torch.arange(self.across), indexing="ij")
        if left_right:
            last = {"square": self.across - 1, "knit": self.across - 1, "triangle": self.across - 2}.get(self.shape)
            other = (self.across - 1 - row % 2 if last is None else last) - column
            column = torch.minimum(column, other % self.across)
        if up_down:
            row = torch.minimum(row, self.rows - 1 - row)
        return (row * self.across + column).flatten()


@lru_cache(maxsize=16)
def _map(cells: Cells, side: int) -> Tensor:
    y, x = torch.meshgrid(
        (torch.arange(cells.rows * side) + 0.5) / side, (torch.arange(cells.columns * side) + 0.5) / side, indexing="ij"
    )
    row, column = {"square": _square, "hex": _hex, "triangle": _triangle, "knit": _knit}[cells.shape](x, y)
    return (row.long() % cells.rows) * cells.across + column.long() % cells.across


def _square(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return y.floor(), x.floor()


def _hex(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre; centres of odd rows are half a cell further right."""
    found = []
    for step in (-1, 0, 1):
        row = y.floor() + step
        shift = (row % 2) / 2
        column = (x - shift).floor()
        gap = (x - column - shift - 0.5) ** 2 + (y - row - 0.5) ** 2
        found.append(torch.stack([gap, row, column]))
    gaps, rows, columns = torch.stack(found, dim=1)
    nearest = gaps.argmin(0, keepdim=True)
    return rows.gather(0, nearest)[0], columns.gather(0, nearest)[0]


def _triangle(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Triangle *j* of a row spans the half bases *j* to *j* + 2; it points up where *j* plus the row is even."""
    row, half = y.floor(), 2 * x
    left = half.floor()
    up = (left + row) % 2 == 0
    inside = torch.where(up, left + 1 - half <= y - row, left + 1 - half <= 1 - (y - row))
    return row, torch.where(inside, left, left - 1)


def _knit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A V: the arms of a stitch rise to the sides by half a cell."""
    return (y + (x - x.floor() - 0.5).abs() - 0.25).floor(), x.floor()
