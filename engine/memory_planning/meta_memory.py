"""Counts the memory of a computation on the meta device, where tensors have shapes and no data.

    with LiveBytes() as live:
        step()
    live.peak

A tensor counts from its creation until its last reference is gone, including those of the autograd graph. Temporary
memory within one kernel (a workspace, a copy in another layout) is not counted. Code that reads values (is it finite?
is any weight set?) gets one, or true.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")


class LiveBytes:
    """Counts live bytes on the meta device (or *device*), and their peak, while it is entered.

    Covers one thread. Tensors that existed before are not counted.
    """

    def __init__(self, device: torch.device = META) -> None:
        self._device = device
        self.now = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}
        self._counting = _Counting(self)

    def __enter__(self) -> LiveBytes:
        self._counting.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._counting.__exit__(kind, error, at)  # type: ignore[no-untyped-call]

    def begin(self) -> int:
        """Reset the peak to the live bytes, and return them."""
        self.peak = self.now
        return self.now

    def see(self, tensor: Tensor) -> None:
        """Count a new tensor; tensors that share its storage count once."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if tensor.device.type != self._device.type or key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key).atexit = False

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every tensor that an operation creates, and returns stand-ins for values that do not exist."""

    def __init__(self, live: LiveBytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._live = live

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keeps every call from passing through torch's compiler."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.ops.aten._local_scalar_dense.default and args[0].device == META:
            return torch.ones((), dtype=args[0].dtype).item()
        if func is torch.ops.aten._to_copy.default and args[0].device == META and _elsewhere(given):
            return torch.ones(args[0].shape, dtype=given.get("dtype") or args[0].dtype)
        out = func(*args, **given)
        before = {tensor.untyped_storage()._cdata for tensor in _tensors([*args, *given.values()])}
        for tensor in _tensors([out]):
            if tensor.untyped_storage()._cdata not in before:  # else it is a view, of weights perhaps
                self._live.see(tensor)
        return out


def _elsewhere(given: Mapping[str, Any]) -> bool:
    device = given.get("device")
    return device is not None and torch.device(device) != META


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among *values*, and in lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
