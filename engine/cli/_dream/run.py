"""Paints an order of the shell; writes every image as soon as it is finished."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from engine.cli._dream.order import Done, DreamOrder
from engine.cli.console import Bar, calm_torch, print_note, write_file
from engine.errors import InvalidRequest
from engine.images.opening import open_own, open_reduced
from engine.images.pictures import SVG, in_format, read_text, to_png
from engine.images.timelapse import LARGEST_SIDE, animate
from engine.protocol.messages import Picture, Progress, Request
from engine.requests.request import DreamRequest

if TYPE_CHECKING:
    from engine.worker.in_process import InProcessEngine

LARGEST = max(LARGEST_SIDE.values())


@dataclass(frozen=True, slots=True)
class DreamResult:
    """*pictures* by rising index; *seconds*: phase → duration; *notes*: sentences for the user."""

    order: DreamOrder
    pictures: list[Done]
    seconds: Mapping[str, float]
    notes: list[str]
    again: bytes = field(default=b"", repr=False)
    """The PNG of a replay."""


@dataclass(frozen=True, slots=True)
class Means:
    device: str = "auto"
    threads: str = "auto"
    compiled: bool = False


def start_studio(means: Means) -> InProcessEngine:
    """Starts the engine in this process; importing torch takes seconds."""
    calm_torch()
    from engine.worker.in_process import InProcessEngine

    kept = platformdirs.user_cache_path("dreambot", False) / "compiled"
    return InProcessEngine(means.device, means.threads, kept if means.compiled else None)


def paint(
    order: DreamOrder, studio: InProcessEngine, bar: Bar, before: Mapping[int, Done] | None = None
) -> DreamResult:
    """Paints and writes every image that is not in *before*. Raises DreamErrors.

    Finished images stay on disk after an interruption.
    """
    done = dict(before or {})
    missing = [index for index in range(order.request.count) if index not in done]
    work = Work(order, bar, done)
    seconds: Mapping[str, float] = {}
    notes: tuple[str, ...] = ()
    if missing:
        bar.say("Loading and compiling" if studio.compiles else "Loading")
        painted = studio.paint(
            order.request,
            order.images,
            tell=work.follow,
            keep=work.keep,
            replay_plan=order.replay_plan,
            only=missing,
            closely=order.evolution is not None or order.snapshots is not None,
        )
        seconds, notes = painted.seconds, painted.notes
        work.check_written()
    pictures = [done[index] for index in sorted(done)]
    if before and (order.evolution or order.snapshots):
        notes = (*notes, f"{len(before)} pictures are from an earlier run, so their steps are missing.")
    of_pictures: list[Any] = [note for picture in pictures for note in picture.facts["notes"]]
    all_notes = list(dict.fromkeys([*notes, *map(str, of_pictures)]))
    return DreamResult(order, pictures, seconds, all_notes, work.last if order.original else b"")


class Work:
    """An order in progress; adds written images to *done*."""

    def __init__(self, order: DreamOrder, bar: Bar, done: dict[int, Done]) -> None:
        self._order, self._bar, self._done = order, bar, done
        self._frames: dict[int, list[bytes]] = {}
        self._unwritten: list[Path] = []
        self.last = b""
        """The newest picture's PNG."""

    def follow(self, progress: Progress) -> None:
        """Moves the progress bar; keeps snapshots if they are wanted."""
        self._bar.move(progress)
        for index, data in progress.snapshots.items():
            if self._order.snapshots:
                self._write(self._order.snapshot(index, progress.step), data)
            if self._order.evolution:
                self._frames.setdefault(index, []).append(data)

    def keep(self, picture: Picture) -> None:
        """Write a finished picture. If its path is not writable, save it as a temporary file."""
        path = self._order.path(picture.index)
        if not self._write(path, in_format(picture.png, path.suffix)):
            keep_elsewhere(path, picture.png)
        self._done[picture.index] = Done(picture.index, path, picture.facts)
        self.last = picture.png
        for kind in self._order.beside:
            self._write(self._order.beside_of(path, kind), second_file(picture.png, kind, self._order.request))
        if self._order.evolution:
            frames = [*self._frames.pop(picture.index, []), picture.png]
            place = self._order.numbered(self._order.evolution, picture.index)
            self._write(place, animate([open_reduced(frame, LARGEST) for frame in frames], place.suffix))

    def check_written(self) -> None:
        """Raise InvalidRequest if a file could not be written to its path."""
        if self._unwritten:
            more = f", nor could {len(self._unwritten) - 1:,} more" if len(self._unwritten) > 1 else ""
            raise InvalidRequest(f"{self._unwritten[0]} could not be written{more}.")

    def _write(self, path: Path, data: bytes) -> bool:
        """Write a file and return whether that succeeded. Print the first failure; painting continues."""
        try:
            write_file(path, data)
        except InvalidRequest as error:
            if not self._unwritten:
                print_note(error)
            self._unwritten.append(path)
            return False
        return True


def second_file(png: bytes, kind: str, request: Request) -> bytes:
    """The strokes of a drawing as SVG, or the sprite of a picture of cells as PNG."""
    if kind == "svg":
        return read_text(png)[SVG].encode()
    from engine.methods.pixel_art import sprite_of

    assert isinstance(request, DreamRequest)
    return to_png(sprite_of(open_own(png), request))


def keep_elsewhere(path: Path, png: bytes) -> None:
    """Save a picture as a temporary file because *path* is not writable, and print where. Raises InvalidRequest."""
    try:
        place = Path(tempfile.mkdtemp(prefix="dreambot-")) / f"{path.stem}.png"
    except OSError as error:
        raise InvalidRequest(f"{path} can be kept nowhere else either: {error.strerror or error}.") from error
    write_file(place, png)
    print_note(f"{path} is kept as {place}")
