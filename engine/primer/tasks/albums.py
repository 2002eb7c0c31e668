"""Painted pictures kept on disk between runs: `album(…)` renders once and reads from then on.

The folder lies outside the repository: `DREAMBOT_TRAINING`, or the user's cache folder.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import fields
from pathlib import Path

import numpy as np

from engine.primer.folder import training_folder
from engine.primer.painter.scenes import Domain
from engine.primer.tasks.dataset import Rendered, render, render_pair


def album(count: int, seed: int, domain: Domain = "full", *, size: int = 64, large: int = 0) -> Rendered:
    """Pictures 0 to *count* of the series *seed*, at *size* (and at *large* too), read from disk if there."""
    name = f"{domain}-{seed}-{count}-{size}" + (f"-{large}" if large else "")
    folder = training_folder() / "albums" / name
    if not folder.exists():
        if large:
            _write(folder, render_pair(count, seed, size, large, domain))
        else:
            _write(folder, render(count, seed, size, domain))
    return _read(folder)


def _write(folder: Path, rendered: Rendered) -> None:
    """Write into a temporary folder first, so that a half-written album is never read."""
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    unfinished.mkdir(parents=True)
    for field in fields(rendered):
        value = getattr(rendered, field.name)
        if field.name == "captions":
            (unfinished / "captions.txt").write_text("\n".join(value), encoding="utf-8")
        elif value is not None:
            np.save(unfinished / f"{field.name}.npy", value)
    try:
        unfinished.rename(folder)
    except OSError:  # another process was faster; its pictures are the same
        shutil.rmtree(unfinished)


def _read(folder: Path) -> Rendered:
    # Whole into memory: random rows of a memory map cost more than the training step that wants them.
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    return Rendered(captions=(folder / "captions.txt").read_text(encoding="utf-8").split("\n"), **arrays)
