"""What `dream` is to paint: what its words ask for, the record of a PNG, or the rest of what was begun. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli._dream_order import begun_seed
from engine.cli.console import is_folder, read_file
from engine.errors import InvalidRequest
from engine.images.decoder import ANIMATED
from engine.images.opening import upright_size
from engine.protocol.replay_record import check_model, read_record, replay_request
from engine.protocol.step_log import ReplayPlan, read_replay_plan
from engine.requests.request import DreamRequest, build_request, check_aims

REPLAYS_ONE = "--replay paints one picture, and all of it; leave out --resume and --count."


@dataclass(frozen=True, slots=True)
class Subject:
    """A request; a replay also has the *replay_plan* of its steps, its *original* and a file's name of its own."""

    request: DreamRequest
    replay_plan: ReplayPlan | None = None
    original: bytes = field(default=b"", repr=False)
    """The PNG that is painted again."""
    usual: Path | None = None
    """Where it goes if nobody says."""


def attach(path: Path | None, images: dict[str, bytes]) -> str:
    """Put a file among *images*; returns its SHA-256, or nothing for no file."""
    if path is None:
        return ""
    if str(path).startswith(("http:/", "https:/")):
        raise InvalidRequest(f"{path.name} is on the web; --init, --target and --mask take files: download it first.")
    data = read_file(path)
    sha = hashlib.sha256(data).hexdigest()
    images[sha] = data
    return sha


def init_notes(request: DreamRequest, images: Mapping[str, bytes]) -> Iterator[str]:
    """What the person should know of the file to start from. Raises UnreadablePicture."""
    if request.init_image:
        size, moves = upright_size(images[request.init_image])
        if moves:
            yield ANIMATED
        if note := request.init_note(*size):
            yield note


def choose_subject(
    replay: Path | None, resume: bool, out: Path | None, asked: Mapping[str, Any], images: Mapping[str, bytes]
) -> Subject:
    """One of the three; *asked* is what `build_request` takes. Raises InvalidRequest, PromptError."""
    if replay and resume:
        raise InvalidRequest(REPLAYS_ONE)
    if replay:
        return replayed(replay, asked, images)
    subject = resumed(out, asked) if resume else Subject(build_request(**asked))
    check_aims(subject.request)
    return subject


def resumed(out: Path | None, asked: Mapping[str, Any]) -> Subject:
    """As *asked*, with the seed of what lies at *out* if none is given."""
    if asked["count"] == 1:
        raise InvalidRequest("--resume goes on with several pictures: give the --count of all of them.")
    request = build_request(**asked)
    if asked["seed"] is not None:
        return Subject(request)
    if out is None or is_folder(out) or not out.suffix:
        raise InvalidRequest("--resume needs the --seed of the first time, or the PNG file that --out named.")
    return Subject(request.model_copy(update={"seed": begun_seed(request, out)}))


def replayed(path: Path, asked: Mapping[str, Any], images: Mapping[str, bytes]) -> Subject:
    """What the record in a PNG says; raises InvalidRequest where it does not say all, or more is *asked* for."""
    _check_nothing_else(asked)
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
    return Subject(request, read_replay_plan(record["resolved"]), png, Path(f"{path.stem}-again.png"))


def _check_nothing_else(asked: Mapping[str, Any]) -> None:
    """Pictures excepted: a record only names those that it was painted from."""
    if asked["count"] > 1:
        raise InvalidRequest(REPLAYS_ONE)
    given = [name for name, value in asked.items() if value not in ("", None, {}) and not name.endswith("_image")]
    if changed := [name for name in given if name != "count"]:
        raise InvalidRequest(f"--replay paints the picture as it was; leave out {', '.join(changed)}.")
