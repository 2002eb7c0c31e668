"""`python -m engine upscale small.png --out large.png`: upscales images and folders of images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from engine.cli._dream.order import DreamOrder, unused
from engine.cli._dream.output import tell
from engine.cli._dream.run import Means, paint, start_studio
from engine.cli.console import (
    MISTAKE,
    Bar,
    Device,
    PhaseTimer,
    Threads,
    check_writable,
    is_folder,
    print_note,
)
from engine.errors import DreamError, InvalidRequest
from engine.images.opening import NAMES, SUFFIXES_READ, open_own, read_file, stored_size
from engine.images.pictures import SUFFIXES
from engine.requests.request import AUTO, LEARNED, SHIPPED, USUAL_SCALE, UpscaleRequest
from engine.requests.upscaling import BLEND, MILDER, SCALES_SAID
from engine.upscalers import check_known, check_large, check_share

PICTURES = typer.Argument(help=f"{NAMES}, HEIC; a folder stands for its images.", show_default=False)
OUT = typer.Option(help="A PNG, WebP or JPEG file, or a folder for several images.", show_default="NAME-x4.png")
DENOISE = typer.Option(
    help="realesr-general: 1 removes all noise, 0 keeps it; needs realesr-general-wdn.", show_default=False
)
UPSCALER = typer.Option(help=f"auto = the best installed one of {', '.join((*LEARNED, *SHIPPED))} and your own.")


def upscale(
    pictures: Annotated[list[Path], PICTURES],
    out: Annotated[Path | None, OUT] = None,
    upscaler: Annotated[str, UPSCALER] = AUTO,
    scale: Annotated[
        float, typer.Option(help="Factor, 1 to 8, as in 1.5; 1 is for nets that restore.", show_default="4")
    ] = USUAL_SCALE,
    denoise: Annotated[float | None, DENOISE] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the request and the result of each image as JSON.")
    ] = False,
    device: Device = "auto",
    threads: Threads = "auto",
) -> None:
    """Upscale PICTURES. A PNG holds its replay record and that of its original."""
    scale = int(scale) if scale.is_integer() else scale
    if denoise is not None:
        upscaler = blend_of(upscaler, denoise)
    if upscaler != AUTO:
        check_known(upscaler)
    elif scale == 1:
        raise InvalidRequest("A scale of 1 is for nets that restore pictures: name one with --upscaler.")
    several = len(pictures) > 1 or pictures[0].is_dir()
    files = find_pictures(pictures)
    places = find_places(files, out, scale, several=several)
    if not several:  # before torch is imported: a mistake is said at once
        first = _order(files[0], places[0], upscaler, scale, as_json)
    for place in places:
        check_writable(place)
    clock = PhaseTimer()
    with Bar("Starting") as bar:
        studio = start_studio(Means(device, threads))
        clock.begin()
        finished = None if several else paint(first, studio, bar)
    if finished:
        tell(finished, clock)
        return
    failed = 0
    for path, place in zip(files, places, strict=True):
        clock = PhaseTimer()
        try:
            with Bar(path.name) as bar:
                finished = paint(_order(path, place, upscaler, scale, as_json), studio, bar)
            tell(finished, clock)
        except DreamError as error:  # the others are not to blame
            print_note(f"{path}: {error}")
            failed += 1
    if failed:
        print_note(f"{failed} of {len(files)} could not be enlarged.")
        raise typer.Exit(MISTAKE)


def blend_of(upscaler: str, denoise: float) -> str:
    """The name of the blend of two nets. Raises InvalidRequest for other upscalers."""
    name = next(iter(MILDER)) if upscaler == AUTO else upscaler
    if name not in MILDER:
        raise InvalidRequest(f"--denoise blends two nets of {' or '.join(MILDER)}; {name} is only one.")
    check_share(str(denoise))
    return f"{name}{BLEND}{denoise:g}"


def find_pictures(given: Sequence[Path]) -> list[Path]:
    """The given files; a folder is replaced by its images by name. Raises InvalidRequest for an empty folder."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES_READ and p.is_file())
            if not inside:
                raise InvalidRequest(f"There are no pictures in {path} (of {NAMES} or HEIC).")
            found += inside
        else:
            found.append(path)
    return found


def find_places(files: Sequence[Path], out: Path | None, scale: float, *, several: bool) -> list[Path]:
    """Where each of them goes. Raises InvalidRequest where two would have one place, or the name is of another kind."""
    if out is not None and out.suffix and not is_folder(out):
        if several:
            raise InvalidRequest(f"{out.name} names one picture; for several pictures, --out must be a folder.")
        if out.suffix.lower() not in SUFFIXES:
            raise InvalidRequest(
                f"Pictures are written as PNG, WebP or JPEG; {out.name} is the name of something else."
            )
        return [out]
    places = [(out or Path()) / f"{path.stem}-x{scale:g}.png" for path in files]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise InvalidRequest(f"Two of these pictures would be written to {twice}; upscale them separately.")
    return [unused(place) for place in places]


def _order(path: Path, place: Path, upscaler: str, scale: float, as_json: bool) -> DreamOrder:
    data = read_file(path)
    width, height = stored_size(data)
    sha = hashlib.sha256(data).hexdigest()
    try:
        request = UpscaleRequest(image=sha, upscaler=upscaler, scale=scale, width=width, height=height)
    except ValidationError as error:
        raise InvalidRequest(f"{SCALES_SAID}, not {scale:g} times.") from error
    check_large(width, height, scale)
    width, height = open_own(data).size  # the way it stands; a broken one is found before torch is imported
    return DreamOrder(
        request.model_copy(update={"width": width, "height": height}), {sha: data}, place, as_json=as_json
    )
