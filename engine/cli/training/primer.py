"""`python -m engine primer …`: the small models that ship with the package, and the painter that taught them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli._dream.order import find_place
from engine.cli.console import check_writable, write_file
from engine.cli.training.train import train
from engine.images.pictures import contact_sheet, to_png

primer = typer.Typer(help="The small models that ship with the package.", no_args_is_help=True)


@primer.callback()
def about() -> None:
    """The small models that ship with the package."""


@primer.command()
def paint(
    caption: Annotated[str, typer.Argument(help="As in “a red circle on a blue background”.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A PNG file, or a folder.")] = Path("painted.png"),
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels a side.")] = 256,
    seed: Annotated[int, typer.Option(help="Of the first picture.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=64, help="Number of pictures on the sheet.")] = 1,
) -> None:
    """Draw CAPTION with the painter that produced the small models' training pictures. No network runs."""
    from PIL import Image

    from engine.primer.captions.parsing import parse_scene
    from engine.primer.painter.painter import paint as draw

    place = find_place(out, "painted.png")
    scene = parse_scene(caption)
    check_writable(place)
    pictures = [Image.fromarray(draw(scene, size, seed + i)) for i in range(count)]
    image = pictures[0] if count == 1 else contact_sheet(pictures, [f"seed {seed + i}" for i in range(count)])
    write_file(place, to_png(image))
    typer.echo(str(place))


@primer.command()
def icons(
    packed: Annotated[
        Path | None, typer.Option(help="A folder with the three files of npm pack, instead of the network.")
    ] = None,
) -> None:
    """Fetch the icon sets that nouns are drawn from, check their hashes, and render every drawing.

    Needs npm and resvg-py (pip install 'dreambot[primer]'). The files go to DREAMBOT_TRAINING, or to the user's cache
    folder: about 110 MB.
    """
    from engine.primer.icon_sets import ICON_SETS, fetch_icons, icons_folder

    count = fetch_icons(packed)
    for icon_set in ICON_SETS:
        typer.echo(f"{icon_set.package} {icon_set.version} ({icon_set.licence})")
    typer.echo(f"{count} drawings in {icons_folder()}")


primer.command()(train)


@primer.command()
def average(
    files: Annotated[list[Path], typer.Argument(help="Finished weights of one net, two or more.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A safetensors file.")] = Path("average.safetensors"),
) -> None:
    """Average FILES, the results of runs with different seeds, into one file of weights."""
    from engine.primer.tasks import remake

    if len(files) < 2:
        raise typer.BadParameter("An average needs two files or more.", param_hint="FILES")
    check_writable(out)
    remake.average(files, out)
    typer.echo(str(out))
