"""Finding the tensors in what a checkpoint file unfolds to: trainers wrap them in various ways."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from torch import Tensor

from engine.errors import WeightsError

BREAKAGE = (
    *(RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, EOFError),
    *(MemoryError, RecursionError, OverflowError, struct.error),
)
"""What torch and pickle raise for files that are cut off or made up."""
WRAPPERS = ("params_ema", "model_ema", "ema", "state_dict", "params", "model")
"""Names under which trainers keep the weights, the smoothed ones first."""
DEPTH = 3


def state_dict_of(loaded: object, name: str) -> dict[str, Tensor]:
    """Name → tensor; a prefix that all names share because of data-parallel training goes. Raises WeightsError."""
    for _ in range(DEPTH):
        if not isinstance(loaded, Mapping):
            break
        tensors = {key: value for key, value in loaded.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if tensors:
            return _without_prefix(tensors)
        loaded = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), None)
    raise WeightsError(f"“{name}” holds no tensors with names.")


def broken(name: str, error: BaseException) -> WeightsError:
    """The sentence for a file that could not be read because of *error*."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return WeightsError(f"“{name}” is a broken PyTorch file: {first.rstrip('.')}.")


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors
