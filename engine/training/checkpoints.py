"""Training states to resume from, and finished weights to ship. Both appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.weights.formats.tensors import BREAKAGE

_TORN = ("unexpected pos", "PytorchStreamWriter")
"""What torch's writer of archives says where the system refuses to write; it does not pass the reason on."""
_OS_ERROR = re.compile(r"os error (\d+)")
"""The reason, as safetensors passes it on."""


def save_state(path: Path, state: Mapping[str, object]) -> None:
    """Write tensors and plain values; a crash in between leaves the file that was there."""
    with replacing(path) as unfinished:
        torch.save(dict(state), unfinished.path)


def load_state(path: Path) -> dict[str, object]:
    """Read what `save_state` wrote, tensors and plain values only. Raises WeightsError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise unsuitable(path, f"cannot be read ({error.strerror or error})") from error
    with file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except (*BREAKAGE, OSError, pickle.UnpicklingError) as error:  # it seeks to where a cut file has no bytes
            raise unsuitable(path, "is cut off or damaged") from error
    if not isinstance(state, dict):
        raise unsuitable(path, "is of another kind")
    return state


def unsuitable(path: Path, why: str) -> WeightsError:
    """Return the error for an unusable training state; it names `--anew`."""
    return WeightsError(f"The training state {path} {why}; --anew begins again without it.")


def save_weights(
    path: Path,
    net: nn.Module,
    flags: Mapping[str, object],
    recipe: Mapping[str, object],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write *net* as safetensors, with `flags` (how to build it) and `recipe` (how it was made) as metadata."""
    save_tensors(path, net.state_dict(), flags, recipe, dtype)


def save_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    flags: Mapping[str, object],
    recipe: Mapping[str, object],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write *tensors* like `save_weights`."""
    packed = {name: _packed(tensor, dtype) for name, tensor in tensors.items()}
    metadata = {"flags": json.dumps(dict(flags)), "recipe": json.dumps(dict(recipe))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.path.touch()
        mode = unfinished.path.stat().st_mode
        save_file(packed, unfinished.path, metadata)
        unfinished.path.chmod(mode)  # safetensors leaves a file that only its owner may read


def copy_weights(source: Path, target: Path) -> None:
    """Replace *target* by a copy of *source* atomically; readers of the old file are not disturbed."""
    with replacing(target) as unfinished:
        shutil.copyfile(source, unfinished.path)


def _packed(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return (tensor.to(dtype) if tensor.is_floating_point() else tensor).detach().cpu().contiguous()


class replacing:  # noqa: N801 -- used as a verb
    """A new file beside *path* that takes its name, flushed to disk, when the block succeeds.

    What torch and safetensors raise where the system refuses to write becomes an OSError.
    """

    def __init__(self, path: Path) -> None:
        self.target = path
        self.path = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")

    def __enter__(self) -> replacing:
        return self

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        if error is not None:
            self.path.unlink(missing_ok=True)
            if refused := _refusal(error):
                raise refused from error
            return
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)


def _refusal(error: BaseException) -> OSError | None:
    if isinstance(error, SafetensorError) and (found := _OS_ERROR.search(str(error))):
        return OSError(int(found[1]), os.strerror(int(found[1])))
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _TORN):
        return OSError(errno.ENOSPC, "the disk is full, or a limit on files is reached")
    return None
