"""The request of `dream`: from its arguments, from the replay record of a PNG, or from an interrupted run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli._dream.order import begun_seed
from engine.cli.console import is_folder
from engine.errors import InvalidRequest
from engine.images.decoder import ANIMATED
from engine.images.icons.spec import PREFIX
from engine.images.opening import open_mask, read_file, upright_size
from engine.protocol.replay_record import ReplayPlan, check_model, read_record, read_replay_plan, replay_request
from engine.requests.icons import draw_icons
from engine.requests.request import DreamRequest, build_request, check_aims, parse_settings

REPLAYS_ONE = "--replay repaints exactly one picture; leave out --resume and --count."


@dataclass(frozen=True, slots=True)
class Subject:
    """A request. *replay_plan*, *original* and *usual* are only set in a replay."""

    request: DreamRequest
    replay_plan: ReplayPlan | None = None
    original: bytes = field(default=b"", repr=False)
    """The PNG to repaint."""
    usual: Path | None = None
    """Default output file."""


def attach(path: Path | None, images: dict[str, bytes]) -> str:
    """Adds a file to *images*. Returns its SHA-256, or an empty string without a file."""
    if path is None or icon_of(path):
        return ""
    if str(path).startswith(("http:/", "https:/")):
        raise InvalidRequest(
            f"{path.name} is a web address, but --init, --target and --mask need files. Download it first."
        )
    data = read_file(path)
    sha = hashlib.sha256(data).hexdigest()
    images[sha] = data
    return sha


def icon_of(path: Path | None) -> str:
    """The description of the icon that is named in place of a file, as in ``icon:owl``; empty for a file."""
    return str(path) if str(path).startswith(PREFIX) else ""


def settings_of(profile: str, typed: Sequence[str] | None, adapters: Sequence[str] | None = None) -> dict[str, str]:
    """The settings for `build_request` from --profile, --set and --adapter. Raises InvalidRequest."""
    named = {"profile": profile, "adapter": "+".join(adapters or ())}
    return {name: value for name, value in named.items() if value} | parse_settings(" ".join(typed or ()))


def init_notes(request: DreamRequest, images: Mapping[str, bytes]) -> Iterator[str]:
    """Notes about the init image and its mask: animation, cropping. Raises UnreadablePicture or InvalidRequest."""
    if request.init_image:
        size, moves = upright_size(images[request.init_image])
        if moves:
            yield ANIMATED
        if note := request.init_note(*size):
            yield note
        if request.mask_image:
            mask = open_mask(images[request.mask_image])
            if mask.getbbox() is None:
                raise InvalidRequest("The mask is completely black. Make the areas to repaint white or transparent.")
            if abs(mask.width * size[1] - mask.height * size[0]) > max(size[1], size[0], *mask.size):
                yield (
                    f"The mask ({mask.width}×{mask.height}) has another shape than the picture ({size[0]}×{size[1]}), "
                    "so it may not lie where it should."
                )


def choose_subject(
    replay: Path | None, resume: bool, out: Path | None, asked: Mapping[str, Any], images: dict[str, bytes]
) -> Subject:
    """*asked*: arguments of `build_request`. Raises InvalidRequest or PromptError."""
    if replay and resume:
        raise InvalidRequest(REPLAYS_ONE)
    if replay:
        return replayed(replay, asked, images)
    request = draw_icons(build_request(**asked), images)
    subject = resumed(out, asked, request) if resume else Subject(request)
    check_aims(subject.request)
    return subject


def resumed(out: Path | None, asked: Mapping[str, Any], request: DreamRequest) -> Subject:
    """The *request* of what was *asked*, by default with the seed of the images at *out*."""
    if asked["count"] == 1:
        raise InvalidRequest("--resume continues a run of several pictures: give its --count.")
    if asked["seed"] is not None:
        return Subject(request)
    if out is None or is_folder(out) or not out.suffix:
        raise InvalidRequest("--resume needs the --seed of the interrupted run, or the PNG file of its --out.")
    return Subject(request.model_copy(update={"seed": begun_seed(request, out)}))


def replayed(path: Path, asked: Mapping[str, Any], images: dict[str, bytes]) -> Subject:
    """The request in the record of a PNG. Raises InvalidRequest for missing images or other arguments."""
    _check_nothing_else(asked)
    png = read_file(path)
    record = read_record(png)
    request = replay_request(record)
    if not isinstance(request, DreamRequest):
        raise InvalidRequest(f"{path} was upscaled, not painted. Run upscale on its original instead.")
    check_model(request)
    request = draw_icons(request, images)
    missing = [sha for sha in request.images if sha not in images]
    if missing:
        raise InvalidRequest(
            f"This picture was painted from another one (SHA-256 {missing[0][:12]}…). "
            "Add it with --init, --target or --mask."
        )
    return Subject(request, read_replay_plan(record["resolved"]), png, Path(f"{path.stem}-again.png"))


def _check_nothing_else(asked: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for arguments beside images, which a record only names by their SHA-256."""
    if asked["count"] > 1:
        raise InvalidRequest(REPLAYS_ONE)
    given = [name for name, value in asked.items() if value not in ("", None, {}) and not name.endswith("_image")]
    if changed := [name for name in given if name != "count"]:
        raise InvalidRequest(f"--replay repaints the recorded picture; leave out {', '.join(changed)}.")
