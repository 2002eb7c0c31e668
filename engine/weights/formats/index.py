"""Where a file holds its tensors: the result of looking into a file, before any number is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
"""The dtypes that can be read."""
MAX_DIMENSIONS = 8
MAX_SIDE = 2**31

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor. All lengths but *start* are in elements."""

    dtype: str
    shape: Shape
    stride: Shape
    start: int
    """First byte of its storage, in the file."""
    offset: int = 0
    """First element, in the storage."""
    problem: str = ""
    """Why it cannot be read, as a noun phrase; empty if it can."""

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """Elements from the first to the last one in the storage; 0 for an empty tensor."""
        if not self.numel:
            return 0
        return 1 + sum((side - 1) * step for side, step in zip(self.shape, self.stride, strict=True))

    @property
    def bytes(self) -> int:
        """Memory that the tensor takes."""
        return max(self.numel, self.span) * ITEM_BYTES.get(self.dtype, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """A mapping from names to tensors, and the keys that lead to it inside the file. Empty: tensors without names."""

    path: tuple[str, ...]
    tensors: Mapping[str, Stored]


def is_honest_shape(shape: Shape) -> bool:
    """Whether torch can build a tensor of *shape* at all: few dimensions, no side or product that overflows."""
    sides = [max(side, 1) for side in shape]
    return len(shape) <= MAX_DIMENSIONS and max(sides, default=1) <= MAX_SIDE and math.prod(sides) < 2**48


def row_major(shape: Shape) -> Shape:
    """The strides of a contiguous tensor."""
    strides, step = [], 1
    for side in reversed(shape):
        strides.append(step)
        step *= max(side, 1)
    return tuple(reversed(strides))
