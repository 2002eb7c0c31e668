"""`python -m engine primer …`: the small models that ship with the package, and the painter that taught them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from engine.cli._dream.order import find_place, unused
from engine.cli.console import INTERRUPTED, Threads, calm_torch, check_writable, errors, write_file
from engine.images.pictures import contact_sheet, to_png

Minutes = Annotated[float, typer.Option(min=0, help="Minutes to train; 0 = as the recipe says.")]
Pictures = Annotated[int, typer.Option(min=500, help="Number of painted training pictures.")]

MALLOC: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""A malloc that keeps what it has; glibc reads these once, when a process starts.

By default it gives every freed tensor back to the kernel and faults it in again page by page; on a small net that was
35,000 page faults in five steps, and a quarter of the time.
"""


def train(
    net: Annotated[
        str,
        typer.Argument(help="clip, composer, grader, classifier, diffusion, upscaler or vqgan.", show_default=False),
    ],
    minutes: Minutes = 0.0,
    pictures: Pictures = 150_000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    threads: Threads = "auto",
    anew: Annotated[bool, typer.Option("--anew", help="Start a new run instead of resuming.")] = False,
    start: Annotated[Path | None, typer.Option(help="Finished weights to begin with, instead of random ones.")] = None,
    install: Annotated[bool, typer.Option("--install", help="Install the weights when the run is finished.")] = False,
) -> None:
    """Train the small model NET from scratch: paint its pictures, train it, and print its quality.

    The same command resumes an interrupted run. Only a finished model is installed. The files are in
    DREAMBOT_TRAINING, or in the user's cache folder.
    """
    keep_memory()
    calm_torch()
    from engine.primer.tasks import remake
    from engine.runtime.device import find_device
    from engine.runtime.tuning import Threads as Pace

    pace = Pace(threads, os.cpu_count() or 1)
    run = remake.trainer(net, minutes=minutes, pictures=pictures, device=find_device(device), start=start, anew=anew)
    if run.device.type == "cpu":
        run.threads = pace
    if not anew and run.resume():
        finished = "already finished, and nothing has changed since; --anew trains it again"
        typer.echo(f"{net}: {finished if run.finished else f'continuing at step {run.step:,}'}")
    try:
        scores = run.run()
    except KeyboardInterrupt:
        again = "the same command without --anew" if anew else "the same command"
        errors.print(f"Stopped at step {run.step:,}, and saved; {again} continues.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    typer.echo(str(remake.install(run, net) if install else run.folder / "weights.safetensors"))


def keep_memory() -> None:
    """Start this program again with `MALLOC` set, once, on Linux; elsewhere, or if it is set already, do nothing."""
    if not sys.platform.startswith("linux") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **MALLOC})  # noqa: S606 -- the same program


primer = typer.Typer(help="The small models that ship with the package.", no_args_is_help=True)


@primer.callback()
def about() -> None:
    """The small models that ship with the package."""


@primer.command()
def paint(
    caption: Annotated[str, typer.Argument(help="As in “a red circle on a blue background”.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A PNG file, or a folder.", show_default="painted.png")] = None,
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
    out: Annotated[Path | None, typer.Option(help="A safetensors file.", show_default="average.safetensors")] = None,
) -> None:
    """Average FILES, the results of runs with different seeds, into one file of weights."""
    from engine.primer.tasks import remake

    if len(files) < 2:
        raise typer.BadParameter("An average needs two files or more.", param_hint="FILES")
    place = out or unused(Path("average.safetensors"))
    check_writable(place)
    remake.average(files, place)
    typer.echo(str(place))
