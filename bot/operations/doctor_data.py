"""The doctor's checks of the data folder: access, disk space, lock, database, pictures."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bot.config.sections import RetentionSection
from bot.errors import FolderInUse
from bot.operations.doctor_report import Finding, bad, good, note
from bot.storage import DATABASE
from bot.storage.database import newest_schema
from bot.storage.database_file import open_read_only
from bot.storage.lock import FILE, FolderLock
from bot.text import count

LITTLE_DISK = 2 * 10**9
"""Free bytes below which the doctor warns."""
FULL_SHARE = 0.9
"""Share of the space for pictures above which the doctor warns that old ones are deleted soon."""


def check_folder(folder: Path, retention: RetentionSection) -> list[Finding]:
    """All checks of the folder, which is created if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return [
            bad(
                "data",
                f"{folder} cannot be written to: {error.strerror}.",
                "Give this user write access, or set another folder: DREAMBOT_DATA, or [data] folder in config.toml.",
            )
        ]
    return [
        _room(folder, free, retention.free_megabytes * 1_000_000),
        check_lock(folder),
        *check_rights(folder),
        *check_database(folder / DATABASE),
        *check_pictures(folder, retention),
    ]


def _room(folder: Path, free: int, needed: int) -> Finding:
    room = f"{free / 1e9:.1f} GB free"
    if free < needed:
        why = f"{folder}, only {room}: the bot accepts no new jobs below {needed / 1e9:.1f} GB."
        return bad("data", why, "Free some space, or set [retention] pictures_megabytes lower.")
    if free < LITTLE_DISK:
        return note("data", f"{folder}, only {room}", "Free some space, or set [retention] pictures_megabytes lower.")
    return good("data", f"{folder}, {room}")


def check_lock(folder: Path) -> Finding:
    lock = FolderLock(folder)
    try:
        lock.acquire()
    except FolderInUse as error:
        return note("lock", str(error).partition(".")[0] + ".", "That is fine if it is your running bot.")
    except OSError as error:
        return bad("lock", f"{folder / FILE} cannot be used: {error.strerror}.", "Delete it while no bot runs.")
    lock.release()
    return good("lock", "no other dreambot uses the folder")


def check_rights(folder: Path) -> list[Finding]:
    """The first file owned by another user, as `sudo … restore` leaves it; empty without one."""
    locked = [path for path in _inside(folder) if not os.access(path, os.R_OK | os.W_OK)]
    if not locked:
        return []
    more = f" and {len(locked) - 1} more" if len(locked) > 1 else ""
    return [
        bad(
            "rights",
            f"{locked[0]}{more} cannot be written to by this user.",
            f"Give the folder to the user that runs the bot: chown -R USER {folder}",
        )
    ]


def check_database(path: Path) -> list[Finding]:
    """Open the database read-only, check it for damage, and compare its schema with the newest."""
    if not path.exists():
        return [good("database", "none; the first start creates it")]
    try:
        with closing(open_read_only(path)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
            jobs = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
    except sqlite3.OperationalError as error:
        return [
            bad(
                "database",
                f"{path} cannot be read: {error}.",
                "Stop the program that has it open, then look again.",
            )
        ]
    except sqlite3.Error as error:
        verdict, schema, jobs = str(error), 0, 0
    if verdict != "ok":
        remedy = "Restore a backup (python -m bot restore), or move the file away to start with an empty one."
        return [bad("database", f"{path} is damaged: {verdict}.", remedy)]
    return [good("database", f"intact, {count(jobs, 'job')}"), *_schema(schema)]


def _schema(number: int) -> Iterator[Finding]:
    newest = newest_schema()
    if number > newest:
        text = f"The database was written by a newer dreambot: it has schema {number}, this version supports {newest}."
        yield bad("schema", text, "Install the newer version, or restore a backup from before the upgrade.")
    elif number < newest:
        text = f"The next start migrates the database from schema {number} to {newest}, which cannot be undone."
        yield note("schema", text, "Make a backup first: python -m bot backup FILE")


def check_pictures(folder: Path, retention: RetentionSection) -> list[Finding]:
    """Number and size of the pictures, and whether files are missing that the database names."""
    try:
        with closing(open_read_only(folder / DATABASE)) as connection:
            rows = connection.execute("SELECT path, size FROM pictures WHERE path IS NOT NULL").fetchall()
    except sqlite3.Error:
        return []  # there is no database, or `check_database` reports it
    missing = sum(not (folder / path).is_file() for path, _ in rows)
    used, budget = sum(size for _, size in rows), retention.pictures_megabytes * 1_000_000
    text = f"{count(len(rows), 'picture')}, {used / 1e9:.1f} GB" + (f" of {budget / 1e9:.1f}" if budget else "")
    found = [good("pictures", text)]
    if budget and used > budget * FULL_SHARE:
        remedy = "Old ones are deleted soon. Raise [retention] pictures_megabytes if the disk has room."
        found = [note("pictures", text, remedy)]
    if missing:
        gone = f"{count(missing, 'file is', 'files are')} missing in {folder / 'pictures'}."
        found.append(note("pictures", gone, "Members read that these were deleted. A backup may have them."))
    return found


def _inside(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.glob(f"{DATABASE}*"))
    for name in ("pictures", "inputs", "frames"):
        if (folder / name).is_dir():
            yield folder / name
            yield from (folder / name).rglob("*")
