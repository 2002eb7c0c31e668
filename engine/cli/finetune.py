"""`python -m engine train FOLDER`: a diffusion model on your own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.cli._dream_order import find_place
from engine.cli.console import Bar, check_writable, printable, write_file

finetune = typer.Typer(no_args_is_help=True)
out = Console(highlight=False, emoji=False, soft_wrap=True)

Size = Annotated[int, typer.Option("--image_size", "--image-size", min=8, max=1024, help="Pixels a side.")]
Shape = Annotated[Literal["crop", "pad"], typer.Option(help="Cut the middle out, or pad with the mean colour.")]
MinSide = Annotated[
    int, typer.Option("--min_side", "--min-side", min=0, help="Least shorter side in pixels; 0 = image_size.")
]


@finetune.callback()
def about() -> None:
    """Train a diffusion model on your own pictures."""


@finetune.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Your pictures.", show_default=False)],
    image_size: Size = 256,
    shape: Shape = "crop",
    min_side: MinSide = 0,
    sheet: Annotated[Path, typer.Option(help="Where to write the contact sheet: a PNG or a folder.")] = Path(
        "contact-sheet.png"
    ),
) -> None:
    """Show what a run would learn from: counts, the files left out and why, a contact sheet."""
    from engine.images.pictures import to_png
    from engine.training.finetune.pictures import read_folder

    place = find_place(sheet, "contact-sheet.png")
    check_writable(place)
    with Bar("Reading") as bar:
        found = read_folder(
            folder, image_size, shape=shape, min_side=min_side, progress=lambda done, of: bar.count("Reading", done, of)
        )
    captions = sum(map(bool, found.captions))
    out.print(f"{len(found.files):,} pictures, {captions:,} of them with captions; {len(found.skipped):,} left out.")
    if found.skipped:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for item in found.skipped:
            table.add_row(escape(printable(item.file)), escape(printable(item.why)))
        out.print(table)
    write_file(place, to_png(found.sheet()))
    out.print(escape(printable(place)))
