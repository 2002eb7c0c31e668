"""`python -m engine film "an owl ^ a castle" --zoom 1.03`: frames that are each painted from the one before, moved.

`python -m engine evolution FOLDER --out film.mp4` makes a timelapse of saved snapshots. Imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from engine.cli._dream.order import attach, icon_of, init_notes, settings_of, unused
from engine.cli._dream.run import Means, start_studio
from engine.cli.console import (
    INTERRUPTED,
    Bar,
    Compiled,
    Device,
    Threads,
    check_writable,
    print_note,
    printable,
    write_file,
)
from engine.cli.dream import SET
from engine.errors import InvalidRequest
from engine.film.camera import EDGES
from engine.film.plan import Film, FilmSettings, frame_path, paint_film
from engine.images.opening import open_own, open_reduced, read_file
from engine.images.timelapse import FILM_FPS, LARGEST_SIDE, MOST_FPS, animate, check_kind, film_of
from engine.protocol.replay_record import read_record, replay_request
from engine.requests.icons import draw_icons
from engine.requests.request import DreamRequest, build_request

USUAL = FilmSettings()


def film(
    prompt: Annotated[str, typer.Argument(help="Scenes: “a ^ b”, or “0: a | 40: b” with frames.", show_default=False)],
    frames: Annotated[int, typer.Option(help="Number of frames.")] = USUAL.frames,
    fps: Annotated[int, typer.Option(help="Frames per second.")] = FILM_FPS,
    zoom: Annotated[str, typer.Option(help="Zoom per frame, or key frames as in 0:1, 50:1.05.")] = USUAL.zoom,
    angle: Annotated[str, typer.Option(help="Rotation per frame in degrees, counter-clockwise.")] = USUAL.angle,
    x: Annotated[str, typer.Option(help="Shift to the right per frame, in percent of the width.")] = USUAL.x,
    y: Annotated[str, typer.Option(help="Shift downwards per frame, in percent of the height.")] = USUAL.y,
    edges: Annotated[str, typer.Option(help=f"What appears at the edge: {', '.join(EDGES)}.")] = USUAL.edges,
    fade: Annotated[int, typer.Option(help="Frames in which one scene turns into the next.")] = USUAL.fade,
    keep: Annotated[
        float, typer.Option(help="clip_diffusion: share of the steps that later frames skip.")
    ] = USUAL.keep,
    frame_steps: Annotated[
        int, typer.Option(help="vqgan_clip: steps of later frames; 0 = a tenth.")
    ] = USUAL.frame_steps,
    hold: Annotated[float, typer.Option(help="init_scale or init_weight of later frames.")] = USUAL.hold,
    hold_by: Annotated[
        str, typer.Option(help="clip_diffusion: pixels, features or lpips; see init_distance.")
    ] = USUAL.hold_by,
    model: Annotated[str, typer.Option(help="Model name; see models.", show_default=False)] = "",
    method: Annotated[str, typer.Option(help="clip_diffusion or vqgan_clip.", show_default=False)] = "",
    negative: Annotated[str, typer.Option(help="What to avoid.", show_default=False)] = "",
    size: Annotated[str, typer.Option(help="Width × height, as in 512x288.", show_default=False)] = "",
    steps: Annotated[int | None, typer.Option(help="Steps of the first frame.", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the first frame; frame n adds n.", show_default=False)
    ] = None,
    init: Annotated[Path | None, typer.Option(help="An image to start from.", show_default=False)] = None,
    profile: Annotated[str, typer.Option(help="A named set of options; see profiles.")] = "",
    settings: Annotated[list[str] | None, SET] = None,
    out: Annotated[Path | None, typer.Option(help="A .webp, .gif or .mp4 file.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option(help="Continue a film whose frames were painted in part.")] = False,
    device: Device = "auto",
    threads: Threads = "auto",
    compiled: Compiled = False,
) -> None:
    """Paint a film: each frame starts from the one before, moved. The camera moves in two dimensions."""
    images: dict[str, bytes] = {}

    def ask(words: str) -> DreamRequest:
        """The request of one scene; its attachments are added to *images*."""
        asked = build_request(
            words,
            model=model,
            negative=negative,
            method=method,
            size=size,
            steps=steps,
            seed=seed,
            init_image=attach(init, images),
            init_icon=icon_of(init),
            settings=settings_of(profile, settings),
        )
        return draw_icons(asked, images)

    wanted = FilmSettings(frames, zoom, angle, x, y, edges, fade, keep, frame_steps, hold, hold_by).plan(prompt, ask)
    if not 1 <= fps <= MOST_FPS:
        raise InvalidRequest(f"--fps {fps} is out of range (1–{MOST_FPS}).")
    if resume and seed is None and out is None:
        raise InvalidRequest("--resume needs the --seed of the interrupted film, or its --out.")
    place = _place(out, wanted.first.seed, resume)
    folder = place.with_name(f"{place.stem}-frames")
    if resume and seed is None:
        wanted = _with_seed_of(wanted, folder)
    elif not resume and frame_path(folder, 0).exists():
        raise InvalidRequest(f"{folder} has the frames of a film. Continue it with --resume, or choose another --out.")
    for note in init_notes(wanted.first, images):
        print_note(note)
    paths = _painted(wanted, images, folder, resume, Means(device, threads, compiled))
    write_file(place, film_of((open_own(read_file(path)) for path in paths), place.suffix, fps))
    typer.echo(f"{printable(place)}  {frames} frames, {frames / fps:.1f} s, seed {wanted.first.seed}")
    typer.echo(f"{printable(folder)}")


def _place(out: Path | None, seed: int, resume: bool) -> Path:
    """The film's file: *out*, or its usual name. Raises InvalidRequest for another kind, or where it cannot be."""
    usual = Path(f"film-{seed}.webp")
    place = out or (usual if resume else unused(usual))
    check_kind(place.suffix)
    check_writable(place)
    return place


