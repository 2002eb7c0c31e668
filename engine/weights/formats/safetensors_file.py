"""Safetensors read from an open file, straight into the tensors: never more than once in memory.

The format (github.com/huggingface/safetensors): eight bytes with the header's length, a JSON header that says dtype,
shape and place of every tensor, then the bytes. Every number in the header is checked before anything is allocated.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.weights.store.hashed_file import Opened

LONGEST_HEADER = 100 * 2**20
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class _Place:
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors(opened: Opened) -> dict[str, Tensor]:
    """All tensors by name. Raises WeightsError for a header that does not describe this very file."""
    places, start = _read_header(opened)
    tensors = {}
    for name, place in sorted(places.items(), key=lambda item: item[1].begin):
        tensor = torch.empty(place.shape, dtype=place.dtype)
        if place.end > place.begin:
            opened.file.seek(start + place.begin)
            _read_into(opened, tensor)
        tensors[name] = tensor
    return tensors


def header_length(first: bytes, size: int) -> int | None:
    """The length that the first bytes of a file of *size* bytes claim; None if these are no safetensors at all."""
    return int.from_bytes(first[:8], "little") if size > 8 and first[8:9] == b"{" else None


def _read_header(opened: Opened) -> tuple[dict[str, _Place], int]:
    """Where every tensor is, and where the bytes start."""
    opened.file.seek(0)
    length = int.from_bytes(opened.file.read(8), "little")
    if length > min(LONGEST_HEADER, opened.size - 8):
        raise _broken(opened, f"its header claims {length:,} bytes, and the whole file has {opened.size:,}")
    try:
        header = json.loads(opened.file.read(length))
        header.pop("__metadata__", None)
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
    return _Place(DTYPES[raw["dtype"]], shape, begin, end)


def _check(opened: Opened, places: dict[str, _Place], size: int) -> None:
    """The tensors cover the bytes once, in some order, without holes."""
    expected = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        needed = math.prod(place.shape) * place.dtype.itemsize
        if place.end - place.begin != needed:
            raise _broken(
                opened, f"“{name}” of shape {list(place.shape)} needs {needed:,} bytes, not {place.end - place.begin:,}"
            )
        if place.begin != expected:
            raise _broken(opened, f"“{name}” begins at byte {place.begin:,}, not at {expected:,}")
        expected = place.end
    if expected != size:
        raise _broken(opened, f"its tensors need {expected:,} bytes, and it has {size:,}; it may be cut off")


def _read_into(opened: Opened, tensor: Tensor) -> None:
    view = memoryview(tensor.view(-1).view(torch.uint8).numpy().data)
    done = 0
    while done < len(view):
        count = opened.file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise _broken(opened, "it ends too early")
        done += count


def _broken(opened: Opened, why: str) -> WeightsError:
    return WeightsError(f"“{opened.path.name}” is a broken safetensors file: {why}.")
