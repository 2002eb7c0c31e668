"""`python -m bot backup FILE`: a copy of everything that matters, of one moment, also while the bot runs.

SQLite's online backup copies the database while the bot runs. Pictures are on disk before their rows exist, so
that every picture the copy names can be there; one that retention deletes in between counts as no longer kept.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.errors import StoreError
from bot.operations.backup_format import FORMAT, MANIFEST, Manifest, backup_errors, check_archive, check_database
from bot.storage import DATABASE
from bot.storage.database_file import open_read_only
from bot.storage.files import create_file, sync_folder
from bot.text import count

_MAGIC_AT, _MAGIC = 257, b"ustar"
"""What every tar file has, and where."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of the data folder that goes into the backup."""

    name: str
    """Relative to the data folder."""
    sha256: str
    final: bool
    """Whether its bytes can no longer change, so that they must match the hash in the database."""


def make_backup(folder: Path, target: Path) -> str:
    """Write *target*, whole or not at all, and verify it; returns a sentence about it. Raises StoreError."""
    if not (folder / DATABASE).is_file():
        raise StoreError(f"There is nothing to back up: {folder} has no {DATABASE}.")
    if target.is_dir():
        raise StoreError(f"{target} is a folder; name a file, as in {target / 'bot.tar'}.")
    if not target.absolute().parent.is_dir():
        raise StoreError(f"The folder {target.absolute().parent} does not exist; create it first.")
    _check_replaceable(target)
    target = target.resolve() if target.is_symlink() else target
    with backup_errors(target), tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as spare:
        copy, fresh = Path(spare, DATABASE), Path(spare, "backup.tar")
        copy_database(folder / DATABASE, copy)
        schema = check_database(copy)
        with create_file(fresh) as file:
            damaged = _write(file, folder, copy, schema)
            file.flush()
            os.fsync(file.fileno())
        manifest = check_archive(fresh)
        fresh.replace(target)
        sync_folder(target.absolute().parent)
    return _summary(target, manifest, damaged)


def _check_replaceable(target: Path) -> None:
    """Raise StoreError for an existing file that is no archive, such as the database itself, or no file at all."""
    with backup_errors(target):
        if target.exists() and not target.is_file():
            raise StoreError(f"{target} is not a file; name one, as in bot.tar.")
        if target.exists() and target.stat().st_size:
            with target.open("rb") as file:
                if file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] != _MAGIC:
                    raise StoreError(f"{target} exists and is not a backup, so it is not replaced. Name a new file.")


def copy_database(source: Path, target: Path) -> None:
    """Copy one moment of *source* into a single file, without interaction tokens."""
    with closing(open_read_only(source)) as original, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("DELETE FROM interactions")
        copy.execute("VACUUM")


def _write(file: IO[bytes], folder: Path, copy: Path, schema: int) -> int:
    """Write the archive; returns the number of pictures that are damaged on the disk."""
    hashes: dict[str, str] = {}
    damaged, now = 0, time.time()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for kept in _kept(copy):
            try:
                data = (folder / kept.name).read_bytes()
            except FileNotFoundError:
                _forget(copy, kept.name)
                continue
            hashes[kept.name] = _add(archive, kept.name, data, now)
            damaged += kept.final and hashes[kept.name] != kept.sha256
        hashes[DATABASE] = _add(archive, DATABASE, copy.read_bytes(), now)
        manifest = Manifest(format=FORMAT, made_at=now, schema_number=schema, files=hashes)
        _add(archive, MANIFEST, manifest.model_dump_json(indent=1).encode(), now)
    return damaged


def _kept(copy: Path) -> Iterator[BackupFile]:
    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute(
            "SELECT path, sha256, state = 'done' FROM pictures JOIN jobs ON jobs.id = job_id"
            " WHERE path IS NOT NULL ORDER BY path"
        ).fetchall()
        inputs = connection.execute("SELECT sha256 FROM inputs ORDER BY sha256").fetchall()
    yield from (BackupFile(path, sha256, bool(final)) for path, sha256, final in rows)
    yield from (BackupFile(f"inputs/{sha256}", sha256, True) for (sha256,) in inputs)


def _forget(copy: Path, name: str) -> None:
    """Clear the path of a file that was deleted since the database was copied."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE pictures SET path = NULL WHERE path = ?", (name,))


def _add(archive: tarfile.TarFile, name: str, data: bytes, now: float) -> str:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(now), 0o600
    archive.addfile(member, io.BytesIO(data))
    return hashlib.sha256(data).hexdigest()


def _summary(target: Path, manifest: Manifest, damaged: int) -> str:
    text = (
        f"{target}: the database and {count(manifest.count('pictures'), 'picture', 'pictures')}, "
        f"{target.stat().st_size / 1e6:.1f} MB, verified."
    )
    if not damaged:
        return text
    verb = "was" if damaged == 1 else "were"
    return f"{text} {count(damaged, 'picture', 'pictures')} {verb} already damaged on the disk; check that disk."
