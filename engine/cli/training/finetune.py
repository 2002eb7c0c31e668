"""`python -m engine train FOLDER`: a diffusion model on your own pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import TextColumn
from rich.table import Table
from typer.core import TyperGroup

from engine.cli._dream.order import find_place
from engine.cli.console import INTERRUPTED, Bar, calm_torch, check_writable, errors, printable, write_file
from engine.errors import InvalidRequest
from engine.training.progress import Reporter, clock_time

if TYPE_CHECKING:
    from engine.training.finetune.picture_cache import PictureCache


class TrainBar(Reporter):
    """Context manager: shows progress, images per second, time left, loss and GPU memory."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        share, told = TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[told]}", markup=False)
        self._bar = Bar(name, share, told, told="")
        self._bar.count(name, 0, 1)

    def __enter__(self) -> TrainBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def reading(self, done: int, of: int) -> None:
        """Show that *done* of *of* files are read."""
        self._bar.update(self._bar.only, completed=done / of, told=f"reading {done:,} of {of:,} files")

    def progress(self, done: float, pictures: int, rate: float, eta: float, facts: Mapping[str, float]) -> None:
        if self._bar.disable:
            super().progress(done, pictures, rate, eta, facts)
            return
        told = "  ".join(f"{key} {value:.4g}" for key, value in facts.items())
        self._bar.update(self._bar.only, completed=done, told=f"{rate:.1f}/s  {clock_time(eta)} left  {told}")

    def note(self, text: str) -> None:
        errors.print(escape(text), soft_wrap=True)


MOST_NAMED = 12
"""Classes that `prepare` names."""


