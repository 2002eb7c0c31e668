"""The format of a backup: a tar file with a database, the pictures that it names, and the hash of every file.

    pictures/26/<job>-<index>.png    finished pictures
    inputs/<sha256>                  attachments
    dreambot.sqlite3                 a copy at one moment, without interaction tokens
    manifest.json                    version, time, schema, and the SHA-256 of every other member; last

Timelapse frames are left out.

An archive is not trusted: only these names, plain files, listed hashes and an intact database are accepted.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.errors import StoreError
from bot.storage import DATABASE
from bot.storage.database import newest_schema
from bot.storage.database_file import open_read_only
from bot.storage.files import create_file, make_folder

FORMAT = 1
MANIFEST = "manifest.json"
FOLDERS = ("pictures", "inputs")
_NAME = re.compile(rf"pictures/\d\d/[0-9a-z]{{1,40}}-\d{{1,3}}\.png|inputs/[0-9a-f]{{64}}|{re.escape(DATABASE)}")
_LARGEST_LIST = 512 * 2**20
_CHUNK = 2**20


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    made_at: float
    """Unix seconds."""
    schema_number: int
    """PRAGMA user_version of the database."""
    files: Mapping[str, str]
    """Member → SHA-256."""

    def count(self, folder: str) -> int:
        return sum(name.startswith(f"{folder}/") for name in self.files)


def check_archive(path: Path, into: Path | None = None) -> Manifest:
    """Read the whole archive, compare every hash and check its database. Raises StoreError.

    *into*: an empty folder into which its files are extracted.
    """
    with backup_errors(path), tempfile.TemporaryDirectory() as spare, tarfile.open(path, "r:") as archive:
        place = into or Path(spare)
        found: dict[str, str] = {}
        manifest: Manifest | None = None
        for member in archive:
            source = _plain(archive, member)
            if member.name == MANIFEST:
                manifest = _manifest(source.read(_LARGEST_LIST))
            elif not _NAME.fullmatch(member.name) or member.name in found:
                raise StoreError(f"{path} holds “{member.name}”, which does not belong into a backup.")
            else:
                found[member.name] = _taken(source, place / member.name if into or member.name == DATABASE else None)
        if manifest is None:
            raise StoreError(f"{path} is not a backup of dreambot, or it is cut off: its list of contents is missing.")
        _compare(path, manifest, found)
        check_database(place / DATABASE, manifest.schema_number)
        _check_paths(place / DATABASE, manifest)
    return manifest


def check_database(path: Path, schema: int | None = None) -> int:
    """The schema number of a database. Raises StoreError if it is damaged, too new, or not *schema*."""
    with closing(open_read_only(path)) as connection:
        number = int(connection.execute("PRAGMA user_version").fetchone()[0])
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        strays = connection.execute("PRAGMA foreign_key_check").fetchone()
    if verdict != "ok" or strays is not None:
        raise StoreError(f"{path.name} is damaged: {verdict if verdict != 'ok' else 'rows refer to missing rows'}.")
    if number > newest_schema():
        raise StoreError(
            f"The backup was made by a newer dreambot (it has schema {number}, this version supports "
            f"{newest_schema()}). Install the newer version first."
        )
    if schema is not None and number != schema:
        raise StoreError("The backup's list of contents does not match its database.")
    return number


def _check_paths(database: Path, manifest: Manifest) -> None:
    """Refuse paths outside the archive, because the bot would read and show those files."""
    with closing(open_read_only(database)) as connection:
        for (name,) in connection.execute("SELECT path FROM pictures WHERE path IS NOT NULL"):
            if name not in manifest.files:
                raise StoreError(f"The backup's database names “{name}”, which is not in the backup.")


@contextmanager
def backup_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading or writing *path* into StoreErrors."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise StoreError(f"{path} is not a backup of dreambot, or it is damaged: {error}.") from error
    except sqlite3.Error as error:
        raise StoreError(f"The database of {path} cannot be used: {error}.") from error
    except OSError as error:
        raise StoreError(f"{error.filename or path} cannot be used: {error.strerror or error}.") from error


def _plain(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """The bytes of a plain file; a sparse one would unfold into any number of them. Raises StoreError."""
    source = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if source is None:
        raise StoreError(f"“{member.name}” in the backup is not a plain file; nothing was restored.")
    return source


def _manifest(text: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise StoreError("The backup's list of contents cannot be read.") from error
    if manifest.format > FORMAT:
        raise StoreError("The backup was made by a newer dreambot; install that version first.")
    return manifest


def _taken(source: IO[bytes], target: Path | None) -> str:
    """The SHA-256 of *source*, which is copied to *target* unless that is None."""
    digest = hashlib.sha256()
    if target is None:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    make_folder(target.parent)
    with create_file(target) as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _compare(path: Path, manifest: Manifest, found: Mapping[str, str]) -> None:
    wrong = sorted(name for name in {*manifest.files, *found} if manifest.files.get(name) != found.get(name))
    if DATABASE not in found or wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise StoreError(f"{path} is damaged: {wrong[0] if wrong else DATABASE}{more} does not match its hash.")
