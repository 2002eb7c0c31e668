"""`python -m engine dream "a red circle" --seed 7 --out circle.png`: from words to pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.console import Device, Threads, read_file
from engine.commands.painting import Order, paint
from engine.errors import InvalidRequest
from engine.models import DEFAULT_MODEL, MODELS
from engine.replay import read_record, replay_request
from engine.requests import METHODS, DreamRequest, build_request, parse_settings

PROMPT = typer.Argument(
    help="What to paint, as in “castle:2 | fog | people:-0.5”: parts, and weights if they differ.", show_default=False
)
METHOD = typer.Option(help=f"{' or '.join(METHODS)}; if empty the model's usual one.")
SIZE = typer.Option(help="Width x height, as in 256x256; if empty the model's usual one.")
SET = typer.Option("--set", metavar="OPTION=VALUE", help="An option of the method (below); repeatable.")
REPLAY = typer.Option(help="Paint this PNG again from the record in it, and compare.", show_default=False)
OUT = typer.Option(help="A PNG file, or a folder.", show_default="dream-SEED.png")


def dream(
    prompt: Annotated[str, PROMPT] = "",
    negative: Annotated[str, typer.Option(help="What to keep away from.")] = "",
    model: Annotated[str, typer.Option(help=" or ".join(MODELS))] = DEFAULT_MODEL,
    method: Annotated[str, METHOD] = "",
    size: Annotated[str, SIZE] = "",
    steps: Annotated[int | None, typer.Option(help="More is slower and cleaner.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds, equal pictures.", show_default="random")] = None,
    count: Annotated[int, typer.Option(help="So many pictures, with the seeds SEED, SEED+1, …")] = 1,
    init: Annotated[Path | None, typer.Option(help="A picture to start from.", show_default=False)] = None,
    target: Annotated[Path | None, typer.Option(help="A picture to come near to.", show_default=False)] = None,
    settings: Annotated[list[str] | None, SET] = None,
    replay: Annotated[Path | None, REPLAY] = None,
    out: Annotated[Path | None, OUT] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="A folder for the pictures on the way.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one record of all that was asked and found.")] = False,
    device: Device = "auto",
    threads: Threads = "auto",
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
        "settings": parse_settings(" ".join(settings or ())),
    }
    original, bucket = b"", 1
    if replay:
        request, bucket, original = _replayed(replay, prompt, asked, images)
    else:
        request = build_request(prompt, model=model, count=count, **asked)
    paint(Order(request, images, _place(out, request.seed), snapshots, as_json, bucket, original), device, threads)


def _replayed(
    path: Path, prompt: str, asked: dict[str, Any], images: dict[str, bytes]
) -> tuple[DreamRequest, int, bytes]:
    """The request in a PNG, the batch bucket it ran in, and the PNG itself."""
    changed = [name for name, value in (("prompt", prompt), *asked.items()) if value and not name.endswith("_image")]
    if changed:
        raise InvalidRequest(f"--replay paints the picture as it was; leave out {', '.join(changed)}.")
    png = read_file(path)
    record = read_record(png)
    request = replay_request(record)
    if not isinstance(request, DreamRequest):
        raise InvalidRequest(f"{path} was enlarged, not painted; use upscale with the picture that it was made from.")
    missing = [sha for sha in request.images if sha not in images]
    if missing:
        raise InvalidRequest(
            f"This picture was painted from another one (SHA-256 {missing[0][:12]}…): add it by --init."
        )
    bucket = record.get("resolved", {}).get("bucket", 1)
    return request, bucket if isinstance(bucket, int) else 1, png


def _attach(path: Path | None, images: dict[str, bytes]) -> str:
    """Put a file among *images*; returns its SHA-256, or nothing for no file."""
    if path is None:
        return ""
    data = read_file(path)
    sha = hashlib.sha256(data).hexdigest()
    images[sha] = data
    return sha


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
