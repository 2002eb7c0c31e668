"""`dreambot restore FILE`: restores a backup. Existing data is moved aside, never deleted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bot.errors import StoreError
from bot.operations.backup_format import FOLDERS, backup_errors, check_archive
from bot.storage import DATABASE
from bot.storage.files import sync_tree
from bot.storage.lock import FolderLock
from bot.storage.pictures import FRAMES_FOLDER
from bot.text import count

_LIVING = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *FOLDERS, FRAMES_FOLDER)
"""What is moved aside. Timelapse frames are in no backup, because they are large and can be spared."""


def restore(folder: Path, source: Path, *, replace: bool = False) -> str:
    """Restore the backup *source* into *folder*; returns what was done.

    Raises FolderInUse while a bot uses the folder. Raises StoreError for a damaged archive, or if the folder holds
    data and *replace* is false. Nothing is changed before everything is checked.
    """
    if source.exists() and not (source.is_file() or source.is_dir()):  # a pipe without a writer would be waited for
        raise StoreError(f"{source} is not a file.")
    lock = FolderLock(folder)
    with backup_errors(folder):
        lock.acquire()
    try:
        present = [folder / name for name in _LIVING if (folder / name).exists()]
        if present and not replace:
            raise StoreError(
                f"{folder} already holds data of a dreambot ({present[0].name}). "
                "With --replace it is moved into a subfolder, not deleted."
            )
        with backup_errors(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as spare:
            manifest = check_archive(source, Path(spare))
            sync_tree(Path(spare))
            aside = _move_aside(folder, present)
            _move(Path(spare), folder, (*FOLDERS, DATABASE))  # the database last: it marks a complete folder
    finally:
        lock.release()
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest.made_at))
    pictures = count(manifest.count("pictures"), "picture", "pictures")
    old = f" The previous data is in {aside}." if aside else ""
    return f"{folder} is restored to {made}: the database and {pictures}.{old}"


def _move_aside(folder: Path, present: Iterable[Path]) -> Path | None:
    paths = list(present)
    if not paths:
        return None
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=f"replaced-{time.strftime('%Y%m%d-%H%M%S')}-"))
    _move(folder, aside, [path.name for path in paths])
    return aside


def _move(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        if (source / name).exists():
            (source / name).rename(target / name)
    sync_tree(target, deep=False)