def _with_seed_of(wanted: Film, folder: Path) -> Film:
    """*wanted* with the seed of the film whose frames are in *folder*. Raises InvalidRequest."""
    first = frame_path(folder, 0)
    if not first.exists():
        raise InvalidRequest(f"Nothing to resume in {folder}; to start, leave out --resume or give a --seed.")
    asked = replay_request(read_record(read_file(first)))
    if not isinstance(asked, DreamRequest):
        raise InvalidRequest(f"{first} is in the way of --resume: it was upscaled, not painted.")
    return replace(wanted, first=wanted.first.model_copy(update={"seed": asked.seed}))


def _painted(wanted: Film, images: dict[str, bytes], folder: Path, resume: bool, means: Means) -> list[Path]:
    """All frames, on disk. Ctrl-C keeps those that are finished."""
    notes: dict[str, None] = {}
    try:
        with Bar("Starting") as bar:
            studio = start_studio(means)

            def paint(frame: int, request: DreamRequest, own: dict[str, bytes]) -> bytes:
                bar.count("Frame", frame, wanted.frames)
                done = studio.paint(request, {**images, **own})
                picture = done.pictures[0]
                notes.update(dict.fromkeys((*done.notes, *cast(Any, picture.facts["notes"]))))
                return picture.png

            paths = paint_film(wanted, folder, paint, write_file, resume=resume)
    except KeyboardInterrupt:
        done = sum(frame_path(folder, frame).exists() for frame in range(wanted.frames))
        print_note(
            f"Stopped after {done} of {wanted.frames} frames. "
            f"Run the same command with --seed {wanted.first.seed} --resume to continue."
        )
        raise typer.Exit(INTERRUPTED) from None
    for note in notes:
        print_note(note)
    return paths


STEP = re.compile(r"(?P<name>.+)-(?P<index>\d+)-step-(?P<step>\d+)\.webp")
"""File names of `dream --snapshots`."""
MOST = 5000
LARGEST = max(LARGEST_SIDE.values())


def evolution(
    folder: Annotated[Path, typer.Argument(help="The folder of dream --snapshots.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A .gif, .webp or .mp4 file.", show_default="evolution.webp")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="The finished picture, as the last frame.", show_default=False)
    ] = None,
    of: Annotated[
        str,
        typer.Option(
            help="Which picture, if there are several: NAME-INDEX, the start of its file names.", show_default=False
        ),
    ] = "",
) -> None:
    """Make a timelapse of one picture from the snapshots in FOLDER."""
    place = out or Path("evolution.webp")
    check_kind(place.suffix)
    check_writable(place)
    snapshots = _snapshots(folder)
    if of and of not in snapshots:
        raise InvalidRequest(f"{folder} has no snapshots of {of}. Available: {_listed(snapshots)}.")
    if not of and len(snapshots) > 1:
        raise InvalidRequest(f"{folder} has snapshots of several pictures. Choose one with --of: {_listed(snapshots)}.")
    paths = [path for _, path in sorted(snapshots[of or next(iter(snapshots))])]
    frames = [open_reduced(read_file(path), LARGEST) for path in [*paths, *([picture] if picture else [])]]
    place = out or unused(place)
    write_file(place, animate(frames, place.suffix))
    typer.echo(f"{printable(place)}  {len(frames)} pictures")


def _snapshots(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Picture → (step, file) of its snapshots. Raises InvalidRequest if there are none."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder of snapshots.")
    snapshots: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := STEP.fullmatch(path.name):
            snapshots.setdefault(f"{match['name']}-{match['index']}", []).append((int(match["step"]), path))
    if not snapshots:
        raise InvalidRequest(f"{folder} has no snapshots. `dream --snapshots FOLDER` saves them.")
    if max(map(len, snapshots.values())) > MOST:
        raise InvalidRequest(f"{folder} has more than {MOST} snapshots of one picture.")
    return snapshots


def _listed(snapshots: dict[str, list[tuple[int, Path]]]) -> str:
    names = [printable(name) for name in snapshots]
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
