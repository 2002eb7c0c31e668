"""A GPU that is not there: its tensors compute on the CPU, and refuse to meet those that were not brought to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("lazy:0")
"""The one kind of device that every PyTorch knows and that needs nothing to be there."""
_MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Far(Tensor):
    """A tensor that says it lies on GPU; `near` has its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> Far:
        far = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, near.shape, near.stride(), near.storage_offset(), dtype=near.dtype, device=GPU
        )
        far.near = near
        return far

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class FarAway(TorchDispatchMode):
    """While it is entered, tensors can be made on GPU and be brought there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What *func* gives on the CPU: on GPU again if anything came from there, unless it is told where to."""
    tensors = list(_tensors((args, tuple(kwargs.values()))))
    far = any(isinstance(tensor, Far) for tensor in tensors)
    if far and func not in _MOVES and any(tensor.ndim and not isinstance(tensor, Far) for tensor in tensors):
        raise RuntimeError(f"{func} of tensors on {GPU} and on the CPU")
    goal = kwargs.get("device")
    if goal is not None:
        far, kwargs = torch.device(goal) == GPU, {**kwargs, "device": torch.device("cpu")}
    near = func(*map(_near, args), **{name: _near(value) for name, value in kwargs.items()})
    return _far(near) if far else near


def _tensors(value: Any) -> Iterator[Tensor]:
    """Those in nested tuples and lists; much faster than PyTorch's trees."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def _near(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_near, value))
    return value.near if isinstance(value, Far) else value


def _far(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_far, value))
    return Far(value) if isinstance(value, Tensor) else value
