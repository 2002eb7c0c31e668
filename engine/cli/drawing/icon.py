"""`python -m engine icon robot --out robot.png`: draws the icon that `--init icon:robot` starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli._dream.order import find_place
from engine.cli.console import echo_json, printable, write_file
from engine.errors import InvalidRequest
from engine.images.icons.drawing import draw_icon
from engine.images.icons.sets import suggest
from engine.images.icons.spec import PREFIX, Icon, read_icon
from engine.images.pictures import to_png
from engine.requests.request import parse_size

NAME = typer.Argument(
    help=f"A thing, as in owl, or a name of Font Awesome, as in fa-hamburger; “{PREFIX}” before it is optional.",
    show_default=False,
)
SET = typer.Option("--set", metavar="SETTING=VALUE", help=", ".join([*Icon.model_fields][1:]) + "; repeatable.")
LARGEST = 4096


def icon(
    name: Annotated[str, NAME],
    settings: Annotated[list[str] | None, SET] = None,
    size: Annotated[str, typer.Option(help="Width x height.")] = "512x512",
    out: Annotated[Path | None, typer.Option(help="A PNG file or a folder.", show_default="NAME.png")] = None,
    find: Annotated[bool, typer.Option("--find", help="List icons by name or keyword.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --find: print a record.")] = False,
) -> None:
    """Draw the icon NAME. Where the background is not opaque, the PNG is transparent."""
    if find:
        found = suggest(name.removeprefix(PREFIX), 100)
        if as_json:
            echo_json([one for one, _ in found])
            return
        for one, kind in found:
            typer.echo(f"{one}  {kind}")
        if not found:
            raise InvalidRequest(f"Unknown icon “{printable(name)}”.")
        return
    spec = read_icon(" ".join([name, *(settings or ())]))
    width, height = parse_size(size)
    if not 16 <= min(width, height) <= max(width, height) <= LARGEST:
        raise InvalidRequest(f"{width}×{height} is out of range: 16 to {LARGEST} pixels a side.")
    place = find_place(out, f"{spec.name.replace(' ', '-').replace('/', '-')}.png")
    image = draw_icon(spec, width, height)
    write_file(place, to_png(image if spec.background_opacity < 1 else image.convert("RGB")))
    typer.echo(f"{printable(place)}  {width}×{height}, {spec.text}")
