"""Counts the memory of a computation on the meta device, where tensors have shapes and no data.

    with LiveBytes() as live:
        step()
    live.peak

A tensor counts from its creation until its last reference is gone, including those of the autograd graph. Temporary
memory within one kernel (a workspace, a copy in another layout) is not counted. Code that reads values (is it finite?
is any weight set?) gets one, or true.

Most of torch's meta kernels are written in Python and take 0.2 ms. A network repeats few operations many times, so
what an operation returned is made again, without its kernel, for arguments of equal shapes and values.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from types import NoneType, TracebackType
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")
_MOST_KNOWN = 50_000
"""Operations that are remembered; one dry run has about 500 different ones."""
_VALUES = (bool, int, float, str, NoneType, torch.dtype, torch.device, torch.layout, torch.memory_format)
"""Types of arguments that are remembered by their values."""


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
        is_copy = func is torch.ops.aten._to_copy.default and args[0].device == META
        if is_copy and torch.device(given.get("device") or META) != META:
            return torch.ones(args[0].shape, dtype=given.get("dtype") or args[0].dtype)
        key = _key(func, args, given)
        if key is not None and (make := _known.get(key)):
            out = make(args)
            for tensor in _tensors([out] if out is not args[0] else []):
                self._live.see(tensor)
            return out
        out = func(*args, **given)
        before = {tensor.untyped_storage()._cdata for tensor in _tensors([*args, *given.values()])}
        new = [tensor for tensor in _tensors([out]) if tensor.untyped_storage()._cdata not in before]
        for tensor in new:  # the others are views, of weights perhaps
            self._live.see(tensor)
        if key is not None:
            _remember(key, out, args, new)
        return out


_Make: TypeAlias = Callable[[tuple[Any, ...]], Any]
_known: dict[Hashable, _Make] = {}
"""Operation and arguments as `_key` describes them → makes the output from the arguments."""


def _key(func: Any, args: tuple[Any, ...], given: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The operation and its arguments' shapes and values; None if an argument is something else."""
    if not args or not isinstance(args[0], Tensor | list):
        return None
    try:
        return func, *map(_described, args), *given, *map(_described, given.values())
    except TypeError:
        return None


def _described(value: Any) -> Hashable:
    """Raises TypeError for tensors with data, and for values of other types than _VALUES and lists of them."""
    if isinstance(value, Tensor) and value.is_meta:
        return value.shape, value.stride(), value.dtype
    if isinstance(value, tuple | list):
        return tuple(map(_described, value))
    if isinstance(value, _VALUES):
        return type(value), value
    raise TypeError(type(value).__name__)


def _remember(key: tuple[Any, ...], out: Any, args: tuple[Any, ...], new: list[Tensor]) -> None:
    """Remember how *out* is made, if all its tensors are *new* or it is the first argument, changed in place."""
    func, first, *_ = key
    make: _Make | None = None
    if func._schema.is_mutable:
        make = (lambda args: args[0]) if out is args[0] and _described(out) == first else None
    elif len(new) == sum(1 for _ in _tensors([out])):
        make = _maker(out)
    if make is not None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = make


def _maker(out: Any) -> _Make | None:
    """Makes another output like *out*; None if a tensor of it has data or is a part of a larger storage."""
    if out is None:
        return lambda args: None
    if isinstance(out, tuple | list):
        whole, makers = type(out), [make for value in out if (make := _maker(value))]
        return (lambda args: whole([make(args) for make in makers])) if len(makers) == len(out) else None
    if type(out) is not Tensor or not out.is_meta:
        return None
    like = partial(torch.empty_strided, out.shape, out.stride(), dtype=out.dtype, device=META)
    whole_storage = like().untyped_storage().nbytes() == out.untyped_storage().nbytes()
    return (lambda args: like()) if whole_storage else None


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among *values*, and in lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
