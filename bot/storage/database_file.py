"""Notices that the database file was deleted, replaced, truncated or damaged while the bot has it open."""

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
        return ""

    def _corrupt(self) -> str:
        """Opens a separate connection, so that the bot is not blocked."""
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError:  # busy or unreadable for the moment: the next check will tell
            return ""
        except sqlite3.DatabaseError as error:
            verdict = str(error)
        if verdict == "ok":
            return ""
        self._damaged_inside = True
        return f"The database {self._path} is damaged: {verdict}. {_RESTORE}"
