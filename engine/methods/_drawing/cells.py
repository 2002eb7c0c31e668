"""Cells that cover a picture (squares, hexagons, triangles, knitted stitches), and their colours out of a palette.

Cells lie in rows. Rows of hexagons alternate by half a cell, triangles point up and down in turn, and a stitch is a V.
All patterns continue across the left and right edge, so that they tile. The gradient passes a choice of colours as if
there were none (straight-through, Bengio et al. 2013), and reaches the chosen colour of the palette as well, as in a
VQ-VAE (van den Oord et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from engine.guidance.warps import LUMA

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


STEP, SHARPNESS, DARKEST = 0.2, 40.0, 0.25
"""Difference of brightness at which a contour begins, its sharpness, and the brightness that is left."""
THRESHOLDS = {
    "checker": ((0, 1), (1, 0)),
    "bayer": ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5)),
}


def quantised(colours: Tensor, palette: Tensor, pattern: Tensor | None) -> Tensor:
    """Colours [N, C, 3] → the nearest of *palette* [N, K, 3], all in [0, 1]; *pattern*: [C] in [-0.5, 0.5], dithers."""
    aimed = colours.detach()
    if pattern is not None:
        aimed = aimed + _spread(palette)[:, None, None] * pattern[None, :, None]
    nearest = torch.cdist(aimed, palette.detach()).argmin(2)
    chosen = palette.gather(1, nearest[..., None].expand(-1, -1, 3))
    return chosen + (colours - colours.detach()) if torch.is_grad_enabled() else chosen


def dither_pattern(kind: str, rows: int, columns: int) -> Tensor | None:
    """[rows · columns] in [-0.5, 0.5]; None for ``none``."""
    if kind == "none":
        return None
    levels = torch.tensor(THRESHOLDS[kind], dtype=torch.float32)
    levels = (levels + 0.5) / levels.numel() - 0.5 if kind == "bayer" else levels / 2 - 0.25
    side = len(levels)
    return levels[torch.arange(rows) % side][:, torch.arange(columns) % side].flatten()


def contoured(colours: Tensor, rows: int, columns: int) -> Tensor:
    """Colours [N, rows · columns, 3] in [0, 1], dark where one of the four neighbours is clearly brighter."""
    luma = (colours * colours.new_tensor(LUMA)).sum(2).reshape(-1, rows, columns)
    framed = F.pad(luma[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    beside = framed[:, 1:-1, :-2], framed[:, 1:-1, 2:], framed[:, :-2, 1:-1], framed[:, 2:, 1:-1]
    brighter = torch.stack(beside).amax(0)
    edge = torch.sigmoid((brighter - luma - STEP) * SHARPNESS).flatten(1)[..., None]
    return colours * (1 - (1 - DARKEST) * edge)


def palette_of(image: Image.Image, count: int) -> Tensor:
    """The *count* most useful colours of an image, by median cut: [count, 3] in [0, 1]."""
    small = image.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    levels = small.quantize(count, Image.Quantize.MEDIANCUT, kmeans=2).getpalette() or []
    colours = torch.tensor(levels[: 3 * count], dtype=torch.float32).reshape(-1, 3) / 255
    return torch.cat([colours, colours[-1:].expand(count - len(colours), 3)])


def spread_palette(draws: Tensor) -> Tensor:
    """Far apart colours: [L, 3] candidates in [0, 1] → [L // 16, 3]; each is the farthest from those before it."""
    chosen = [torch.zeros(3), torch.ones(3)]
    while len(chosen) < len(draws) // 16:
        gaps = torch.cdist(draws, torch.stack(chosen)).amin(1)
        chosen.append(draws[gaps.argmax()])
    return torch.stack(chosen)


def _spread(palette: Tensor) -> Tensor:
    """[N, K, 3] → [N]: the mean distance of each colour from the nearest other one, per channel."""
    gaps = torch.cdist(palette.detach(), palette.detach())
    gaps = gaps + 9 * torch.eye(gaps.shape[1]).to(gaps)
    return gaps.amin(2).mean(1) / 3**0.5
