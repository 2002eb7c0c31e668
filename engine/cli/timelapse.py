"""`python -m engine evolution FOLDER --out film.mp4`: a timelapse of saved snapshots. Imports no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from engine.cli._dream.order import unused
from engine.cli.console import check_writable, printable, write_file
from engine.errors import InvalidRequest
from engine.images.opening import open_reduced, read_file
from engine.images.timelapse import LARGEST_SIDE, animate, check_kind

STEP = re.compile(r"(?P<name>.+)-(?P<index>\d+)-step-(?P<step>\d+)\.webp")
"""File names of `dream --snapshots`."""
MOST = 5000
LARGEST = max(LARGEST_SIDE.values())


def evolution(
    folder: Annotated[Path, typer.Argument(help="The folder of dream --snapshots.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A .gif, .webp or .mp4 file.", show_default="evolution.webp")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="The finished picture, as the last frame.", show_default=False)
    ] = None,
    of: Annotated[
        str,
        typer.Option(
            help="Which picture, if there are several: NAME-INDEX, the start of its file names.", show_default=False
        ),
    ] = "",
) -> None:
    """Make a timelapse of one picture from the snapshots in FOLDER."""
    place = out or Path("evolution.webp")
    check_kind(place.suffix)
    check_writable(place)
    snapshots = _snapshots(folder)
    if of and of not in snapshots:
        raise InvalidRequest(f"{folder} has no snapshots of {of}. Available: {_listed(snapshots)}.")
    if not of and len(snapshots) > 1:
        raise InvalidRequest(f"{folder} has snapshots of several pictures. Choose one with --of: {_listed(snapshots)}.")
    paths = [path for _, path in sorted(snapshots[of or next(iter(snapshots))])]
    frames = [open_reduced(read_file(path), LARGEST) for path in [*paths, *([picture] if picture else [])]]
    place = out or unused(place)
    write_file(place, animate(frames, place.suffix))
    typer.echo(f"{printable(place)}  {len(frames)} pictures")


def _snapshots(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Picture → (step, file) of its snapshots. Raises InvalidRequest if there are none."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder of snapshots.")
    snapshots: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := STEP.fullmatch(path.name):
            snapshots.setdefault(f"{match['name']}-{match['index']}", []).append((int(match["step"]), path))
    if not snapshots:
        raise InvalidRequest(f"{folder} has no snapshots. `dream --snapshots FOLDER` saves them.")
    if max(map(len, snapshots.values())) > MOST:
        raise InvalidRequest(f"{folder} has more than {MOST} snapshots of one picture.")
    return snapshots


def _listed(snapshots: dict[str, list[tuple[int, Path]]]) -> str:
    names = [printable(name) for name in snapshots]
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