class _RunByDefault(TyperGroup):
    """`train FOLDER` is `train run FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


finetune = typer.Typer(no_args_is_help=True, cls=_RunByDefault)
out = Console(highlight=False, emoji=False, soft_wrap=True)

Size = Annotated[
    int | None,
    typer.Option(
        "--image_size",
        "--image-size",
        min=8,
        max=1024,
        help="Pixels a side; without it, those of the weights.",
        show_default=False,
    ),
]
Source = Annotated[str, typer.Option("--from", help="primer, a checkpoint's name (lsun-bedroom), a file, or scratch.")]
Shape = Annotated[Literal["crop", "pad"], typer.Option(help="Cut the middle out, or pad with the mean colour.")]
MinSide = Annotated[
    int, typer.Option("--min_side", "--min-side", min=0, help="Least shorter side in pixels; 0 = image_size.")
]
CacheSize = Annotated[
    float,
    typer.Option("--cache_gb", "--cache-gb", min=0, help="Disk for decoded pictures of all runs; 0 = use memory."),
]


@finetune.callback()
def about() -> None:
    """Train a diffusion model on your own pictures."""


@finetune.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Your pictures.", show_default=False)],
    source: Source = "primer",
    image_size: Size = None,
    shape: Shape = "crop",
    min_side: MinSide = 0,
    cache_gb: CacheSize = 20.0,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Where to write the contact sheet: a PNG or a folder.", show_default="contact-sheet.png"),
    ] = None,
) -> None:
    """Show what a run would learn from: counts, the files left out and why, a contact sheet."""
    from engine.images.pictures import to_png
    from engine.training.finetune.pictures import read_classes, read_folder
    from engine.training.finetune.start import image_size_of

    check_writable(find_place(sheet, "contact-sheet.png", resume=True))
    with Bar("Reading") as bar:
        found = read_folder(
            folder,
            image_size or image_size_of(source),
            shape=shape,
            min_side=min_side,
            cache=_cache(cache_gb),
            progress=lambda done, of: bar.count("Reading", done, of),
        )
    captions = sum(map(bool, found.captions))
    out.print(f"{len(found.files):,} pictures, {captions:,} of them with captions; {len(found.skipped):,} left out.")
    with contextlib.suppress(InvalidRequest):  # files without classes
        names, labels = read_classes(found.files)
        counts = ", ".join(f"{name} {labels.count(number):,}" for number, name in enumerate(names[:MOST_NAMED]))
        if len(names) > 1:
            more = ", …" if len(names) > MOST_NAMED else ""
            out.print(escape(printable(f"{len(names):,} classes for a net with classes: {counts}{more}")))
    if found.skipped:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for item in found.skipped:
            table.add_row(escape(printable(item.file)), escape(printable(item.why)))
        out.print(table)
    place = find_place(sheet, "contact-sheet.png")  # only now, because FOLDER may be its place
    write_file(place, to_png(found.sheet()))
    out.print(escape(printable(place)))


@finetune.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Your pictures.", show_default=False)],
    name: Annotated[str, typer.Option("--out", help="Name of the new model.", show_default=False)],
    source: Source = "primer",
    shape: Shape = "crop",
    min_side: MinSide = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    anew: Annotated[bool, typer.Option("--anew", help="Delete an earlier run of this name and start again.")] = False,
    merge: Annotated[bool, typer.Option("--merge", help="With --lora: make a model, not an adapter.")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Install the last weights, not those with the lowest held-out loss.")
    ] = False,
    cache_gb: CacheSize = 20.0,
) -> None:
    """Train the model NAME on the pictures in FOLDER; `train FOLDER` is short for this.

    Further options have guided-diffusion's names (--image_size 256 --learn_sigma True --lr 5e-6); `train options` lists
    them. The same command resumes an interrupted run.
    """
    calm_torch()
    from engine.catalogue.registry import is_configured
    from engine.primer.folder import training_folder
    from engine.runtime.device import find_device
    from engine.training.finetune.command import Training
    from engine.training.finetune.options import read_words
    from engine.training.finetune.ranks import join

    flags, options = read_words(context.args)
    if is_configured(name):
        raise InvalidRequest(f"[models.{name}] in config.toml would hide the result; choose another --out.")
    ranks = join(options.batch_size)
    wanted = f"cuda:{ranks.local}" if ranks.world > 1 and device == "auto" and _has_cuda() else device
    with TrainBar(name) as bar:
        training = Training(
            folder, name, source, flags, options, training_folder() / "finetune", shape=shape, min_side=min_side,
            device=find_device(wanted), reporter=bar, ranks=ranks, anew=anew, merge=merge, cache=_cache(cache_gb),
            progress=bar.reading,
        )  # fmt: skip
        tuner, found = training.tuner, training.found
        if ranks.leads:
            bar.note(f"{len(found.files):,} pictures, {len(found.skipped):,} left out (`train prepare` lists them).")
            for note in filter(None, (found.note, training.start.note, training.note)):
                bar.note(note)
            if training.resumed:
                bar.note(f"Resuming at step {tuner.step:,}.")
        try:
            tuner.run(name)
        except KeyboardInterrupt:
            bar.note(f"Stopped at step {tuner.step:,}, and saved; the same command resumes.")
            raise typer.Exit(INTERRUPTED) from None
    if ranks.leads:
        place = training.finish(last=last)
        if training.choice:
            bar.note(training.choice)
        out.print(f"{escape(str(place))}\nReport: {escape(str(tuner.folder / 'report.html'))}")
        kind = "adapter" if training.is_adapter else "model"
        out.print(f"Paint with it: python -m engine dream “…” --{kind} {name}")
        out.print(f"A running bot offers /dream {kind}:{name} within 15 seconds.")
    ranks.leave()


@finetune.command()
def options() -> None:
    """List all options of a run, with guided-diffusion's names."""
    from engine.training.finetune.options import NET_FLAGS, option_rows

    table = Table("option", "default", "", box=None, header_style="dim", pad_edge=False)
    for name, default, about in option_rows():
        table.add_row(f"--{name}", escape(str(default)), escape(about))
    out.print(table)
    out.print(f"Flags of the net: {', '.join(sorted(NET_FLAGS - {name for name, *_ in option_rows()}))}.")


@finetune.command()
def export(
    name: Annotated[str, typer.Argument(help="The model.", show_default=False)],
    to: Annotated[Path, typer.Option(help="A .pt file.", show_default=False)],
) -> None:
    """Write a model in guided-diffusion's own format, and print the flags that its code needs."""
    calm_torch()
    from engine.training.finetune.result import export as write

    out.print(escape(f"{write(name, to)}"))
    errors.print(escape(str(to)), soft_wrap=True)


def _cache(gigabytes: float) -> PictureCache | None:
    from engine.primer.folder import training_folder
    from engine.training.finetune.picture_cache import PictureCache

    return PictureCache(training_folder() / "pictures", round(gigabytes * 1e9)) if gigabytes else None


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
