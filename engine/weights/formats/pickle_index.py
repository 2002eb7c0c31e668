"""Lists the tensors of a PyTorch pickle: `python -I -S pickle_index.py archive|legacy SECONDS BYTES < pickle > JSON`.

`pytorch_file` runs this file in a child process with limits on CPU time and memory. It uses the standard library only.
Its unpickler knows tensors and plain containers. Objects of training frameworks become inert; any other name ends it.
Numbers of tensors are never read: a tensor is a reference to a storage.

Exit status 0: stdout holds the list. Status 3: the last line of stderr is a sentence for people.
"""

from __future__ import annotations

import collections
import json
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO, NamedTuple

REFUSED = 3
MAX_TENSORS = 50_000
MAX_NAME = 500
MAX_DEPTH = 64
BREAKAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, OSError, RecursionError),
    *(RuntimeError, TypeError, ValueError, pickle.UnpicklingError),
)
"""Raised by the opcodes of a pickle that is cut off or made up."""
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
FRAMEWORKS = frozenset(
    (
        *("pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "argparse", "pathlib", "typing", "yacs"),
        *("datetime", "decimal", "fractions", "uuid", "easydict", "addict", "ml_collections", "mmengine", "mmcv"),
        *("diffusers", "transformers", "accelerate", "basicsr", "timm", "hydra"),
    )
)
"""Packages whose objects trainers leave in checkpoints; none is imported."""
ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "complex64": 8,
    "complex128": 16,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "qint32": 4,
    "qint8": 1,
    "quint8": 1,
}
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt32Storage": "qint32",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
}
UNSUPPORTED = {
    "_rebuild_meta_tensor_no_storage": "a meta tensor, which has no numbers",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_wrapper_subclass": "a tensor of a foreign class",
}


class UnsafePickle(Exception):
    """The text is a clause that follows the file's name."""


class Name(NamedTuple):
    """A dtype, or a class of storages by its dtype."""

    dtype: str


class Storage(NamedTuple):
    """*length* elements of *dtype*, from element *offset* of the storage *key* on."""

    key: str
    dtype: str
    length: int
    offset: int
    location: str


class Tensor(NamedTuple):
    """A view of a storage; *problem* is a noun phrase if it cannot be read."""

    key: str = ""
    dtype: str = ""
    length: int = 0
    offset: int = 0
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    problem: str = ""


class Inert:
    """Stands for an object of an unknown class."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass


def _tensor(storage: Storage, offset: int, size: Any, stride: Any, *rest: object) -> Tensor:
    problem = "a meta tensor, which has no numbers" if storage.location == "meta" else ""
    return Tensor(
        storage.key, storage.dtype, storage.length, storage.offset + offset, tuple(size), tuple(stride), problem
    )


def _typed_tensor(
    storage: Storage, offset: int, size: Any, stride: Any, grad: object, hooks: object, dtype: Name, *rest: object
) -> Tensor:
    """Of an untyped storage, whose elements are bytes; *offset* counts elements of *dtype*."""
    length = storage.length // ITEM_BYTES.get(dtype.dtype, 1)
    return _tensor(storage._replace(dtype=dtype.dtype, length=length), offset, size, stride)


def _parameter(data: object = None, *rest: object) -> object:
    return data


def _unsupported(problem: str) -> Callable[..., Tensor]:
    return lambda *args, **kwargs: Tensor(problem=problem)


def _known_names() -> dict[tuple[str, str], Any]:
    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "defaultdict"): collections.defaultdict,
        ("collections", "Counter"): Inert,
        ("collections", "deque"): Inert,
        ("types", "SimpleNamespace"): Inert,
        ("torch.torch_version", "TorchVersion"): Inert,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch.nn.parameter", "Parameter"): _parameter,
        ("torch", "Size"): tuple,
        ("torch", "device"): Inert,
        ("torch.serialization", "_get_layout"): Inert,
        ("torch", "per_tensor_affine"): Inert,
        ("torch", "per_channel_affine"): Inert,
        ("_codecs", "encode"): Inert,
        ("numpy", "dtype"): Inert,
        ("numpy", "ndarray"): Inert,
    }
    for name in ("scalar", "_reconstruct"):
        known["numpy.core.multiarray", name] = known["numpy._core.multiarray", name] = Inert
    for name, dtype in STORAGES.items():
        known["torch", name] = known["torch.storage", name] = Name(dtype)
    known |= {("torch", dtype): Name(dtype) for dtype in ITEM_BYTES}
    known |= {("torch._utils", name): _unsupported(problem) for name, problem in UNSUPPORTED.items()}
    for plain in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple):
        known["builtins", plain.__name__] = known["__builtin__", plain.__name__] = plain
    return known


KNOWN = _known_names()


class TensorsOnly(pickle.Unpickler):
    """An unpickler that imports nothing: every name outside `KNOWN` and `FRAMEWORKS` raises Refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module.partition(".")[0] in FRAMEWORKS:
            return Inert
        raise UnsafePickle(
            f"is not safe to read: it wants to run “{module}.{name}”, which no file of weights needs. "
            "Save the net's state_dict() alone"
        )

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.dtypes: dict[str, str] = {}

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage_type, key, location, count, *view = pid
        if kind != "storage" or not isinstance(storage_type, Name):
            raise ValueError("an unknown persistent id")
        offset = int(view[0][1]) if view and view[0] else 0
        self.dtypes[str(key)] = storage_type.dtype
        return Storage(str(key), storage_type.dtype, int(count), offset, str(location))


