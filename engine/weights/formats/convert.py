"""Foreign pickles (Lightning's .ckpt, files from before PyTorch 1.6) become safetensors, once, in another process.

That process gets the very file that was hashed, no secrets, no network of its own making, and ends with its work; what
it writes is read like any other untrusted file, and its hash is remembered.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from engine.environment import child_environment
from engine.errors import WeightsError
from engine.weights.formats.safetensors_file import read_safetensors
from engine.weights.formats.unpickling import REFUSED
from engine.weights.store.disk_errors import in_words
from engine.weights.store.folder import Folder
from engine.weights.store.hashed_file import Opened, open_hashed
from engine.weights.store.trusted_hashes import Pin

SECONDS = 900
_NEEDED = """
    PATH SYSTEMROOT SYSTEMDRIVE WINDIR TEMP TMP TMPDIR LANG LD_LIBRARY_PATH
    PYTHONPATH PYTHONHOME PYTHONUTF8 VIRTUAL_ENV OMP_NUM_THREADS MKL_NUM_THREADS
"""
NEEDED = frozenset(_NEEDED.split())
"""All of the environment that the converter gets: not even a proxy, whose address may hold a password."""


def converted(opened: Opened, folder: Folder) -> dict[str, Tensor]:
    """The tensors of a foreign file. Raises WeightsError with what it wanted if that was more than tensors."""
    path, key = folder.converted(opened.sha256), f"converted:{opened.sha256}"
    pin = folder.pins.find(key)
    if pin is None or not path.is_file():
        with in_words(f"“{opened.name}” cannot be converted"):
            pin = _convert(opened, path)
        folder.remember(key, pin)
    with open_hashed(path, opened.name) as safe:
        if safe.sha256 != pin.sha256:
            with in_words(f"{path}, a damaged copy, cannot be deleted"):
                path.unlink()
            raise WeightsError(f"The converted copy of “{opened.name}” was damaged and is deleted; load it again.")
        return read_safetensors(safe)


def _convert(opened: Opened, path: Path) -> Pin:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as room:
        fresh = Path(room) / "out.safetensors"
        _run(opened, fresh, Path(room))
        with open_hashed(fresh, opened.name) as made:
            pin = Pin(made.sha256, made.size, str(opened.path))
        fresh.replace(path)
    return pin


def _run(opened: Opened, out: Path, room: Path) -> None:
    opened.file.seek(0)
    command = [sys.executable, "-m", "engine.weights.formats.unpickling", opened.path.name, str(out)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, in our own Python
            command,
            stdin=opened.file,
            capture_output=True,
            cwd=room,
            env=converter_environment(os.environ),
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"“{opened.path.name}” could not be converted within {SECONDS} seconds.") from error
    if done.returncode == REFUSED:
        raise WeightsError(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    if done.returncode or not out.is_file():
        raise WeightsError(
            f"“{opened.path.name}” could not be converted: the converter ended with the status {done.returncode}."
        )


def converter_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What it takes to start Python and torch, and nothing else."""
    child = child_environment(environ, device="cpu", threads="1")
    return {name: value for name, value in child.items() if name in NEEDED}
