"""The folder of weight files, and which of them may be loaded.

The folder is $DREAMBOT_WEIGHTS, or the system's usual folder for data. Unfinished downloads end in `.part`; files with
a wrong hash are in `quarantine/`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engine.catalogue.registry import Entry, Kind, Model, clip_named, entries
from engine.errors import ModelUnavailable, WeightsError
from engine.weights.store.hashed_file import HashedFile, TrustedHash, TrustedHashes, disk_errors, open_hashed

VARIABLE = "DREAMBOT_WEIGHTS"
COMMAND = "python -m engine weights"
Check = Callable[[HashedFile, Entry], object]
"""Raises WeightsError for a file that does not hold what its entry claims; see `engine.loaders.verify`."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of weights, which need not exist."""

    root: Path
    also: tuple[Path, ...] = ()
    """Folders of other tools, in which a file of the right name is good enough if its hash is right."""

    @property
    def pins(self) -> TrustedHashes:
        return TrustedHashes(self.root)

    def file(self, entry: Entry) -> Path:
        """Path of the file in the folder, or the absolute path of a file of the host."""
        return self.root / entry.file

    def part(self, entry: Entry) -> Path:
        return self.root / f"{entry.file}.part"

    def quarantine(self, entry: Entry, sha256: str) -> Path:
        """Path at which a file with a wrong hash is kept."""
        return self.root / "quarantine" / f"{entry.file}-{sha256[:12]}"

    def find(self, entry: Entry) -> Path | None:
        """Path of the file if it exists. CLIPs are also found in `also`."""
        shared = [folder / entry.file for folder in self.also] if entry.kind is Kind.CLIP else []
        return next((path for path in (self.file(entry), *shared) if is_there(path)), None)

    def expected(self, entry: Entry) -> str:
        """The published hash, or the pinned one; empty if there is neither."""
        pin = None if entry.sha256 else self.pins.find(entry.name)
        return pin.sha256 if pin else entry.sha256

    def missing(self, entry: Entry) -> str:
        """Why the file cannot be loaded, as a clause; empty if it probably can. Does not hash."""
        path = self.find(entry)
        if path is None:
            return self.absent(entry)
        if entry.exact and (size := path.stat().st_size) != entry.size:
            return f"another file: {path} has {size:,} bytes instead of {entry.size:,}; {_advice(entry)}"
        return "" if self.expected(entry) else f"not trusted yet; run {COMMAND} verify --trust {entry.name}"

    def absent(self, *missed: Entry) -> str:
        """Why files that `find` does not find cannot be loaded, as a clause, and what to do."""
        for entry in missed:
            if entry.is_own and not entry.sources:
                return f"missing; there is no file {self.file(entry).name}"
        trust = "" if all(self.expected(entry) for entry in missed) else " --trust"
        return f"not downloaded; run {COMMAND} download{trust} {' '.join(entry.name for entry in missed)}"

    @contextmanager
    def open(self, entry: Entry, progress: Callable[[int], None] | None = None) -> Iterator[HashedFile]:
        """The file, hashed and verified. Raises ModelUnavailable or WeightsError."""
        path = self.find(entry)
        if path is None or self.missing(entry):
            raise ModelUnavailable(f"The weights “{entry.name}” are {self.missing(entry)}.")
        with open_hashed(path, entry.name, progress) as opened:
            check_hash(opened, self.expected(entry), entry)
            yield opened

    def trust(self, entry: Entry, check: Check, *, again: bool = False) -> TrustedHash:
        """Pins the hash of the file in the folder, after *check* has read it.

        *again*: in place of an earlier pin. Raises ModelUnavailable, or WeightsError for another hash than the
        published or pinned one.
        """
        path = self.find(entry)
        if path is None:
            raise ModelUnavailable(f"The weights “{entry.name}” are {self.missing(entry)}.")
        with open_hashed(path, entry.name) as opened:
            expected = entry.sha256 if again else self.expected(entry)
            check_hash(opened, expected or opened.sha256, entry)
            check(opened, entry)
            pin = TrustedHash(opened.sha256, opened.size, str(path))
        if not entry.sha256 and self.pins.find(entry.name) != pin:
            self.remember(entry.name, pin)
        return pin

    def remember(self, name: str, pin: TrustedHash) -> None:
        """Pins a hash. Raises WeightsError if the folder cannot be written."""
        with disk_errors(f"The hash of “{name}” cannot be written into {self.root}"):
            self.pins.put(name, pin)

    def remove(self, entry: Entry) -> int:
        """Deletes the file, its partial download and its pin; returns the bytes that this freed.

        A file of the host stays. Raises WeightsError if the folder cannot be written.
        """
        sha256, part = self.expected(entry), self.part(entry)  # version 0.1 kept converted copies
        victims = [part, part.with_name(f"{part.name}.json"), self.root / "converted" / f"{sha256}.safetensors"]
        if not entry.is_own:
            victims += [self.file(entry), *(self.root / "quarantine").glob(f"{glob.escape(entry.file)}-*")]
        freed = 0
        for victim in filter(is_there, victims):
            with disk_errors(f"{victim} cannot be deleted"):
                freed += victim.stat().st_size
                victim.unlink()
        with disk_errors(f"The hash of “{entry.name}” cannot be forgotten in {self.root}"):
            self.pins.drop(entry.name)
            self.pins.drop(f"converted:{sha256}")
        return freed


