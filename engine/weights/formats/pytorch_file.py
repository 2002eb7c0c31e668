"""Looks into PyTorch's files without unpickling them here: a child process lists the tensors.

The child runs `pickle_index.py` with no secrets in its environment and small limits on CPU time and memory. The
numbers lie outside of the pickle, uncompressed, so they are read straight from the file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.environment import child_environment
from engine.errors import WeightsError
from engine.weights.formats.index import ITEM_BYTES, Group, Stored, is_honest_shape
from engine.weights.store.hashed_file import HashedFile

SCRIPT = Path(__file__).with_name("pickle_index.py")
CPU_SECONDS = 10
MEMORY = 2**30
WALL_SECONDS = 120
"""For systems without a limit on CPU time."""
REFUSED = 3
LOCAL_HEADER = 30
"""Bytes of a zip record's own header, before its name and its extra field."""
NEEDED = frozenset(["PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "TMPDIR", "LANG", "LD_LIBRARY_PATH"])
"""The child's environment: enough to start Python, not even a proxy, whose address may hold a password."""

Places = Mapping[str, tuple[int, int]]
"""Storage → (first byte in the file, bytes)."""


def index_archive(opened: HashedFile) -> tuple[Group, ...]:
    """The tensors of a zip archive. Raises WeightsError for what is broken, hostile or not from PyTorch."""
    try:
        with zipfile.ZipFile(opened.file) as archive:
            records = archive.infolist()
            folder = records[0].filename.partition("/")[0]
            pickle = archive.read(f"{folder}/data.pkl")
            order = f"{folder}/byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise _refused(opened, "was written by a big-endian machine, which is not supported")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise _refused(opened, f"is a broken PyTorch file: {error}; it may be cut off") from error
    index = _index(opened, "archive", pickle)
    data = f"{folder}/data/"
    places = {
        record.filename.removeprefix(data): (_first_byte(opened, record), record.file_size)
        for record in records
        if record.filename.startswith(data)
    }
    return _groups(index, places)


def index_legacy(opened: HashedFile) -> tuple[Group, ...]:
    """The tensors of a file from before PyTorch 1.6. Raises WeightsError."""
    index = _index(opened, "legacy", None)
    places = {key: (int(start), opened.size - int(start)) for key, (start, _) in index["storages"].items()}
    return _groups(index, places)


def _index(opened: HashedFile, kind: str, pickle: bytes | None) -> Any:
    """What `pickle_index.py` prints."""
    opened.file.seek(0, os.SEEK_END)  # drops what is buffered, because the child moves the shared position
    os.lseek(opened.file.fileno(), 0, os.SEEK_SET)
    command = [sys.executable, "-I", "-S", "-B", str(SCRIPT), kind, str(CPU_SECONDS), str(MEMORY)]
    given: dict[str, Any] = {"stdin": opened.file} if pickle is None else {"input": pickle}
    try:
        done = subprocess.run(  # noqa: S603 - our own script, in our own Python
            command, **given, capture_output=True, env=_environment(os.environ), timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(opened, f"is not safe to read: listing its tensors takes more than {WALL_SECONDS} s") from error
    opened.file.seek(0, os.SEEK_END)
    if done.returncode == REFUSED:
        raise _refused(opened, done.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    if done.returncode:
        raise _refused(
            opened,
            f"is not safe to read: listing its tensors takes more than {CPU_SECONDS} s of CPU "
            f"or {MEMORY >> 20} MiB (the reader ended with the status {done.returncode})",
        )
    return json.loads(done.stdout)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    child = child_environment(environ, device="cpu", threads="1")
    return {name: value for name, value in child.items() if name in NEEDED}


def _first_byte(opened: HashedFile, record: zipfile.ZipInfo) -> int:
    """Where a stored record's bytes begin: its own header may be longer than the one in the directory."""
    opened.file.seek(record.header_offset)
    header = opened.file.read(LOCAL_HEADER)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return record.header_offset + LOCAL_HEADER + name + extra


def _groups(index: Any, places: Places) -> tuple[Group, ...]:
    return tuple(
        Group(tuple(group["path"]), {name: _stored(row, places) for name, row in group["tensors"].items()})
        for group in index["groups"]
    )


def _stored(row: list[Any], places: Places) -> Stored:
    """One row of the child's list, checked against the file."""
    key, dtype, _, offset, size, stride, problem = row
    start, available = places.get(key, (0, -1))
    shape, steps = tuple(size), tuple(stride)
    numbers = (offset, *shape, *steps)
    if problem:
        return Stored(dtype, (), (), 0, problem=problem)
    if not all(type(number) is int and number >= 0 for number in numbers) or len(shape) != len(steps):
        return Stored(dtype, (), (), 0, problem="a tensor with an impossible shape")
    if not is_honest_shape(shape):
        return Stored(dtype, (), (), 0, problem="a tensor with an impossible shape")
    if dtype not in ITEM_BYTES:
        return Stored(dtype, shape, steps, start, problem=f"a {dtype} tensor")
    if any(step == 0 and side > 1 for side, step in zip(shape, steps, strict=True)):
        return Stored(dtype, shape, steps, start, problem="a tensor that repeats its numbers (stride 0)")
    stored = Stored(dtype, shape, steps, start, offset)
    if available < 0 or (offset + stored.span) * ITEM_BYTES[dtype] > available:
        return Stored(dtype, shape, steps, start, problem=f"a tensor of shape {list(shape)} without all of its numbers")
    return stored


def _refused(opened: HashedFile, clause: str) -> WeightsError:
    return WeightsError(f"“{opened.path.name}” {clause.rstrip('.')}.")
