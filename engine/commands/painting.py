"""Painting an order from the shell, and telling what came of it: files, a line per picture, or one record as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from engine.commands.console import Bar, calm_torch, errors, write_file
from engine.messages import Picture, Progress, Request
from engine.pictures import open_picture
from engine.requests import DreamRequest

if TYPE_CHECKING:
    from engine.studio import Painted


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be painted, and where everything goes."""

    request: Request
    images: Mapping[str, bytes]
    out: Path
    snapshots: Path | None = None
    as_json: bool = False
    bucket: int = 1
    original: bytes = field(default=b"", repr=False)
    """The PNG that is painted again, to be compared with."""

    def path(self, index: int) -> Path:
        """The file of one picture; of many, each has its index in its name."""
        return self.out if self.request.count == 1 else self.out.with_stem(f"{self.out.stem}-{index}")


def paint(order: Order, device: str, threads: str) -> None:
    """Paint it, write it, tell it; raises DreamErrors."""
    started = time.monotonic()
    with Bar("Starting") as bar:
        calm_torch()
        from engine.studio import Studio  # two seconds of torch

        studio = Studio(device, threads)
        starting = time.monotonic() - started
        bar.say("Loading")
        painted = studio.paint(order.request, order.images, tell=lambda p: _follow(order, bar, p), bucket=order.bucket)
        studio.close()
    for index, picture in painted.pictures.items():
        write_file(order.path(index), picture.png)
    seconds = {"start": starting, **painted.seconds}
    if order.as_json:
        typer.echo(json.dumps(_record(order, painted, seconds), ensure_ascii=False, indent=2))
    else:
        _tell(order, painted, time.monotonic() - started)


def _follow(order: Order, bar: Bar, progress: Progress) -> None:
    bar.move(progress)
    if order.snapshots:
        for index, data in progress.snapshots.items():
            write_file(order.snapshots / f"{order.out.stem}-{index}-step-{progress.step:04d}.webp", data)


def _tell(order: Order, painted: Painted, seconds: float) -> None:
    """A line per picture on stdout, notes on stderr."""
    for index, picture in sorted(painted.pictures.items()):
        facts = picture.facts
        score = facts["clip_score"]
        words = [f"{facts['width']}×{facts['height']}"]
        words += [f"seed {facts['seed']}"] if facts["seed"] is not None else []
        words += [f"CLIP score {score:.3f}"] if isinstance(score, float) else []
        typer.echo(f"{order.path(index)}  {', '.join(words)}")
    for note in _notes(painted):
        errors.print(note, markup=False, soft_wrap=True)
    errors.print(f"{seconds:.1f} s", markup=False)
    if order.original:
        errors.print(compare(order.original, painted.pictures[0].png), markup=False)


def _record(order: Order, painted: Painted, seconds: Mapping[str, float]) -> dict[str, Any]:
    """All that was asked, resolved and found."""
    replay: Any = next(iter(painted.pictures.values())).facts["replay"]
    pictures = [_picture_record(order, index, picture) for index, picture in sorted(painted.pictures.items())]
    record = {
        "request": order.request.model_dump(mode="json"),
        "resolved": replay["resolved"],
        "engine": replay["engine"],
        "seconds": {phase: round(value, 4) for phase, value in seconds.items()},
        "notes": _notes(painted),
        "pictures": pictures,
    }
    return record | ({"replay": compare(order.original, painted.pictures[0].png)} if order.original else {})


def _picture_record(order: Order, index: int, picture: Picture) -> dict[str, Any]:
    facts = picture.facts
    seconds: Any = facts["seconds"]
    names = ("seed", "width", "height", "clip_score", "perceptor", "sha256")
    return {
        "path": str(order.path(index)),
        **{name: facts[name] for name in names if name != "seed" or isinstance(order.request, DreamRequest)},
        "seconds": {phase: round(value, 4) for phase, value in seconds.items()},
    }


def _notes(painted: Painted) -> list[str]:
    """Every sentence once."""
    of_pictures: list[Any] = [note for picture in painted.pictures.values() for note in _list(picture.facts["notes"])]
    return list(dict.fromkeys([*painted.notes, *map(str, of_pictures)]))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def compare(first: bytes, again: bytes) -> str:
    """How like two pictures are, in a sentence."""
    a, b = (np.asarray(open_picture(png), dtype=int) for png in (first, again))
    if a.shape != b.shape:
        return f"Not the same: {a.shape[1]}×{a.shape[0]} then, {b.shape[1]}×{b.shape[0]} now."
    difference = np.abs(a - b)
    if not difference.any():
        return "The same picture, pixel by pixel."
    part = (difference.max(2) > 0).mean()
    return f"Not the same pixels: {part:.1%} of them differ, by at most {difference.max()} of 255."
