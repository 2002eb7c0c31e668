"""The hashes of files that nobody has published one for, as they were when the host first trusted them. No torch.

A small JSON file beside the weights: name → SHA-256, size, where it came from. Converted files are in it too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import WeightsError

FILE = "pins.json"


@dataclass(frozen=True, slots=True)
class Pin:
    """One trusted file."""

    sha256: str
    size: int
    source: str = ""
    """Its address, or the path it was found at."""


@dataclass(frozen=True, slots=True)
class Pins:
    """Those of one folder. Read anew at every question, so that several processes may share them."""

    folder: Path

    def find(self, name: str) -> Pin | None:
        """What was pinned under that name."""
        return self._read().get(name)

    def put(self, name: str, pin: Pin) -> None:
        """Trust it from now on."""
        self._write({**self._read(), name: pin})

    def drop(self, name: str) -> None:
        """Trust it no more; nothing happens if it never was."""
        pins = self._read()
        if pins.pop(name, None):
            self._write(pins)

    def _read(self) -> dict[str, Pin]:
        path = self.folder / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return {name: Pin(**pin) for name, pin in raw["files"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WeightsError(
                f"{path}, which remembers the hashes of trusted files, cannot be read: {error}; mend it, or move it "
                f"away and trust the files in that folder again (python -m engine weights verify --trust NAME)."
            ) from error

    def _write(self, pins: Mapping[str, Pin]) -> None:
        files = {name: asdict(pin) for name, pin in sorted(pins.items())}
        write_whole(self.folder / FILE, json.dumps({"version": 1, "files": files}, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace *path* by *text*, or leave it as it was: never half of it, also when the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