def read_archive(file: IO[bytes]) -> dict[str, object]:
    """The index of an archive's `data.pkl`."""
    return {"groups": list(find_groups(TensorsOnly(file).load())), "storages": {}}


def read_legacy(file: BinaryIO) -> dict[str, object]:
    """The index of a file from before PyTorch 1.6: pickles, then each storage as a length and its bytes."""
    magic, version = TensorsOnly(file).load(), TensorsOnly(file).load()
    if magic != LEGACY_MAGIC or version != 1001:
        raise UnsafePickle("is a broken PyTorch file: it does not begin as PyTorch writes it")
    TensorsOnly(file).load()  # of the system that wrote it
    unpickler = TensorsOnly(file)
    groups = list(find_groups(unpickler.load()))
    storages: dict[str, list[int]] = {}
    for key in map(str, TensorsOnly(file).load()):
        count = int.from_bytes(file.read(8), "little")
        storages[key] = [file.tell(), count]
        file.seek(count * ITEM_BYTES[unpickler.dtypes[key]], 1)
    return {"groups": groups, "storages": storages}


def find_groups(root: object) -> Iterator[dict[str, Any]]:
    """Every mapping from names to tensors, at any depth, with the path to it; a list of tensors as an empty mapping.

    Raises UnsafePickle beyond the limits.
    """
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), root)]
    total = 0
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen or len(path) > MAX_DEPTH:
            continue
        seen.add(id(value))
        items = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        tensors = {name: item for name, item in items if isinstance(name, str) and isinstance(item, Tensor)}
        total += len(tensors)
        if total > MAX_TENSORS or any(len(name) > MAX_NAME for name in tensors):
            raise UnsafePickle(f"holds more than {MAX_TENSORS:,} tensors, or names of more than {MAX_NAME} letters")
        nameless = not isinstance(value, Mapping) and any(isinstance(item, Tensor) for _, item in items)
        if tensors or nameless:
            yield {"path": path, "tensors": tensors}
        inner = [(name, i) for name, i in items if isinstance(i, (Mapping, list, tuple)) and not isinstance(i, Tensor)]
        waiting += [((*path, str(name)[:80]), item) for name, item in reversed(inner)]


def limit_resources(seconds: int, memory: int) -> None:
    """Where the system has limits: CPU seconds, bytes of memory, no core file."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (soft, soft))


def main(arguments: list[str]) -> int:
    """Index the pickle on stdin; returns the exit status."""
    kind, seconds, memory = arguments[0], int(arguments[1]), int(arguments[2])
    limit_resources(seconds, memory)
    file: Any = sys.stdin.buffer
    try:
        index = read_legacy(file) if kind == "legacy" else read_archive(file)
        text = json.dumps(index)
    except UnsafePickle as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except MemoryError:
        sys.stderr.write("is not safe to read: listing its tensors takes too much memory\n")
        return REFUSED
    except BREAKAGE as error:
        words = (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
        sys.stderr.write(f"is a broken PyTorch file: {words.rstrip('.')}\n")
        return REFUSED
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
