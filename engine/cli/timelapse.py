"""`python -m engine evolution FOLDER --out way.mp4`: kept snapshots as a moving picture. No torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import check_writable, printable, read_file, write_file
from engine.errors import InvalidRequest
from engine.images.opening import open_reduced
from engine.images.timelapse import LARGEST_SIDE, animate, check_kind

STEP = re.compile(r"(?P<name>.+)-(?P<index>\d+)-step-(?P<step>\d+)\.webp")
"""How `dream --snapshots` names them."""
MOST = 5000
LARGEST = max(LARGEST_SIDE.values())


def evolution(
    folder: Annotated[Path, typer.Argument(help="What dream --snapshots has filled.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A .gif, .webp or .mp4.")] = Path("evolution.webp"),
    picture: Annotated[Path | None, typer.Option(help="The finished picture, to end with.", show_default=False)] = None,
    of: Annotated[
        str, typer.Option(help="Which, where there are several: NAME-INDEX, as their files begin.", show_default=False)
    ] = "",
) -> None:
    """Show how a picture came to be, from the snapshots in FOLDER."""
    check_kind(out.suffix)
    check_writable(out)
    ways = _ways(folder)
    if of and of not in ways:
        raise InvalidRequest(f"There are no snapshots of {of} in {folder}; there are of {_listed(ways)}.")
    if not of and len(ways) > 1:
        raise InvalidRequest(f"There are snapshots of several pictures in {folder}; choose by --of: {_listed(ways)}.")
    paths = [path for _, path in sorted(ways[of or next(iter(ways))])]
    frames = [open_reduced(read_file(path), LARGEST) for path in [*paths, *([picture] if picture else [])]]
    write_file(out, animate(frames, out.suffix))
    typer.echo(f"{printable(out)}  {len(frames)} pictures")


def _ways(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Name and index → steps and files; raises InvalidRequest where there are none."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder of snapshots.")
    ways: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := STEP.fullmatch(path.name):
            ways.setdefault(f"{match['name']}-{match['index']}", []).append((int(match["step"]), path))
    if not ways:
        raise InvalidRequest(f"There are no snapshots in {folder}; dream --snapshots FOLDER keeps them.")
    if max(map(len, ways.values())) > MOST:
        raise InvalidRequest(f"There are more than {MOST} snapshots of one picture in {folder}.")
    return ways


def _listed(ways: dict[str, list[tuple[int, Path]]]) -> str:
    names = [printable(name) for name in ways]
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
