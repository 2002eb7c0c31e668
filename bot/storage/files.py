"""Files that are whole or absent after a crash: temporary name, fsync, rename, fsync of the folder.

Files and folders are created for this user only (0600 and 0700), whatever the umask is.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bot.errors import StoreError
from bot.retry import in_thread

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
_TEMPORARY = ".tmp"


@contextmanager
def disk_errors(path: Path, action: str) -> Iterator[None]:
    """Turn OSErrors into StoreErrors: ``PATH cannot be ACTION: reason.``"""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{error.filename or path} cannot be {action}: {error.strerror or error}.") from error


def create_file(path: Path) -> IO[bytes]:
    """Open a new file for writing, readable by this user only. Raises FileExistsError and other OSErrors."""
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE_FILE), "wb"
    )


def make_folder(folder: Path) -> None:
    """Create *folder* and its parents; each new one belongs to this user only and is durable. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    with suppress(PermissionError):  # a parent that may be entered but not read
        sync_folder(folder.parent)


def make_private(path: Path) -> None:
    """Take the rights of other users from an existing file or folder; a file of another owner is left alone."""
    with suppress(FileNotFoundError, PermissionError):
        path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable. Windows does that itself and cannot open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_tree(folder: Path, *, deep: bool = True) -> None:
    """Make *folder*'s entries durable; *deep*: everything under it, the files' bytes included."""
    for path in folder.rglob("*") if deep else ():
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


@in_thread
def write_durably(path: Path, data: bytes) -> None:
    """Replace *path* by *data*; on disk when this returns. Raises StoreError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        with disk_errors(path, "written"):
            make_folder(path.parent)
            with create_file(temporary) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    except StoreError:
        with suppress(OSError):  # the first error is the one to report; the next start sweeps
            temporary.unlink(missing_ok=True)
        raise


@in_thread
def read(path: Path | None) -> bytes | None:
    """The file's bytes, or None if it does not exist; of a picture whose file was deleted, *path* is None.

    Raises StoreError.
    """
    if path is None:
        return None
    with disk_errors(path, "read"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


@in_thread
def remove(*paths: Path) -> None:
    """Delete the files that exist. Raises StoreError at the first that cannot be deleted."""
    for path in paths:
        with disk_errors(path, "deleted"):
            path.unlink(missing_ok=True)


@in_thread
def sweep_temporaries(folder: Path) -> None:
    """Delete the half-written files that a crash left anywhere under *folder*. Raises StoreError."""
    with disk_errors(folder, "read"):
        for left in folder.rglob(f".*{_TEMPORARY}"):
            with suppress(OSError):
                left.unlink(missing_ok=True)
