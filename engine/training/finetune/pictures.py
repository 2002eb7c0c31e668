"""A folder of image files → equal squares to train on, their captions, and the files that are left out with reasons."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from engine.catalogue.models import IMAGENET
from engine.errors import InvalidRequest, UnreadablePicture
from engine.images.opening import SUFFIXES_READ, open_own
from engine.images.pictures import contact_sheet, fit
from engine.training.finetune.picture_cache import SIGNATURE, Mark, PictureCache, SetWriter, StoredSet, set_key

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
    sha256: str = ""
    """Of `images`; empty if it was not computed."""
    note: str = ""
    """For the person who begins the run; empty for nothing."""

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
    cache: PictureCache | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Collection:
    """All images below *folder* as squares of *size* pixels, resized by Lanczos's filter.

    *min_side*: the least length of the shorter side; 0 = *size*. With a *cache* they are mapped from the disk, and only
    files that have changed are decoded. Raises InvalidRequest for a folder without images.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES_READ and path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    reading = _Reading(names, size, shape, min_side or size, progress)
    if cache is None:
        found = reading.into_memory()
    elif not cache.fits(len(paths), size):
        found = reading.into_memory()
        found.note = f"The pictures do not fit into {cache.root}, so memory holds them."
    else:
        found = _through(cache, folder, reading)
    if not found.files:
        reasons = "; ".join(f"{item.file}: {item.why}" for item in found.skipped[:3])
        raise InvalidRequest(f"{folder} holds no image to train on{f' ({reasons})' if reasons else ''}.")
    captions = read_captions(folder)
    found.captions = [
        captions.get(name) or captions.get(names[name].name) or _text_beside(names[name]) for name in found.files
    ]
    return found


def _through(cache: PictureCache, folder: Path, reading: _Reading) -> Collection:
    """The folder's set in the cache, made or renewed first if a file has changed."""
    heic = importlib.util.find_spec("pillow_heif") is not None
    key = set_key(str(folder.resolve()), reading.size, reading.shape, reading.min_side, PIL.__version__, heic)
    try:
        with cache.locked(key):
            old = cache.find(key, reading.size)
            if old is None or {name: known.mark for name, known in old.files.items()} != reading.marks:
                with SetWriter(cache, key) as writer:
                    reading.into_set(writer, old)
                old = cache.find(key, reading.size)
    except OSError as error:
        found = reading.into_memory()
        found.note = f"Memory holds the pictures, because {cache.root} cannot be used: {error.strerror or error}."
        return found
    if old is None:
        return reading.found
    return Collection(
        [name for name, known in old.files.items() if known.row >= 0],
        images=old.rows,
        skipped=[Skipped(name, known.why) for name, known in old.files.items() if known.row < 0],
        sha256=old.sha256,
    )


class _Reading:
    """Reads the files one after another; what becomes of a square is decided elsewhere."""

    def __init__(
        self, paths: Mapping[str, Path], size: int, shape: Shape, min_side: int, progress: Callable[[int, int], None]
    ) -> None:
        self.paths, self.size, self.shape, self.min_side = paths, size, shape, min_side
        self.marks: dict[str, Mark] = {}
        for name, path in paths.items():
            with contextlib.suppress(OSError):
                stat = path.stat()
                self.marks[name] = (stat.st_size, stat.st_mtime_ns)
        self._progress = progress
        self.found = Collection()

    def into_memory(self) -> Collection:
        images = [image for _, image, _ in self._squares(None)]
        if images:
            self.found.images = np.stack(images)
        return self.found

    def into_set(self, writer: SetWriter, old: StoredSet | None) -> None:
        """Into the cache; files that *old* has are taken from there."""
        for name, image, signature in self._squares(old):
            writer.add(name, self.marks[name], image, signature)
        for item in self.found.skipped:
            writer.left_out(item.file, self.marks[item.file], item.why)

    def _squares(self, old: StoredSet | None) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.void]]]:
        """Name, square and signature of every file to train on; the others are noted in `found`."""
        self.found, seen = Collection(), _Seen()
        for number, (name, mark) in enumerate(self.marks.items()):
            known = old.files.get(name) if old else None
            if old and known and known.mark == mark and known.row >= 0:
                image, own, why = old.rows[known.row], old.signatures[known.row], ""
            else:
                image, own, why = self._decoded(name)
            why = why or seen.duplicate(own, name)
            if why:
                self.found.skipped.append(Skipped(name, why))
            else:
                self.found.files.append(name)
                yield name, image, own
            self._progress(number + 1, len(self.marks))

    def _decoded(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.void], str]:
        """The square, its signature, and why it is left out; nothing but that for a broken file."""
        nothing = np.zeros((), SIGNATURE)
        try:
            image = open_own(self.paths[name].read_bytes())
        except (UnreadablePicture, OSError) as error:
            return np.zeros(0, np.uint8), nothing, f"broken: {getattr(error, 'strerror', None) or error}"
        square = np.asarray(fit(image, self.size, self.size, self.shape))
        return square, signature(image), _unfit(image, self.min_side)


def read_classes(files: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """The sorted names of all classes, and the class of each of *files*, which are relative to their folder.

    The class of `cats/a.png` is its first folder, that of `cat_1.png` what precedes the underscore, as in
    improved-diffusion's data sets. Raises InvalidRequest for a file with neither, and for too many classes.
    """
    labels = [name.split("/")[0] if "/" in name else name.partition("_")[0] if "_" in name else "" for name in files]
    if bare := [name for name, label in zip(files, labels, strict=True) if not label]:
        raise InvalidRequest(
            f"{bare[0]} has no class ({len(bare):,} of {len(files):,} files have none): make a folder for each class, "
            "or name files CLASS_name.png; a net without classes needs neither."
        )
    names = tuple(sorted(set(labels)))
    if len(names) > len(IMAGENET):
        raise InvalidRequest(f"The files have {len(names):,} classes; the limit is {len(IMAGENET):,}.")
    return names, [names.index(label) for label in labels]


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

    def duplicate(self, found: NDArray[np.void], name: str) -> str:
        """Why the image with the signature *found* is left out; else it is remembered."""
        own, colours = int(found["hash"]), found["colours"].astype(np.float32)
        bands = [(start, own >> start & 0xFFFF) for start in _BANDS]
        for band in bands:
            for other, other_colours, first in self._bands[band]:
                near = (own ^ other).bit_count() <= HASH_DISTANCE
                if near and float(np.abs(colours - other_colours).mean()) <= COLOUR_DISTANCE:
                    return f"duplicate of {first}"
        for band in bands:
            self._bands[band].append((own, colours, name))
        return ""


def signature(image: Image.Image) -> NDArray[np.void]:
    """Difference hash and 8×8 thumbnail, one SIGNATURE."""
    colours = np.asarray(image.resize((8, 8), Image.Resampling.BOX))
    return np.array((difference_hash(image), colours), SIGNATURE)


def difference_hash(image: Image.Image) -> int:
    """64 bits: whether each cell of an 8×9 grey thumbnail is darker than its right neighbour."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS), np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")
