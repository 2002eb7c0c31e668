"""Files that are whole or absent, whatever dies: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from bot.errors import StoreError

_TEMPORARY = ".tmp"


async def write_durably(path: Path, data: bytes) -> None:
    """Put *data* at *path*, replacing what is there; on disk when this returns. Raises StoreError."""
    await asyncio.to_thread(_write, path, data)


async def read(path: Path) -> bytes | None:
    """The file's bytes, or None if it is not there."""
    return await asyncio.to_thread(_read, path)


async def remove(path: Path) -> None:
    """Delete the file if it is there. Raises StoreError."""
    try:
        await asyncio.to_thread(path.unlink, missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be deleted: {error.strerror}.") from error


async def sweep_temporaries(folder: Path) -> None:
    """Delete what a crash left half-written anywhere under *folder*."""
    await asyncio.to_thread(_sweep, folder)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        _make_folder(path.parent)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _forget(temporary)
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable; Windows does that by itself and cannot open folders."""
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


def _forget(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return  # the first error is the one to report; the next start sweeps


def _sweep(folder: Path) -> None:
    for left in folder.rglob(f".*{_TEMPORARY}"):
        _forget(left)
