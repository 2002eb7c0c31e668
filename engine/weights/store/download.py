"""Downloads a checkpoint into a `.part` file, from where the last attempt ended.

Its sources are tried in turn until one has the file with the right hash.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from filelock import FileLock, Timeout

from engine.catalogue.registry import Entry
from engine.errors import WeightsError
from engine.weights.store.folder import COMMAND, Check, Folder
from engine.weights.store.hashed_file import TrustedHash, acquire_where_possible, disk_errors, hash_file, write_whole
from engine.weights.store.http import Interrupted, Response, SourceFailed, host, request_from

Report = Callable[[int, int | None], None]
"""Called with the bytes so far, and the size of the file if it is known."""
CHUNK = 1 << 18
LONGEST_PAUSE = 30.0
"""Seconds between two attempts."""
SPARE = 64 * 2**20
"""Free bytes that a download leaves on the disk."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """How slow and unreliable an address may be."""

    stall: float = 30.0
    """Longest silence, in seconds."""
    tries: int = 3
    """Interruptions in a row, each with fewer than `worth` new bytes, before the next address is tried."""
    pause: float = 1.0
    """Seconds before the second attempt; doubles after each."""
    slowest: float = 4096.0
    """Least bytes per second, on average over `window` seconds."""
    window: float = 60.0

    @property
    def worth(self) -> float:
        """Bytes after which an interrupted attempt counts as a success."""
        return self.slowest * self.window


class PartialFile:
    """An unfinished download: its bytes, and the address and version that they come from. One process at a time.

    Raises WeightsError for errors of the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.json")
        # A file of its own, because `become` renames the part: a process that waited would lock the finished file.
        self._lock = FileLock(
            path.with_name(f"{path.name}.lock"), timeout=0, thread_local=False, fallback_to_soft=False
        )

    def __enter__(self) -> PartialFile:
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing():
            try:
                acquire_where_possible(self._lock)
            except Timeout as error:
                raise WeightsError(f"“{self.path.name}” is being downloaded by another process.") from error
        try:
            with self._writing():
                self.file: BinaryIO = self.path.open("ab+")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        try:
            with self._writing():  # flushes the last bytes
                self.file.close()
        finally:
            with suppress(OSError):  # Windows deletes it on release
                Path(self._lock.lock_file).unlink()
            self._lock.release()

    @property
    def size(self) -> int:
        with self._writing():
            self.file.flush()
            return os.fstat(self.file.fileno()).st_size

    def hash(self) -> tuple[str, int]:
        """SHA-256 and size of the bytes so far."""
        with self._writing():
            self.file.flush()
        with disk_errors(f"{self.path} cannot be read"):
            return hash_file(self.file)

    def version(self, url: str) -> str:
        """The validator of these bytes if they come from *url*; else empty."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return str(note["validator"]) if note["url"] == url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def restart(self, url: str, validator: str) -> None:
        """Discards the bytes; the next ones are version *validator* from *url*."""
        with self._writing():
            self.file.truncate(0)
            write_whole(self._note, json.dumps({"url": url, "validator": validator}))

    def append(self, data: bytes) -> None:
        with self._writing():
            self.file.write(data)

    def become(self, path: Path) -> None:
        """Writes everything to the disk, then renames the part to *path*. Closes the part."""
        with self._writing():
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        with disk_errors(f"{path} cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(path)
            self._note.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def _writing(self) -> AbstractContextManager[None]:
        return disk_errors(f"{self.path} cannot be written")


def transfer(url: str, part: PartialFile, limit: int, known: bool, limits: DownloadLimits, report: Report) -> None:
    """Completes *part* from *url*. *known*: the hash is, so bytes from another address may be continued.

    Raises SourceFailed if this address does not work, WeightsError if none can (disk full).
    """
    failures, pause = 0, limits.pause
    while True:
        before = part.size
        try:
            _attempt(url, part, limit, known, limits, report)
            return
        except Interrupted as error:
            failures = 0 if part.size - before >= limits.worth else failures + 1
            if failures >= limits.tries:
                raise SourceFailed(f"{error}, {failures} times in a row") from error
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _attempt(url: str, part: PartialFile, limit: int, known: bool, limits: DownloadLimits, report: Report) -> None:
    version = part.version(url)
    start = part.size if version or known else 0
    answer = request_from(url, start, version, limits.stall)
    if answer is None:
        return
    with answer.body:
        _check_size(answer, limit, known)
        if answer.start == 0:
            part.restart(url, answer.validator)
        _check_space(part.path.parent, (answer.total or 0) - answer.start)
        _copy(answer, part, limit, limits, report)
    if answer.total is not None and part.size < answer.total:
        raise Interrupted("it broke off")


def _copy(answer: Response, part: PartialFile, limit: int, limits: DownloadLimits, report: Report) -> None:
    done, since, mark = answer.start, time.monotonic(), answer.start
    most = min(limit, answer.total or limit)
    while data := _read(answer):
        done += len(data)
        if done > most:
            raise SourceFailed(f"it sends more than the {most:,} bytes that the file may have")
        part.append(data)
        report(done, answer.total)
        if (seconds := time.monotonic() - since) > limits.window:
            if (done - mark) / seconds < limits.slowest:
                raise SourceFailed(f"it is too slow ({(done - mark) / seconds:,.0f} bytes a second)")
            since, mark = time.monotonic(), done


def _read(answer: Response) -> bytes:
    """The bytes that have arrived; empty at the end. Returns early, so that a slow source is noticed."""
    try:
        return answer.body.read1(CHUNK)
    except TimeoutError as error:
        raise Interrupted("it stopped sending") from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted("it broke off") from error


def _check_size(answer: Response, limit: int, known: bool) -> None:
    if answer.total is not None and answer.total > limit:
        raise SourceFailed(f"its file has {answer.total:,} bytes, and {limit:,} is the most that is expected")
    if not answer.framed and not known:
        raise SourceFailed("it does not say how long the file is, so a cut one would go unnoticed")


def _check_space(folder: Path, needed: int) -> None:
    with disk_errors(f"{folder} cannot be written"):
        free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise WeightsError(
            f"The rest of this download needs {needed / 1e9:.2f} GB; the disk of {folder} has {free / 1e9:.2f} GB left."
        )


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Download:
    """Downloads into one folder, with its limits and progress reports."""

    folder: Folder
    report: Report = lambda done, total: None
    limits: DownloadLimits = field(default_factory=DownloadLimits)

    def fetch(
        self, entry: Entry, *, sources: Sequence[str] = (), trust: bool = False, check: Check = lambda *_: None
    ) -> TrustedHash:
        """Downloads *entry*, from *sources* instead of its own if given; returns its hash.

        *trust*: accept a file without a published hash if *check* does, and pin its hash.
        Raises WeightsError that names every source and its problem.
        """
        expected = self.folder.expected(entry)
        if not expected and not trust:
            raise WeightsError(
                f"No hash is published for “{entry.name}”, so a wrong file cannot be recognised. "
                f"`{COMMAND} download --trust {entry.name}` accepts the file and pins its hash."
            )
        addresses = tuple(sources) or entry.sources
        if not addresses:
            raise WeightsError(_by_hand(entry, self.folder))
        pin = self._from_any(entry, addresses, expected)
        if not entry.sha256 and not expected:
            self.folder.trust(entry, check)
        return pin

    def _from_any(self, entry: Entry, addresses: Sequence[str], expected: str) -> TrustedHash:
        failures = []
        for url in addresses:
            try:
                with PartialFile(self.folder.part(entry)) as part:
                    return self._from_one(entry, url, expected, part)
            except SourceFailed as failure:
                failures.append(f"{host(url)}: {failure}")
        where = f" Download page: {entry.page}." if entry.page else ""
        raise WeightsError(f"“{entry.name}” could not be downloaded. {'; '.join(failures)}.{where}")

    def _from_one(self, entry: Entry, url: str, expected: str, part: PartialFile) -> TrustedHash:
        """Downloads and hashes the file. A wrong one that continued earlier bytes is downloaded once more, whole."""
        continued = part.size > 0
        transfer(url, part, entry.limit, bool(expected), self.limits, self.report)
        sha256, size = part.hash()
        if expected and sha256 != expected:
            if continued:
                part.restart(url, "")
                return self._from_one(entry, url, expected, part)
            kept = self.folder.quarantine(entry, sha256)
            part.become(kept)
            raise SourceFailed(f"what it sends has the SHA-256 {sha256} instead of {expected} (kept as {kept})")
        part.become(self.folder.file(entry))
        return TrustedHash(sha256, size, url)


def _by_hand(entry: Entry, folder: Folder) -> str:
    where = f"look at {entry.page}; then " if entry.page else ""
    return (
        f"No address is known for “{entry.name}”: {where}put its file as {folder.file(entry)}, or name an address with "
        f"`{COMMAND} download {entry.name} --from ADDRESS`; its hash is checked either way."
    )
