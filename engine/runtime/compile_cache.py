"""Where compiled nets are kept between starts. What lies there is code that is run, so it must be this user's alone.

A folder that others could write to, or could have exchanged, is not used: what is compiled then lies in a fresh folder
that is thrown away. So is what a process left that died while it compiled or loaded: it may be broken in a way that
kills the next one too. On Windows nobody checks: the rights of the user's own folders have to do. No torch.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

MOST_BYTES = 4 * 2**30
"""More than this is thrown away at the next start; a large net takes some ten megabytes for each form."""
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
MARK = "under-way-"
"""A file of this name and a process's number says that it compiles or loads just now."""

log = logging.getLogger(__name__)


def open_folder(wanted: Path, environ: MutableMapping[str, str] = os.environ) -> Path:
    """Make torch and Triton keep what they compile in *wanted*, or in a temporary folder where it is not to be trusted.

    Must be called before anything is compiled. Says in the log what is not as it should be.
    """
    folder = wanted.expanduser().absolute()
    if problem := _problem(folder):
        log.warning("What is compiled is not kept: %s", problem)
        folder = Path(tempfile.mkdtemp(prefix="dreambot-compiled-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    elif _died_here(folder):
        log.warning("The engine died while it compiled: what was kept in %s is thrown away.", folder)
        clear(folder)
    elif (size := sum(_sizes(folder))) > MOST_BYTES:
        log.info("What was compiled takes %.1f GB; it is thrown away.", size / 1e9)
        clear(folder)
    environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    environ["TRITON_CACHE_DIR"] = str(folder / "triton")
    return folder


@contextmanager
def under_way(folder: Path) -> Iterator[None]:
    """Around whatever reads or writes *folder*: if the process dies within, the next one throws all of it away."""
    with suppress(OSError):
        _mark(folder).touch()
    try:
        yield
    finally:
        leave(folder)


def leave(folder: Path) -> None:
    """This process ends in good order, whatever is still under way: nothing of what it wrote is broken."""
    with suppress(OSError):
        _mark(folder).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Throw away what lies in it, as far as that is possible."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    return folder / f"{MARK}{os.getpid()}"


def _problem(folder: Path) -> str:
    """Why *folder*, which is made if it is not there, cannot be trusted or used; empty if it can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for place in (folder.resolve(), *folder.resolve().parents):
            if problem := _untrusted(place, own=place == folder.resolve()):
                return problem
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror or error}."
    return ""


def _untrusted(place: Path, *, own: bool) -> str:
    """Above the folder itself, what belongs to root is fine, and so is /tmp, where nobody moves what is not theirs."""
    if not hasattr(os, "getuid"):
        return ""
    seen, me = place.stat(), os.getuid()
    if seen.st_uid not in ({me} if own else {me, 0}):
        return f"{place} belongs to another user."
    shared = seen.st_mode & OTHERS_MAY_WRITE and (own or not seen.st_mode & stat.S_ISVTX)
    return f"others may write to {place}, and what lies there would be run; chmod go-w {place}." if shared else ""


def _died_here(folder: Path) -> bool:
    """Whether a process left its mark and is gone."""
    numbers = [path.name.removeprefix(MARK) for path in folder.glob(f"{MARK}*")]
    return any(not _lives(int(number)) for number in numbers if number.isdecimal())


def _lives(pid: int) -> bool:
    if not hasattr(os, "getuid"):  # on Windows a signal would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sizes(folder: Path) -> Iterator[int]:
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield (Path(root) / name).lstat().st_size
