"""Saved states of a run: written whole or not at all, the newest few kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from engine.errors import WeightsError
from engine.training.checkpoints import load_state, save_state

_NAME = re.compile(r"state-(\d+)\.pt")


def saved_states(folder: Path) -> list[Path]:
    """The newest last."""
    found = {int(match[1]): path for path in folder.glob("state-*.pt") if (match := _NAME.fullmatch(path.name))}
    return [found[step] for step in sorted(found)]


def write_state(folder: Path, step: int, state: Mapping[str, object], keep: int) -> Path:
    """Write the state of *step*, then delete all but the newest *keep*. Raises WeightsError for a full disk."""
    path = folder / f"state-{step:07}.pt"
    try:
        save_state(path, state)
    except (OSError, RuntimeError) as error:  # torch's writer of archives raises RuntimeError for both kinds
        for part in folder.glob(f".{path.name}.*"):
            part.unlink(missing_ok=True)
        kept = saved_states(folder)
        left = f"{kept[-1].name} stays, and the same command resumes from it" if kept else "nothing was saved before"
        why = getattr(error, "strerror", None) or str(error).strip().splitlines()[0].rstrip(".")
        raise WeightsError(f"{path} cannot be written: {why}. Free some disk space; {left}.") from error
    for old in saved_states(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def newest_state(folder: Path) -> dict[str, object] | None:
    """The state to resume from. Raises WeightsError if it is damaged."""
    paths = saved_states(folder)
    return load_state(paths[-1]) if paths else None
