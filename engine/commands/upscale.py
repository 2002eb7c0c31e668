"""`python -m engine upscale small.png --out large.png`: enlarge a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from engine.commands.console import Bar, Clock, Device, Threads, read_file
from engine.commands.order import Order
from engine.commands.painting import paint, start_studio
from engine.commands.telling import tell
from engine.errors import InvalidRequest
from engine.pictures import open_picture
from engine.requests import UpscaleRequest
from engine.upscalers import upscaler_names


def upscale(
    picture: Annotated[Path, typer.Argument(help="PNG, JPEG, WebP or GIF.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A PNG file.", show_default="NAME-x4.png")] = None,
    upscaler: Annotated[str, typer.Option(help=" or ".join(upscaler_names()))] = "primer",
    scale: Annotated[int, typer.Option(help="So many times larger, 2 to 8.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print one record of all that was asked and found.")] = False,
    device: Device = "auto",
    threads: Threads = "auto",
) -> None:
    """Enlarge PICTURE."""
    data = read_file(picture)
    image = open_picture(data)
    sha = hashlib.sha256(data).hexdigest()
    try:
        request = UpscaleRequest(image=sha, upscaler=upscaler, scale=scale, width=image.width, height=image.height)
    except ValidationError as error:
        raise InvalidRequest(f"A picture can be enlarged 2 to 8 times, not {scale} times.") from error
    place = out or Path(f"{picture.stem}-x{scale}.png")
    if place.suffix.lower() != ".png":
        raise InvalidRequest(f"Pictures are written as PNG; {place.name} is the name of something else.")
    clock = Clock()
    with Bar("Starting") as bar:
        studio = start_studio(device, threads)
        clock.begin()
        finished = paint(Order(request, {sha: data}, place, as_json=as_json), studio, bar)
    tell(finished, clock)