def weights_folder(environ: Mapping[str, str] = os.environ) -> Folder:
    """The folder that this environment names, and the folder where openai/CLIP and open_clip store CLIPs.

    Raises WeightsError for the home folder of a user that does not exist.
    """
    named = environ.get(VARIABLE, "").strip()
    try:
        root = Path(named).expanduser() if named else platformdirs.user_data_path("dreambot", False) / "weights"
    except RuntimeError as error:
        raise WeightsError(
            f"{VARIABLE}: the folder “{named}” cannot be found: there is no such home folder."
        ) from error
    try:
        return Folder(root.absolute(), (Path.home() / ".cache" / "clip",))
    except RuntimeError:  # a container's user without a home
        return Folder(root.absolute())


def is_there(path: Path) -> bool:
    """Whether *path* is a file. An unreadable folder or a missing network share counts as no."""
    try:
        return path.is_file()
    except OSError:
        return False


def check_hash(opened: HashedFile, expected: str, entry: Entry) -> None:
    """Raises WeightsError, with both hashes and what to do, unless they are the same."""
    if opened.sha256 != expected:
        raise WeightsError(
            f"“{opened.path.name}” is not the file it should be: its SHA-256 is {opened.sha256}, and {expected} was "
            f"expected; {_advice(entry)}."
        )


def _advice(entry: Entry) -> str:
    """What to do about a file with other bytes than expected, as a clause."""
    if entry.sha256 and is_there(Path(entry.file).with_name("model.json")):
        return "if you replaced it, change sha256 in model.json beside it; if not, train it again"
    if entry.sha256 and entry.is_own:
        return f"if you replaced it, change sha256 under [models.{entry.name}] in config.toml"
    if not entry.sha256:
        return f"if you replaced it, run {COMMAND} verify --trust {entry.name}"
    return (
        f"run {COMMAND} remove {entry.name} and download it again. A file of your own belongs elsewhere, "
        "with a table [models.NAME] in config.toml"
    )


def missing_weights(model: Model) -> str:
    """Why *model* cannot paint, as a clause; empty if it can."""
    return missing_files(needs(model))


def missing_files(needed: Sequence[Entry]) -> str:
    """Why not all of *needed* can be loaded, as a clause; empty if they can."""
    try:
        folder = weights_folder()
        if absent := [entry for entry in needed if folder.find(entry) is None]:
            return folder.absent(*absent)
        return next((why for entry in needed if (why := folder.missing(entry))), "")
    except WeightsError as error:  # what remembers hashes is damaged: a problem of those who need it, and of no others
        return str(error).removesuffix(".")


def needs(model: Model) -> tuple[Entry, ...]:
    """The files that *model* needs: its network, and its CLIP if that is one of OpenAI's."""
    own = entries().get(model.name)
    clip = clip_named(model.perceptor)
    return tuple(entry for entry in (own, clip) if entry)
