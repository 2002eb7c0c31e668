"""`python -m engine dream "a red circle" --seed 7 --out circle.png`: paints images from a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.cli._dream.best_of import BestOf, check_wanted, choose, prepare
from engine.cli._dream.order import (
    DreamOrder,
    attach,
    check_beside,
    choose_order,
    find_place,
    icon_of,
    init_notes,
    painted_before,
    settings_of,
)
from engine.cli._dream.output import tell
from engine.cli._dream.run import Means, paint, start_studio
from engine.cli.console import INTERRUPTED, WRONG, Bar, Compiled, Device, PhaseTimer, Threads, print_note
from engine.images.timelapse import check_kind
from engine.requests.prompts import read_prompts
from engine.requests.request import METHODS, PROFILES, DreamRequest

PROMPT = typer.Argument(
    help="What to paint, as in “castle:2 | fog | people:-0.5”: parts separated by “|”, with optional weights.",
    show_default=False,
)
MODEL = typer.Option(
    help=f"{' or '.join(MODELS)}; default: {DEFAULT_MODEL}, or the first model that supports the method."
)
METHOD = typer.Option(help=f"{' or '.join(METHODS)}; default: the model's first method.")
SIZE = typer.Option(help="Width x height, as in 256x256, or a shape: 3:2, square, portrait; default: the model's size.")
MASK = typer.Option(help="With --init: white or transparent areas are painted, black ones kept.", show_default=False)
SET = typer.Option("--set", metavar="OPTION=VALUE", help="An option of the method (see below); repeatable.")
ADAPTER = typer.Option(
    metavar="NAME[:STRENGTH]", help="An adapter of the model, as in mine:0.6; repeatable.", show_default=False
)
REPLAY = typer.Option(help="Repaint this PNG from its replay record, and compare the pixels.", show_default=False)
OUT = typer.Option(
    help="A PNG file or a folder; with --count, each file name gets an index.", show_default="dream-SEED.png"
)
RESUME = typer.Option("--resume", help="Continue an interrupted command; finished images are kept.")
BEST = typer.Option(
    help="Rank the images by a CLIP that did not guide, and mark this many on a contact sheet.", show_default=False
)
GRADER = typer.Option(help="The CLIP that ranks; same names as for score.", show_default="one that did not guide")
ENLARGE = typer.Option("--upscale-best", help="Upscale the best images, too.")
EVOLUTION = typer.Option(help="A .gif, .webp or .mp4 timelapse of each image.", metavar="FILE", show_default=False)
SVG = typer.Option("--svg", help="clipdraw: also write the strokes of each image as an SVG.")
SPRITE = typer.Option("--sprite", help="pixel_art: also write each image with one pixel per cell.")
SNAPSHOTS = typer.Option(help="A folder for previews of every step.", show_default=False)


def dream(
    prompt: Annotated[str, PROMPT] = "",
    negative: Annotated[str, typer.Option(help="What to avoid.")] = "",
    model: Annotated[str, MODEL] = "",
    method: Annotated[str, METHOD] = "",
    size: Annotated[str, SIZE] = "",
    steps: Annotated[
        int | None, typer.Option(help="Number of steps; more is slower and cleaner.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed; the same seed gives the same image.", show_default="random")
    ] = None,
    count: Annotated[int, typer.Option(help="Number of images, with the seeds SEED, SEED+1, …")] = 1,
    init: Annotated[Path | None, typer.Option(help="An image to start from, or icon:NAME.", show_default=False)] = None,
    target: Annotated[Path | None, typer.Option(help="An image to approach, or icon:NAME.", show_default=False)] = None,
    mask: Annotated[Path | None, MASK] = None,
    profile: Annotated[str, typer.Option(help=f"A named set of options: {' or '.join(PROFILES)}.")] = "",
    adapter: Annotated[list[str] | None, ADAPTER] = None,
    settings: Annotated[list[str] | None, SET] = None,
    replay: Annotated[Path | None, REPLAY] = None,
    out: Annotated[Path | None, OUT] = None,
    resume: Annotated[bool, RESUME] = False,
    best: Annotated[int, BEST] = 0,
    grader: Annotated[str, GRADER] = "",
    upscale_best: Annotated[bool, ENLARGE] = False,
    evolution: Annotated[Path | None, EVOLUTION] = None,
    snapshots: Annotated[Path | None, SNAPSHOTS] = None,
    svg: Annotated[bool, SVG] = False,
    sprite: Annotated[bool, SPRITE] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the request and the results as JSON.")] = False,
    device: Device = "auto",
    threads: Threads = "auto",
    compiled: Compiled = False,
) -> None:
    """Paint PROMPT."""
    images: dict[str, bytes] = {}
    asked: dict[str, Any] = {
        "prompt": prompt,
        "model": model,
        "negative": negative,
        "method": method,
        "size": size,
        "steps": steps,
        "seed": seed,
        "count": count,
        "init_image": attach(init, images),
        "target_image": attach(target, images),
        "mask_image": attach(mask, images),
        "init_icon": icon_of(init),
        "target_icon": icon_of(target),
        "settings": settings_of(profile, settings, adapter),
    }
    wanted = BestOf(best, grader, upscale_best)
    check_wanted(wanted, count)
    if evolution:
        check_kind(evolution.suffix)
    order = choose_order(replay, resume, out, asked, images)
    beside = tuple(kind for kind, chosen in (("svg", svg), ("sprite", sprite)) if chosen)
    check_beside(beside, order.request)
    for note in [note for words in (prompt, negative) if words.strip() for note in read_prompts(words).notes]:
        print_note(note)
    for note in init_notes(order.request, images):
        print_note(note)
    place = find_place(out, str(order.out), resume=resume)
    order = replace(order, out=place, snapshots=snapshots, evolution=evolution, as_json=as_json, beside=beside)
    if not _fulfil(order, resume, wanted, Means(device, threads, compiled)):
        raise typer.Exit(WRONG)


def _fulfil(order: DreamOrder, resume: bool, wanted: BestOf, means: Means) -> bool:
    """Paints, ranks and reports. Returns False if a replay differs from its original."""
    before = painted_before(order) if resume else {}
    order.check_places()
    clock = PhaseTimer()
    try:
        with Bar("Starting") as bar:
            studio = start_studio(means)
            grading = prepare(order, wanted, studio)
            clock.begin()
            finished = paint(order, studio, bar, before)
            choice = choose(finished, wanted, grading, studio, bar) if grading else None
    except KeyboardInterrupt:
        print_note(_stopped(order))
        raise typer.Exit(INTERRUPTED) from None
    return tell(finished, clock, choice)


def _stopped(order: DreamOrder) -> str:
    """Number of finished images, and the command that continues."""
    count = order.request.count
    if count == 1:
        return "Stopped."
    there = sum(order.path(index).exists() for index in range(count))
    seed = f"--seed {order.request.seed} " if isinstance(order.request, DreamRequest) else ""
    return f"Stopped after {there} of {count} pictures. Run the same command with {seed}--resume to continue."
