"""Console output of all commands: errors in one line, progress bar, JSON records."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from engine.environment import THREADS
from engine.errors import DreamError, InvalidRequest, PromptError
from engine.protocol.messages import Progress as Step

WRONG = 1
"""Exit status of a negative result, e.g. a replay that differs."""
MISTAKE = 2
INTERRUPTED = 130
BLOCK = 4096
"""Bytes: what a disk hands out at once."""

errors = Console(stderr=True, highlight=False, emoji=False)


def print_note(text: object) -> None:
    """Print *text* on standard error as it is, without markup or wrapping."""
    errors.print(text, markup=False, soft_wrap=True)


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """DreamErrors end the program with one line (a bad prompt with its caret below) and the status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal's encoding lacks becomes “?”
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    before = _end_in_order()
    try:
        yield
    except DreamError as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        if isinstance(error, PromptError) and error.source.strip():
            print_note(error.pointer)
        sys.exit(MISTAKE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        errors.print(
            f"[red]error:[/red] {escape(str(error.filename or 'The output'))} cannot be written: the disk is full."
        )
        sys.exit(WRONG)
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(INTERRUPTED)
    finally:
        _release()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_in_order() -> dict[signal.Signals, Any]:
    """Let SIGTERM and a closed terminal raise SystemExit; the handlers before. Only the main thread has handlers."""
    found = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal.Signals, name, None))]
    if threading.current_thread() is not threading.main_thread():
        return {}
    usual = {number: signal.getsignal(number) for number in found if signal.getsignal(number) is signal.SIG_DFL}
    for number in usual:
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))
    return usual


_reserved: set[Path] = set()


def reserve(path: Path) -> bool:
    """Whether *path* is free. It is then an empty file while the command runs, so that no other command takes it.

    In a missing or unwritable folder nothing is made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError:
        return not path.exists()
    _reserved.add(path)
    return True


def _release() -> None:
    """Delete the reserved files to which nothing was written."""
    for path in _reserved:
        with contextlib.suppress(OSError):
            if not path.stat().st_size:
                path.unlink()
    _reserved.clear()


def calm_torch() -> None:
    """Before torch is imported: its other threads compute alone, and wait without spinning."""
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)


class PhaseTimer:
    """Seconds since its creation; *start*: those before the work began."""

    def __init__(self) -> None:
        self._made = time.monotonic()
        self.start = 0.0

    def begin(self) -> None:
        self.start = self.seconds

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._made


class Bar(Progress):
    """A progress bar on stderr; silent if stderr is not a terminal. *columns* follow the description and the bar."""

    def __init__(self, doing: str, *columns: ProgressColumn, **fields: Any) -> None:
        super().__init__(
            *(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()),
            *(columns or (MofNCompleteColumn(), TimeRemainingColumn())),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self.only = self.add_task(doing, total=None, **fields)

    def say(self, doing: str) -> None:
        self.update(self.only, description=doing)

    def count(self, doing: str, done: int, of: int | None) -> None:
        self.update(self.only, description=doing, completed=done, total=of)

    def move(self, progress: Step) -> None:
        self.count("Finishing" if progress.step >= progress.steps else "Painting", progress.step, progress.steps)


def is_folder(path: Path) -> bool:
    """Whether *path* is a folder; False for an invalid path, e.g. a name that is too long."""
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def write_file(path: Path, data: bytes) -> None:
    """Writes a file atomically and creates missing folders. Raises InvalidRequest."""
    with _part_of(path) as part:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def check_writable(path: Path) -> None:
    """Creates missing folders and checks that `write_file` would succeed. Raises InvalidRequest."""
    with _part_of(path) as part:
        part.write_bytes(bytes(BLOCK))  # a full disk still takes empty files
        part.unlink()


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """A temporary path whose file replaces *path* on success and is deleted on failure. Raises InvalidRequest."""
    part = path.with_name(f".{path.name}.part")
    try:
        if path.is_dir():
            raise InvalidRequest(f"{path} cannot be written: it is a folder.")
        if path.exists() and not path.is_file():
            raise InvalidRequest(f"{path} cannot be written: it is a device or a pipe, which a file would replace.")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InvalidRequest(f"{path} cannot be written: {_why(error)}.") from error


def _why(error: OSError) -> str:
    """The reason as text; for a file in the place of a folder, the system's own text is misleading."""
    return "a part of its path is a file" if isinstance(error, FileExistsError) else error.strerror or str(error)


def echo_json(record: object) -> None:
    """Print *record*; a file's name that is no text comes out escaped."""
    text = json.dumps(record, ensure_ascii=False, indent=2)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(record, indent=2)
    typer.echo(text)


def printable(text: object) -> str:
    """*text* without control characters, which could control the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))


Device: TypeAlias = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Compiled: TypeAlias = Annotated[
    bool, typer.Option("--compile", help="Compile the networks with PyTorch and cache the result; for GPUs.")
]
Threads: TypeAlias = Annotated[str, typer.Option(help="Number of CPU threads; auto measures the fastest.")]
