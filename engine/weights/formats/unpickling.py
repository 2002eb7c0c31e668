"""`python -m engine.weights.formats.unpickling NAME OUT`: a foreign PyTorch file on stdin becomes safetensors in OUT.

Runs in a process of its own, with nothing in its environment and limits on what it may use (see `convert`). Its
unpickler knows tensors and plain containers; classes of training frameworks become inert objects; anything else ends
it. The status 0 is success; 3 means that the last line on stderr is for the person.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, BinaryIO

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import WeightsError
from engine.weights.formats.state_dict import BREAKAGE, broken, state_dict_of

REFUSED = 3
MEMORY = 4
"""So many times the file's size, and a gigabyte, may be allocated."""

FRAMEWORKS = (
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "omegaconf",
    "argparse",
    "pathlib",
    "typing",
    "yacs",
)
"""Packages whose objects trainers leave in checkpoints: their names mean nothing here."""


class Inert:
    """Stands for an object of a class that is not here: takes everything and does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """As a list would."""

    def extend(self, values: object) -> None:
        """As a list would."""


def _tensors_only() -> dict[tuple[str, str], Any]:
    """Every name that may occur in a file of tensors and plain containers, and what it means."""
    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "defaultdict"): collections.defaultdict,
        ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
        ("torch.nn.parameter", "Parameter"): torch.nn.Parameter,
        ("_codecs", "encode"): Inert,
        ("numpy", "dtype"): Inert,
        ("numpy", "ndarray"): Inert,
    }
    for name in ("scalar", "_reconstruct"):  # best losses and the like
        known["numpy.core.multiarray", name] = known["numpy._core.multiarray", name] = Inert
    for dtype in {value for value in vars(torch).values() if isinstance(value, torch.dtype)}:
        known["torch", str(dtype).removeprefix("torch.")] = dtype
    for plain in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple):
        known["builtins", plain.__name__] = known["__builtin__", plain.__name__] = plain
    return known


KNOWN = _tensors_only()


class TensorsOnly(pickle.Unpickler):
    """An unpickler for which all names but `KNOWN` and those of `FRAMEWORKS` are errors. It never imports anything."""

    def find_class(self, module: str, name: str) -> Any:
        """The one door through which a pickle reaches code; exact names, no dotted paths, no import."""
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module.partition(".")[0] in FRAMEWORKS:
            return Inert
        raise WeightsError(f"it wants to run “{module}.{name}”, which no file of weights needs")


def _load(file: IO[bytes], **kwargs: Any) -> Any:
    return TensorsOnly(file, **kwargs).load()


PICKLE_MODULE: Any = SimpleNamespace(
    __name__="engine.weights.formats.unpickling",
    Unpickler=TensorsOnly,
    load=_load,
    UnpicklingError=pickle.UnpicklingError,
)


class _Unnamed(io.BufferedReader):
    """A file that denies having a descriptor: torch would otherwise try to read it as a tar file first."""

    def fileno(self) -> int:
        """Raises UnsupportedOperation."""
        raise io.UnsupportedOperation("fileno")


def unpickle(file: BinaryIO, name: str) -> dict[str, Tensor]:
    """The tensors of a PyTorch file of any age. Raises WeightsError."""
    try:
        # weights_only would refuse the foreign names; this unpickler is stricter than it in all else.
        loaded = torch.load(file, map_location="cpu", weights_only=False, pickle_module=PICKLE_MODULE)
    except WeightsError as error:
        raise WeightsError(f"“{name}” is not safe to read: {error}.") from error
    except (*BREAKAGE, pickle.UnpicklingError) as error:
        raise broken(name, error) from error
    return state_dict_of(loaded, name)


def limit_resources(size: int) -> None:
    """Where the system can: no more memory, time, disk or open files than converting *size* bytes takes."""
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_CPU: 600, resource.RLIMIT_FSIZE: 2 * size + 2**20, resource.RLIMIT_CORE: 0}
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = now + MEMORY * size + 2**30
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (soft, soft))


def main(arguments: list[str], say: Callable[[str], object] = sys.stderr.write) -> int:
    """Convert; the exit status."""
    name, out = arguments
    torch.set_num_threads(1)
    file = _Unnamed(io.FileIO(0, closefd=False))
    limit_resources(file.seek(0, io.SEEK_END))
    file.seek(0)
    try:
        tensors = unpickle(file, name)
    except WeightsError as error:
        say(f"{error}\n")
        return REFUSED
    save_file({key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()}, out)
    with Path(out).open("rb+") as written:
        os.fsync(written.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
