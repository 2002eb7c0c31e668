"""Opens the pictures that a command names, with the requests from their replay records. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.errors import DreamError, InvalidRequest
from engine.images.opening import open_reduced, read_file
from engine.perceptors.judge_choice import choose_grader, guides_of
from engine.protocol.replay_record import read_record, replay_request
from engine.requests.request import DreamRequest

MOST = 1000
SEEN = 768
"""Pixels of the shorter side at which large pictures are judged; no CLIP takes in more than two thirds of it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture. *request* is the request in its replay record, None without a record."""

    path: Path
    image: Image.Image
    request: DreamRequest | None


def open_all(paths: Sequence[Path]) -> list[Shown]:
    """Raises UnreadablePicture or InvalidRequest, with the file's name."""
    if len(paths) > MOST:
        raise InvalidRequest(
            f"{len(paths)} pictures are too many at once; the limit is {MOST}. To look through a folder, use `search`."
        )
    return [_opened(path) for path in paths]


def fair_grader(shown: Iterable[Shown]) -> tuple[str, str]:
    """Who judges these pictures, and a note where that is not fair; by what their records say of who guided."""
    return choose_grader(frozenset().union(*(guides_of(one.request) for one in shown if one.request)))


def _opened(path: Path) -> Shown:
    data = read_file(path)
    try:
        image = open_reduced(data, SEEN)
    except DreamError as error:
        raise InvalidRequest(f"{path}: {error}") from error
    request = None
    with contextlib.suppress(DreamError):  # a picture without a record is a picture
        found = replay_request(read_record(data))
        request = found if isinstance(found, DreamRequest) else None
    return Shown(path, image, request)
