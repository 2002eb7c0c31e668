"""Looks into safetensors files (github.com/huggingface/safetensors) without reading their numbers.

The format: eight bytes with the header's length, a JSON header with dtype, shape and place of every tensor, then the
bytes. Every number of the header is checked against the file before anything is allocated.
"""

from __future__ import annotations

import json
import math
from typing import Any

from engine.errors import WeightsError
from engine.weights.formats.index import ITEM_BYTES, Group, Stored, is_honest_shape, row_major
from engine.weights.store.hashed_file import HashedFile

MAX_HEADER = 8 * 2**20
MAX_TENSORS = 20_000
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
OTHERS = frozenset(("U16", "U32", "U64", "C64", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4"))
"""The other dtypes of the format. A file may have them where they are not read."""

_Place = tuple[str, tuple[int, ...], int, int]
"""dtype, shape, first byte and end, counted from the end of the header."""


def index_safetensors(opened: HashedFile) -> tuple[Group, ...]:
    """The tensors of the file, as one group. Raises WeightsError for a header that does not describe this very file."""
    places, start = _read_header(opened)
    tensors = {
        name: Stored(
            dtype, shape, row_major(shape), start + begin, problem="" if dtype in ITEM_BYTES else f"a {dtype} tensor"
        )
        for name, (dtype, shape, begin, _) in places.items()
    }
    return (Group((), tensors),)


def header_length(first: bytes, size: int) -> int | None:
    """The length that the first bytes of a file of *size* bytes claim; None if these are no safetensors at all."""
    return int.from_bytes(first[:8], "little") if size > 8 and first[8:9] == b"{" else None


def _read_header(opened: HashedFile) -> tuple[dict[str, _Place], int]:
    """Name → place, and the byte at which the numbers start."""
    opened.file.seek(0)
    length = int.from_bytes(opened.file.read(8), "little")
    if length > min(MAX_HEADER, opened.size - 8):
        raise _broken(opened, f"its header claims {length:,} bytes, and the whole file has {opened.size:,}")
    try:
        header = json.loads(opened.file.read(length))
        header.pop("__metadata__", None)
        if len(header) > MAX_TENSORS:
            raise _broken(opened, f"it claims {len(header):,} tensors; {MAX_TENSORS:,} is the most")
        places = {name: _place(raw) for name, raw in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(opened, f"its header cannot be understood ({type(error).__name__}: {error})") from error
    _check(opened, places, opened.size - 8 - length)
    return places, 8 + length


def _place(raw: dict[str, Any]) -> _Place:
    shape = tuple(raw["shape"])
    begin, end = raw["data_offsets"]
    numbers = (*shape, begin, end)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"{numbers} are not all whole numbers from 0 on")
    dtype = raw["dtype"]
    return dtype if dtype in OTHERS else DTYPES[dtype], shape, begin, end


def _check(opened: HashedFile, places: dict[str, _Place], size: int) -> None:
    """The tensors cover the bytes once, in some order, without holes."""
    expected = 0
    for name, (dtype, shape, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        needed = math.prod(shape) * ITEM_BYTES[dtype] if dtype in ITEM_BYTES else end - begin
        if end - begin != needed:
            raise _broken(opened, f"“{name}” of shape {list(shape)} needs {needed:,} bytes, not {end - begin:,}")
        if not is_honest_shape(shape):
            raise _broken(opened, f"“{name}” has an impossible shape, {list(shape)}")
        if begin != expected:
            raise _broken(opened, f"“{name}” begins at byte {begin:,}, not at {expected:,}")
        expected = end
    if expected != size:
        raise _broken(opened, f"its tensors need {expected:,} bytes, and it has {size:,}; it may be cut off")


def _broken(opened: HashedFile, why: str) -> WeightsError:
    return WeightsError(f"“{opened.path.name}” is a broken safetensors file: {why}.")
