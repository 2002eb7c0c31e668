"""Paints prompts by several methods: for `compare --methods`, and for the documentation (`gallery docs`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.cli._dream.order import Done, DreamOrder
from engine.cli._dream.run import Means, paint, start_studio
from engine.cli.console import Bar, Device, Threads, check_writable, print_note, printable, write_file
from engine.errors import DreamError, InvalidRequest
from engine.images.opening import open_own, open_reduced
from engine.images.pictures import contact_sheet, fit, to_png, to_webp
from engine.requests.options.base import guessed
from engine.requests.request import MAX_SEED, METHODS, DreamRequest, build_request, painter_by

ALL = "all"
SHEET = "sheet.png"
SIDE = 256
"""Pixels of the shorter side of a picture on the sheet."""


def read_methods(text: str) -> tuple[str, ...]:
    """``all``, or ``pixels,clipdraw``. Raises InvalidRequest for an unknown name, or for one method alone."""
    if text.strip() == ALL:
        return tuple(METHODS)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in METHODS:
            raise InvalidRequest(guessed(f"Unknown method “{name}”", name, METHODS))
    if len(names) < 2:
        raise InvalidRequest("Name at least two methods to compare, as in --methods pixels,clipdraw, or all.")
    return names


def paint_methods(
    methods: Sequence[str], prompt: str, folder: Path, seed: int | None, steps: int | None, device: str
) -> list[Path]:
    """Paint ``METHOD.png`` by each method, and a sheet, into *folder*; returns the pictures. Raises DreamErrors.

    Methods whose weights are missing are named on stderr and left out.
    """
    drawn = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
    requests = {method: request_by(method, prompt, drawn, steps) for method in methods}
    for place in (folder / SHEET, *(folder / f"{method}.png" for method in methods)):
        check_writable(place)
    with Bar("Starting") as bar:
        studio = start_studio(Means(device))
        ready = studio.ready
        done: dict[str, Done] = {}
        for method, request in requests.items():
            if request.model not in ready.models:
                reason = ready.unavailable.get(request.model, "its weights are missing").partition("; run ")[0]
                print_note(f"{method} is left out: {request.model} – {reason}")
                continue
            bar.say(f"Painting by {method}")
            try:
                (done[method],) = paint(DreamOrder(request, {}, folder / f"{method}.png"), studio, bar).pictures
            except DreamError as error:  # the other methods can still paint
                print_note(f"{method} is left out: {error}")
    if len(done) < 2:
        raise InvalidRequest("Fewer than two of these methods could paint, so there is nothing to compare.")
    images = [open_reduced(one.path.read_bytes(), SIDE) for one in done.values()]
    write_file(folder / SHEET, to_png(contact_sheet(images, list(done))))
    print_note(f"seed {drawn}; {folder / SHEET} shows them side by side")
    return [one.path for one in done.values()]


def request_by(
    method: str, prompt: str, seed: int, steps: int | None = None, settings: Mapping[str, str] | None = None
) -> DreamRequest:
    """The default request for *method*, with the default model if possible. Methods without steps ignore *steps*."""
    model = painter_by(method, DEFAULT_MODEL)
    counted = steps if METHODS[method].guided else None
    return build_request(prompt, model=MODELS[model].name, method=method, seed=seed, steps=counted, settings=settings)


PROMPTS = ("a red owl in a forest", "a castle at sunset", "a blue fish")
"""The strip of a method shows one picture of each."""
SEED = 7
STRIP, QUALITY = 224, 80
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
    """The pictures side by side, `STRIP` pixels high, with narrow white gaps."""
    gap = STRIP // 28
    sheet = Image.new("RGB", (len(pictures) * (STRIP + gap) - gap, STRIP), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(fit(picture, STRIP, STRIP), (number * (STRIP + gap), 0))
    return sheet
