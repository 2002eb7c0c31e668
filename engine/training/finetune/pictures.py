"""A folder of image files → equal squares to train on, their captions, and the files that are left out with reasons."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import InvalidRequest, UnreadablePicture
from engine.images.opening import SUFFIXES_READ, open_own
from engine.images.pictures import contact_sheet, fit

Shape: TypeAlias = Literal["crop", "pad"]
HASH_DISTANCE = 3
"""Bits of 64 in which the difference hashes of duplicates may differ."""
COLOUR_DISTANCE = 6.0
"""Mean difference of 8×8 thumbnails of duplicates, in levels of 255."""
_BANDS = tuple(range(0, 64, 16))
"""Four bands of 16 bits: of two hashes that differ in 3 bits, one band at least is equal."""


@dataclass(frozen=True, slots=True)
class Skipped:
    file: str
    why: str


@dataclass
class Collection:
    """What a folder holds."""

    files: list[str] = field(default_factory=list)
    """Relative to the folder, in order."""
    captions: list[str] = field(default_factory=list)
    """One per file; empty for a file without a caption."""
    images: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    """uint8, [N, S, S, 3]."""
    skipped: list[Skipped] = field(default_factory=list)

    def sheet(self, most: int = 64) -> Image.Image:
        """The first *most* images with their captions or names."""
        shown = [Image.fromarray(image) for image in self.images[:most]]
        return contact_sheet(
            shown, [text or Path(name).name for name, text in zip(self.files, self.captions, strict=True)][:most]
        )


def read_folder(
    folder: Path,
    size: int,
    *,
    shape: Shape = "crop",
    min_side: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Collection:
    """All images below *folder* as squares of *size* pixels, resized by Lanczos's filter.

    *min_side*: the least length of the shorter side; 0 = *size*. Raises InvalidRequest for a folder without images.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES_READ and path.is_file())
    captions = read_captions(folder)
    found, images, seen = Collection(), [], _Seen()
    for number, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        try:
            image = open_own(path.read_bytes())
            caption = captions.get(name) or captions.get(path.name) or _text_beside(path)
        except (UnreadablePicture, OSError) as error:
            found.skipped.append(Skipped(name, f"broken: {getattr(error, 'strerror', None) or error}"))
        else:
            why = _unfit(image, min_side or size) or seen.duplicate(image, name)
            if why:
                found.skipped.append(Skipped(name, why))
            else:
                found.files.append(name)
                found.captions.append(caption)
                images.append(np.asarray(fit(image, size, size, shape)))
        progress(number + 1, len(paths))
    if not images:
        reasons = "; ".join(f"{item.file}: {item.why}" for item in found.skipped[:3])
        raise InvalidRequest(f"{folder} holds no image to train on{f' ({reasons})' if reasons else ''}.")
    found.images = np.stack(images)
    return found


def read_captions(folder: Path) -> Mapping[str, str]:
    """File name → caption from metadata.csv or metadata.jsonl (columns file_name and text). Raises InvalidRequest."""
    captions: dict[str, str] = {}
    for path in (folder / "metadata.csv", folder / "metadata.jsonl"):
        if path.is_file():
            try:
                captions.update(_rows(path))
            except (UnicodeDecodeError, ValueError, KeyError, TypeError, csv.Error) as error:
                raise InvalidRequest(f"{path} needs file_name and text in every row: {error}.") from error
    return captions


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file) if path.suffix == ".csv" else (json.loads(line) for line in file if line.strip())
        for row in rows:
            yield str(row["file_name"]), str(row["text"]).strip()


def _text_beside(path: Path) -> str:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return ""
    return " ".join(beside.read_text(encoding="utf-8", errors="replace").split())


def _unfit(image: Image.Image, min_side: int) -> str:
    if min(image.size) < min_side:
        return f"too small: {image.width}×{image.height}, the shorter side needs {min_side}"
    return ""


class _Seen:
    """Finds near duplicates by a difference hash (Krawetz 2013), confirmed by colour."""

    def __init__(self) -> None:
        self._bands: defaultdict[tuple[int, int], list[tuple[int, NDArray[np.float32], str]]] = defaultdict(list)

    def duplicate(self, image: Image.Image, name: str) -> str:
        """Why *image* is left out; else it is remembered."""
        own = difference_hash(image)
        colours = np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float32)
        bands = [(start, own >> start & 0xFFFF) for start in _BANDS]
        for band in bands:
            for other, other_colours, first in self._bands[band]:
                near = (own ^ other).bit_count() <= HASH_DISTANCE
                if near and float(np.abs(colours - other_colours).mean()) <= COLOUR_DISTANCE:
                    return f"duplicate of {first}"
        for band in bands:
            self._bands[band].append((own, colours, name))
        return ""


def difference_hash(image: Image.Image) -> int:
    """64 bits: whether each cell of an 8×9 grey thumbnail is darker than its right neighbour."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS), np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")
