"""`python -m engine dream "a red circle" --seed 7 --out circle.png`: from words to pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.best import Wanted, check_wanted, choose
from engine.commands.console import INTERRUPTED, WRONG, Bar, Clock, Compiled, Device, Threads, errors, read_file
from engine.commands.order import Done, Order, begun_seed, painted_before
from engine.commands.painting import Means, paint, start_studio
from engine.commands.telling import tell
from engine.course import Script, read_script
from engine.errors import InvalidRequest
from engine.evolution import check_kind
from engine.models import DEFAULT_MODEL, MODELS
from engine.replay import check_model, read_record, replay_request
from engine.requests import METHODS, PROFILES, DreamRequest, build_request, parse_settings

PROMPT = typer.Argument(
    help="What to paint, as in “castle:2 | fog | people:-0.5”: parts, and weights if they differ.", show_default=False
)
MODEL = typer.Option(
    help=f"{' or '.join(MODELS)}; if empty {DEFAULT_MODEL}, or the first that can paint by the method."
)
METHOD = typer.Option(help=f"{' or '.join(METHODS)}; if empty the model's usual one.")
SIZE = typer.Option(help="Width x height, as in 256x256; if empty the model's usual one.")
SET = typer.Option("--set", metavar="OPTION=VALUE", help="An option of the method (below); repeatable.")
REPLAY = typer.Option(help="Paint this PNG again from the record in it, and compare.", show_default=False)
OUT = typer.Option(
    help="A PNG file, or a folder; of many, each has its index in its name.", show_default="dream-SEED.png"
)
RESUME = typer.Option("--resume", help="Go on where the same command was interrupted: what is finished stays.")
BEST = typer.Option(help="Rank them by a CLIP that did not guide, draw a sheet and mark so many.", show_default=False)
GRADER = typer.Option(help="The CLIP that ranks; as for score.", show_default="one that did not guide")
ENLARGE = typer.Option("--upscale-best", help="Enlarge the best as well.")
EVOLUTION = typer.Option(
    help="A .gif, .webp or .mp4 of how each picture came to be.", metavar="FILE", show_default=False
)


def dream(
    prompt: Annotated[str, PROMPT] = "",
    negative: Annotated[str, typer.Option(help="What to keep away from.")] = "",
    model: Annotated[str, MODEL] = "",
    method: Annotated[str, METHOD] = "",
    size: Annotated[str, SIZE] = "",
    steps: Annotated[int | None, typer.Option(help="More is slower and cleaner.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds, equal pictures.", show_default="random")] = None,
    count: Annotated[int, typer.Option(help="So many pictures, with the seeds SEED, SEED+1, …")] = 1,
    init: Annotated[Path | None, typer.Option(help="A picture to start from.", show_default=False)] = None,
    target: Annotated[Path | None, typer.Option(help="A picture to come near to.", show_default=False)] = None,
    mask: Annotated[
        Path | None, typer.Option(help="With --init: painted where it is white, kept where black.", show_default=False)
    ] = None,
    profile: Annotated[str, typer.Option(help=f"A word for many options: {' or '.join(PROFILES)}.")] = "",
    settings: Annotated[list[str] | None, SET] = None,
    replay: Annotated[Path | None, REPLAY] = None,
    out: Annotated[Path | None, OUT] = None,
    resume: Annotated[bool, RESUME] = False,
    best: Annotated[int, BEST] = 0,
    grader: Annotated[str, GRADER] = "",
    upscale_best: Annotated[bool, ENLARGE] = False,
    evolution: Annotated[Path | None, EVOLUTION] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="A folder for the pictures on the way.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one record of all that was asked and found.")] = False,
    device: Device = "auto",
    threads: Threads = "auto",
    compiled: Compiled = False,
) -> None:
    """Paint PROMPT."""
    images: dict[str, bytes] = {}
    asked: dict[str, Any] = {
        "negative": negative,
        "method": method,
        "size": size,
        "steps": steps,
        "seed": seed,
        "init_image": _attach(init, images),
        "target_image": _attach(target, images),
        "mask_image": _attach(mask, images),
        "settings": ({"profile": profile} if profile else {}) | parse_settings(" ".join(settings or ())),
    }
    wanted = Wanted(best, grader, upscale_best)
    check_wanted(wanted, count)
    if evolution:
        check_kind(evolution.suffix)
    original, script = b"", None
    if replay:
        if resume or count > 1:
            raise InvalidRequest("--replay paints one picture, and all of it; leave out --resume and --count.")
        request, script, original = _replayed(replay, prompt, model, asked, images)
        out = out or Path(f"{replay.stem}-again.png")
    else:
        if resume and count == 1:
            raise InvalidRequest("--resume goes on with several pictures: give the --count of all of them.")
        if resume and seed is None:
            asked["seed"] = begun_seed(_named(out))
        request = build_request(prompt, model=model, count=count, **asked)
    order = Order(request, images, _place(out, request.seed), snapshots, evolution, as_json, script, original)
    if not _fulfil(order, painted_before(order) if resume else {}, wanted, Means(device, threads, compiled)):
        raise typer.Exit(WRONG)


def _fulfil(order: Order, before: dict[int, Done], wanted: Wanted, means: Means) -> bool:
    """Paint, choose, tell; False if a replay is not equal to its original."""
    clock, count = Clock(), order.request.count
    try:
        with Bar("Starting") as bar:
            studio = start_studio(means)
            clock.begin()
            finished = paint(order, studio, bar, before)
            choice = choose(finished, wanted, studio, bar) if wanted.best else None
    except KeyboardInterrupt:
        there = sum(order.path(index).exists() for index in range(count))
        seed = f"--seed {order.request.seed} " if isinstance(order.request, DreamRequest) else ""
        words = f"Stopped with {there} of {count} pictures there; the same command with {seed}--resume goes on."
        errors.print(words if count > 1 else "Stopped.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    return tell(finished, clock, choice)


def _replayed(
    path: Path, prompt: str, model: str, asked: dict[str, Any], images: dict[str, bytes]
) -> tuple[DreamRequest, Script, bytes]:
    """The request in a PNG, how its steps were run, and the PNG itself."""
    given = {"prompt": prompt, "model": model, **asked}
    changed = [name for name, value in given.items() if value not in ("", None, {}) and not name.endswith("_image")]
    if changed:
        raise InvalidRequest(f"--replay paints the picture as it was; leave out {', '.join(changed)}.")
    png = read_file(path)
    record = read_record(png)
    request = replay_request(record)
    if not isinstance(request, DreamRequest):
        raise InvalidRequest(f"{path} was enlarged, not painted; use upscale with the picture that it was made from.")
    check_model(request)
    missing = [sha for sha in request.images if sha not in images]
    if missing:
        raise InvalidRequest(
            f"This picture was painted from another one (SHA-256 {missing[0][:12]}…): "
            "add it by --init, --target or --mask."
        )
    return request, read_script(record["resolved"]), png


def _attach(path: Path | None, images: dict[str, bytes]) -> str:
    """Put a file among *images*; returns its SHA-256, or nothing for no file."""
    if path is None:
        return ""
    data = read_file(path)
    sha = hashlib.sha256(data).hexdigest()
    images[sha] = data
    return sha


def _named(out: Path | None) -> Path:
    """The file by which a resumed order is found again."""
    if out is None or out.is_dir() or not out.suffix:
        raise InvalidRequest("--resume needs the --seed of the first time, or the PNG file that --out named.")
    return out


def _place(out: Path | None, seed: int) -> Path:
    """Where the picture goes; raises InvalidRequest for a name that is not a PNG's."""
    name = f"dream-{seed}.png"
    if out is None:
        return Path(name)
    if out.is_dir() or not out.suffix:
        return out / name
    if out.suffix.lower() != ".png":
        raise InvalidRequest(
            f"Pictures are written as PNG, which holds the record of how they were made; not {out.name}."
        )
    return out
