"""`DreamOrder`: a request of the shell, its output files, and its images of an interrupted run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli.console import check_writable, is_folder, reserve
from engine.errors import DreamError, InvalidRequest
from engine.images.opening import open_own, read_file
from engine.images.pictures import pixels_sha256
from engine.protocol.messages import Request
from engine.protocol.replay_record import ReplayPlan, read_record, recorded_request
from engine.requests.request import DreamRequest

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
    stems = (place.stem, *(f"{place.stem}.{number}" for number in range(2, MOST_ALIKE)))
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
