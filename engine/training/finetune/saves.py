"""Saves of a run, written whole or not at all: the newest few states, and the best weights."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.errors import WeightsError
from engine.training.checkpoints import load_state, save_state, save_tensors

BEST = "best.safetensors"
_NAME = re.compile(r"state-(\d+)\.pt")


def saved_states(folder: Path) -> list[Path]:
    """The newest last."""
    found = {int(match[1]): path for path in folder.glob("state-*.pt") if (match := _NAME.fullmatch(path.name))}
    return [found[step] for step in sorted(found)]


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A file of the run in *folder* that cannot be written becomes a WeightsError, which names the state that stays."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        kept = saved_states(folder)
        left = f"{kept[-1].name} stays, and the same command resumes from it" if kept else "nothing was saved before"
        why = getattr(error, "strerror", None) or str(error).strip().splitlines()[0].rstrip(".")
        raise WeightsError(f"{folder} cannot be written into: {why}. Free some disk space; {left}.") from error


def write_state(folder: Path, step: int, state: Mapping[str, object], keep: int) -> Path:
    """Write the state of *step*, then delete all but the newest *keep*. Raises WeightsError for a full disk."""
    path = folder / f"state-{step:07}.pt"
    with writing(folder):
        for part in folder.glob(".state-*"):  # of a process that was killed while it wrote
            part.unlink()
        save_state(path, state)
    for old in saved_states(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def newest_state(folder: Path) -> dict[str, object] | None:
    """The state to resume from. Raises WeightsError if it is damaged."""
    paths = saved_states(folder)
    if not paths:
        return None
    try:
        return load_state(paths[-1])
    except WeightsError as error:
        if len(paths) == 1:
            raise
        raise WeightsError(f"{error} Or delete that file: the run then resumes from {paths[-2]}.") from error


def write_best(
    folder: Path, step: int, tensors: Mapping[str, Tensor], flags: Mapping[str, object], plan: Mapping[str, object]
) -> None:
    """Replace the best weights by *tensors* of *step*. Raises WeightsError for a full disk."""
    with writing(folder):
        save_tensors(folder / BEST, tensors, flags, {**plan, "step": step}, torch.float32)


def read_best(folder: Path) -> tuple[int, dict[str, Tensor]]:
    """Step and tensors of the best weights; -1 and nothing if there are no readable ones."""
    try:
        with safe_open(folder / BEST, "pt") as file:
            step, names = json.loads(file.metadata()["recipe"]).get("step", -1), file.keys()
            return step, {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):  # the last three: of a file from elsewhere
        return -1, {}
