"""`python -m engine gallery docs`: repaints the pictures of docs/methods.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.cli._dream.run import Means, start_studio
from engine.cli.console import Bar, Device, Threads, printable, write_file
from engine.cli.drawing.all_methods import request_by
from engine.errors import InvalidRequest
from engine.images.opening import open_own
from engine.images.pictures import fit, to_webp
from engine.requests.options.base import guessed

PROMPTS = ("a red owl in a forest", "a castle at sunset", "a blue fish")
"""The strip of a method shows one picture of each."""
SEED = 7
SIDE, QUALITY = 224, 80
FOLDER = Path("docs") / "pictures" / "methods"
PAINTED = MODELS[DEFAULT_MODEL].methods
"""The methods that the shipped model can paint by; others need weights that do not ship."""
SETTINGS: Mapping[str, Mapping[str, str]] = {"pixel_art": {"palette": "sweetie16", "augment": "cda", "cutouts": "8"}}
"""Where a picture shows more than the defaults do."""

gallery = typer.Typer(help="Pictures for the documentation.", no_args_is_help=True)


@gallery.callback()
def group() -> None:
    """Pictures for the documentation."""


@gallery.command()
def docs(
    only: Annotated[list[str] | None, typer.Option("--only", metavar="METHOD", help="Repeatable.")] = None,
    device: Device = "auto",
    threads: Threads = "1",
) -> None:
    """Paint a strip of three pictures by every method of the small model, into docs/pictures/methods."""
    if not FOLDER.parent.is_dir():
        raise InvalidRequest(f"{FOLDER.parent} does not exist: run this in the folder of the project.")
    for name in only or ():
        if name not in PAINTED:
            raise InvalidRequest(guessed(f"The small model does not support “{name}”", name, PAINTED))
    with Bar("Starting") as bar:
        studio = start_studio(Means(device, threads))
        for method in only or PAINTED:
            pictures = []
            for prompt in PROMPTS:
                bar.say(f"{method}: {prompt}")
                request = request_by(method, prompt, SEED, settings=SETTINGS.get(method))
                pictures.append(open_own(studio.paint(request, tell=bar.move).pictures[0].png))
            path = FOLDER / f"{method}.webp"
            write_file(path, to_webp(strip(pictures), QUALITY))
            typer.echo(f"{printable(path)}  {path.stat().st_size:,} bytes")


def strip(pictures: list[Image.Image]) -> Image.Image:
    """The pictures side by side, `SIDE` pixels high, with narrow white gaps."""
    gap = SIDE // 28
    sheet = Image.new("RGB", (len(pictures) * (SIDE + gap) - gap, SIDE), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(fit(picture, SIDE, SIDE), (number * (SIDE + gap), 0))
    return sheet
