"""`DreamOrder`: a request of the shell, its output files, and its images of an interrupted run.

The request comes from arguments, from the replay record of a PNG, or from an interrupted run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli.console import check_writable, is_folder, reserve
from engine.errors import DreamError, InvalidRequest
from engine.images.decoder import ANIMATED
from engine.images.icons.spec import PREFIX
from engine.images.opening import open_mask, open_own, read_file, upright_size
from engine.images.pictures import pixels_sha256
from engine.protocol.messages import Request
from engine.protocol.replay_record import (
    ReplayPlan,
    check_model,
    read_record,
    read_replay_plan,
    recorded_request,
    replay_request,
)
from engine.requests.icons import draw_icons
from engine.requests.request import DreamRequest, build_request, check_aims, parse_settings

MOST_ALIKE = 10_000
BESIDE = {"svg": "clipdraw", "sprite": "pixel_art"}
"""Second files of an image, and the method that has them."""


@dataclass(frozen=True, slots=True)
class DreamOrder:
    request: Request
    images: Mapping[str, bytes]
    out: Path
    snapshots: Path | None = None
    evolution: Path | None = None
    as_json: bool = False
    beside: tuple[str, ...] = ()
    """Second files to write for each image: keys of `BESIDE`."""
    replay_plan: ReplayPlan | None = None
    original: bytes = field(default=b"", repr=False)
    """In a replay, the PNG to compare with."""

    def path(self, index: int) -> Path:
        return self.numbered(self.out, index)

    def numbered(self, path: Path, index: int) -> Path:
        """*path* for image *index*: with several images, its stem ends in ``-INDEX``."""
        return path if self.request.count == 1 else path.with_stem(f"{path.stem}-{index}")

    def check_places(self) -> None:
        """Creates missing folders. Raises InvalidRequest for a path that cannot be written."""
        named = (self.out, *([self.evolution] if self.evolution else []))
        named += tuple(self.beside_of(self.out, kind) for kind in self.beside)
        places = [self.numbered(path, index) for path in named for index in range(self.request.count)]
        for place in [*places, *([self.snapshot(0, 0)] if self.snapshots else [])]:
            check_writable(place)

    def beside_of(self, path: Path, kind: str) -> Path:
        """Where the second file of the image at *path* is written."""
        return path.with_suffix(".svg") if kind == "svg" else path.with_stem(f"{path.stem}-sprite")

    def snapshot(self, index: int, step: int) -> Path:
        assert self.snapshots
        return self.snapshots / f"{self.out.stem}-{index}-step-{step:04d}.webp"


@dataclass(frozen=True, slots=True)
class Done:
    """A written image. *facts*: known keys of `engine.protocol.messages.Picture.facts`."""

    index: int
    path: Path
    facts: Mapping[str, Any]


def find_place(out: Path | None, usual: str, *, resume: bool = False) -> Path:
    """The PNG *out*, or the file *usual* in the folder *out*. Raises InvalidRequest for another file type.

    An existing file of the usual name is kept, unless *resume*: the new name gets a number.
    """
    if out is None or is_folder(out) or not out.suffix:
        place = Path(usual) if out is None else out / usual
        return place if resume else unused(place)
    if out.suffix.lower() != ".png":
        raise InvalidRequest(
            f"Pictures are written as PNG, because it holds their replay record; {out.name} has another type."
        )
    return out


def unused(place: Path) -> Path:
    """*place*, or ``name.2.png``, ``name.3.png`` …: the first name without a file or numbered files, reserved."""
    stems = (f"{place.stem}.{number}" if number > 1 else place.stem for number in range(1, MOST_ALIKE))
    free = (place.with_stem(stem) for stem in stems if not _numbered_files(place.with_stem(stem)))
    found = next((one for one in free if reserve(one)), None)
    if found is None:
        raise InvalidRequest(f"There are {MOST_ALIKE} files named like {place}; name another --out.")
    return found


def check_beside(beside: Iterable[str], request: Request) -> None:
    """Raises InvalidRequest for a second file that the method of *request* does not have."""
    for kind in beside:
        if not isinstance(request, DreamRequest) or request.method != BESIDE[kind]:
            raise InvalidRequest(f"--{kind} needs the method {BESIDE[kind]}.")


def painted_before(order: DreamOrder) -> dict[int, Done]:
    """Existing images of this order by index. Raises InvalidRequest for an image of another request."""
    paths = {index: order.path(index) for index in range(order.request.count)}
    return {index: _recognised(order, index, path) for index, path in paths.items() if path.exists()}


def begun_seed(request: DreamRequest, out: Path) -> int:
    """The seed of the interrupted run of *request* at *out*. Raises InvalidRequest without such a run."""
    others = list[Path]()
    for index, path in _numbered_files(out):
        try:
            record = read_record(read_file(path))
            asked = recorded_request(record)
        except DreamError:
            continue
        if isinstance(asked, DreamRequest) and record["index"] == index:
            if _but_count(asked) == _but_count(request.model_copy(update={"seed": asked.seed})):
                return asked.seed
            others.append(path)
    if others:
        raise InvalidRequest(_in_the_way(others[0]))
    raise InvalidRequest(f"Nothing to resume at {out}; to start, leave out --resume or give a --seed.")


def _numbered_files(out: Path) -> list[tuple[int, Path]]:
    """Existing numbered files of *out*, with their indices."""
    named = re.compile(rf"{re.escape(out.stem)}-(0|[1-9][0-9]{{0,5}}){re.escape(out.suffix)}")
    try:
        names = [path.name for path in out.parent.iterdir()]
    except OSError:  # no such folder
        return []
    found = filter(None, map(named.fullmatch, names))
    return sorted((int(match[1]), out.with_name(match[0])) for match in found)


def _in_the_way(path: Path) -> str:
    return (
        f"{path} is in the way of --resume: it was painted with another prompt or other settings. Choose another --out "
        "or leave out --resume to overwrite it."
    )


def _recognised(order: DreamOrder, index: int, path: Path) -> Done:
    try:
        png = read_file(path)
        record, image = read_record(png), open_own(png)
        asked = recorded_request(record)
    except DreamError as error:
        raise InvalidRequest(f"{path} is in the way of --resume: {error}") from error
    if record["index"] != index or _but_count(asked) != _but_count(order.request):
        raise InvalidRequest(_in_the_way(path))
    facts: dict[str, Any] = {
        "replay": record,
        "seed": asked.seed + index if isinstance(asked, DreamRequest) else None,
        "width": image.width,
        "height": image.height,
        "sha256": pixels_sha256(image),
        "clip_score": None,
        "perceptor": "",
        "seconds": {},
        "notes": [],
    }
    return Done(index, path, facts)


def _but_count(request: Request) -> Request:
    """*request* without its count, which may change between runs."""
    return request.model_copy(update={"count": 1}) if isinstance(request, DreamRequest) else request


REPLAYS_ONE = "--replay repaints exactly one picture; leave out --resume and --count."


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


def init_notes(request: Request, images: Mapping[str, bytes]) -> Iterator[str]:
    """Notes about the init image and its mask: animation, cropping. Raises UnreadablePicture or InvalidRequest."""
    if isinstance(request, DreamRequest) and request.init_image:
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


def choose_order(
    replay: Path | None, resume: bool, out: Path | None, asked: Mapping[str, Any], images: dict[str, bytes]
) -> DreamOrder:
    """What is painted; its `out` is the usual one. *asked*: arguments of `build_request`.

    Raises InvalidRequest or PromptError.
    """
    if replay and resume:
        raise InvalidRequest(REPLAYS_ONE)
    if replay:
        return replayed(replay, asked, images)
    request = draw_icons(build_request(**asked), images)
    request = resumed(out, asked, request) if resume else request
    check_aims(request)
    return DreamOrder(request, images, Path(f"dream-{request.seed}.png"))


def resumed(out: Path | None, asked: Mapping[str, Any], request: DreamRequest) -> DreamRequest:
    """The *request* of what was *asked*, by default with the seed of the images at *out*."""
    if asked["count"] == 1:
        raise InvalidRequest("--resume continues a run of several pictures: give its --count.")
    if asked["seed"] is not None:
        return request
    if out is None or is_folder(out) or not out.suffix:
        raise InvalidRequest("--resume needs the --seed of the interrupted run, or the PNG file of its --out.")
    return request.model_copy(update={"seed": begun_seed(request, out)})


def replayed(path: Path, asked: Mapping[str, Any], images: dict[str, bytes]) -> DreamOrder:
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
    plan = read_replay_plan(record["resolved"])
    return DreamOrder(request, images, Path(f"{path.stem}-again.png"), replay_plan=plan, original=png)


def _check_nothing_else(asked: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for arguments beside images, which a record only names by their SHA-256."""
    if asked["count"] > 1:
        raise InvalidRequest(REPLAYS_ONE)
    given = [name for name, value in asked.items() if value not in ("", None, {}) and not name.endswith("_image")]
    if changed := [name for name in given if name != "count"]:
        raise InvalidRequest(f"--replay repaints the recorded picture; leave out {', '.join(changed)}.")
