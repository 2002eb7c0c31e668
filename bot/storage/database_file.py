"""Notices that the database's file or its journal was deleted, replaced, truncated or damaged while the bot runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_RESTORE = "Stop the bot and restore a backup: python -m bot restore."


class DatabaseFile:
    """The file as it was when it was opened. SQLite keeps writing into a deleted or replaced file without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = path.stat()
        self._wal_path = path.with_name(f"{path.name}-wal")
        self._wal = _identity(self._wal_path)
        self.wal_lost = False
        """Whether SQLite's journal was deleted or replaced; what is in it reaches the file by a checkpoint only."""
        self._size = self._opened.st_size
        self.damage = ""
        """What is wrong, and what to do. Damage inside the file stays until the next start."""
        self._damaged_inside = False

    def inspect(self, *, content: bool) -> str:
        """Compare the file with the opened one; with *content* let SQLite check it. Returns `damage`. Blocks."""
        if not self._damaged_inside:
            self.damage = self._changed() or (self._corrupt() if content else "")
        return self.damage

    def _changed(self) -> str:
        try:
            now = self._path.stat()
        except OSError as error:
            return f"The database {self._path} is gone: {error.strerror}. New jobs would be lost. {_RESTORE}"
        if (now.st_dev, now.st_ino) != (self._opened.st_dev, self._opened.st_ino):
            return f"The database {self._path} was replaced while the bot runs. Restart the bot to use the new file."
        if now.st_size < self._size:  # the bot never runs VACUUM, so the file only grows
            self._damaged_inside = True
            return f"The database {self._path} was truncated. {_RESTORE}"
        self._size = now.st_size
        self._wal = self._wal or _identity(self._wal_path)
        self.wal_lost = self._wal != _identity(self._wal_path)
        if self.wal_lost:
            return f"The journal {self._wal_path} was deleted or replaced while the bot runs. Restart the bot now."
        return ""

    def _corrupt(self) -> str:
        """Check over a separate connection, which does not block the bot."""
        try:
            with closing(open_read_only(self._path)) as connection:
                [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError:  # busy or unreadable for the moment: the next check will tell
            return ""
        except sqlite3.DatabaseError as error:
            verdict = str(error)
        if verdict == "ok":
            return ""
        self._damaged_inside = True
        return f"The database {self._path} is damaged: {verdict}. {_RESTORE}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_read_only(path: Path) -> sqlite3.Connection:
    """A separate connection to a database that exists, for code outside of the bot's event loop. Blocks."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
