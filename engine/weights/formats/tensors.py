"""Reads the tensors of a checkpoint, whatever its format. No code that a file brings along is run.

`read_index` looks into the file, `state_dict` chooses, `read_tensors` reads the chosen tensors into memory once.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.weights.formats.detect import Format, find_format
from engine.weights.formats.index import Group, Stored, row_major
from engine.weights.formats.pytorch_file import index_archive, index_legacy
from engine.weights.formats.safetensors_file import index_safetensors
from engine.weights.formats.state_dict import SelectedTensors, Tensors, choose_fitting
from engine.weights.store.hashed_file import HashedFile

BREAKAGE = (
    *(RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, EOFError),
    *(MemoryError, RecursionError, OverflowError, struct.error),
)
"""Raised by torch and spandrel for files that are cut off or made up."""
MAX_SHARING = 2
"""The tensors that are read may take this many times the bytes of the file, because tied weights share a storage."""
log = logging.getLogger(__name__)


def read_index(opened: HashedFile) -> tuple[Group, ...]:
    """The groups of tensors in the file; at least one. Raises WeightsError in words."""
    match find_format(opened):
        case Format.SAFETENSORS:
            groups = index_safetensors(opened)
        case Format.ARCHIVE:
            groups = index_archive(opened)
        case Format.PICKLE:
            groups = index_legacy(opened)
        case Format.SCRIPT:
            raise WeightsError(
                f"“{opened.path.name}” is a program (TorchScript), and no checkpoint of this kind is one."
            )
    named = tuple(group for group in groups if group.tensors)
    lists = [SelectedTensors(group.path, "", {}) for group in groups if not group.tensors]
    if not named and lists:
        where = f" ({lists[0]})" if lists[0].path else ""
        raise WeightsError(
            f"“{opened.path.name}” holds tensors without names{where}, as torch_ema saves averages. "
            "Copy them into the net (ema.copy_to) and save its state_dict()."
        )
    if not named:
        raise WeightsError(f"“{opened.path.name}” holds no tensors with names.")
    for choice in lists:
        if choice.is_averaged:
            log.warning("%s: %s have no names and are left out", opened.name, choice)
    return named


def read_fitting(
    opened: HashedFile, expected: nn.Module, view: Callable[[Tensors], Tensors] = dict, without: str = ""
) -> tuple[dict[str, Tensor], SelectedTensors]:
    """The tensors that fit the module *expected*, as `choose_fitting` finds them. Raises WeightsError.

    Names with the part *without* are left out.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.state_dict().items()}
    choice, wrong = choose_fitting(_left_out(read_index(opened), without), shapes, view)
    if problem := next((stored.problem for stored in choice.tensors.values() if stored.problem), ""):
        raise WeightsError(f"“{opened.path.name}” holds {problem}; weights are plain tensors.")
    if wrong:
        raise WeightsError(f"“{opened.path.name}” does not hold the net that its flags describe: {wrong}.")
    tensors = read_tensors(opened, choice)
    state = expected.state_dict()
    for name, tensor in tensors.items():
        if name in state and state[name].is_floating_point() and not tensor.is_floating_point():
            raise WeightsError(_quantised(opened, name, tensor))
    if str(choice):
        log.info("%s: read %s", opened.name, choice)
    return tensors, choice


def _left_out(groups: tuple[Group, ...], part: str) -> tuple[Group, ...]:
    if not part:
        return groups
    return tuple(
        Group(group.path, {name: t for name, t in group.tensors.items() if part not in name.split(".")})
        for group in groups
    )


def read_tensors(opened: HashedFile, choice: SelectedTensors) -> dict[str, Tensor]:
    """Name → tensor, on the CPU, in the order of the file. Raises WeightsError for what is not plain or not finite."""
    wanted = choice.tensors
    if problem := next((stored.problem for stored in wanted.values() if stored.problem), ""):
        raise WeightsError(f"“{opened.path.name}” holds {problem}; weights are plain tensors.")
    if sum(stored.bytes for stored in wanted.values()) > MAX_SHARING * opened.size:
        raise WeightsError(f"“{opened.path.name}” is damaged: its tensors claim more than the file holds.")
    tensors = {}
    for name, stored in sorted(wanted.items(), key=lambda item: (item[1].start, item[1].offset)):
        tensors[name] = _read(opened, stored)
        check_finite(opened.path.name, name, tensors[name])
    opened.check_unchanged()
    return tensors


def check_finite(file: str, name: str, tensor: Tensor) -> None:
    """Raises WeightsError for NaN or infinite numbers, without allocating memory of the tensor's size."""
    if not tensor.is_floating_point() or not tensor.numel():
        return
    if tensor.dtype.itemsize == 1:  # torch finds no extremes of eight bits
        tensor = tensor.half()
    low, high = torch.aminmax(tensor)
    if not bool(low.isfinite() & high.isfinite()):
        raise WeightsError(f"“{file}” is damaged: “{name}” holds numbers that are not finite.")


def check_fractions(opened: HashedFile, tensors: Mapping[str, Tensor]) -> None:
    """Raises WeightsError for weights of layers in whole numbers, whose scale is not known."""
    for name, tensor in tensors.items():
        if name.endswith("weight") and tensor.ndim > 1 and not tensor.is_floating_point():
            raise WeightsError(_quantised(opened, name, tensor))


def _quantised(opened: HashedFile, name: str, tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"“{opened.path.name}” is quantised, which is not supported: “{name}” holds {kind} instead of fractions."


def fit(net: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Makes *tensors* the parameters and buffers of *net*, in its own dtypes, without a copy where they agree."""
    expected = net.state_dict()
    net.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}, assign=True)


def _read(opened: HashedFile, stored: Stored) -> Tensor:
    dtype: torch.dtype = getattr(torch, stored.dtype)
    flat = torch.empty(stored.span, dtype=dtype)
    if stored.span:
        opened.file.seek(stored.start + stored.offset * dtype.itemsize)
        _fill(opened, flat)
    if not stored.numel or _is_contiguous(stored):
        return flat.view(stored.shape)
    return flat.as_strided(stored.shape, stored.stride)


def _is_contiguous(stored: Stored) -> bool:
    steps = zip(stored.shape, stored.stride, row_major(stored.shape), strict=True)
    return all(side == 1 or step == usual for side, step, usual in steps)


def _fill(opened: HashedFile, flat: Tensor) -> None:
    view = memoryview(flat.view(torch.uint8).numpy().data)
    done = 0
    while done < len(view):
        count = opened.file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise WeightsError(f"“{opened.path.name}” ends too early.")
        done += count
