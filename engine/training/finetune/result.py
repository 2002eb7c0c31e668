"""A finished run as your own model or adapter: weights, card, table; a model also in guided-diffusion's format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from engine.catalogue.registry import Kind, find_entry
from engine.errors import WeightsError
from engine.loaders.diffusion import fill_diffusion
from engine.nets.adm import UNetModel
from engine.nets.flags import AdmFlags, read_flags
from engine.training.checkpoints import replacing, save_tensors, save_weights
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import disk_errors, open_hashed
from engine.weights.store.trained_models import TABLE, trained_folder

WEIGHTS, CARD = "weights.safetensors", "README.md"
_FOREIGN = ("context_dim", "reader", "patch", "fine", "norm_groups", "predict_v")
"""Flags of nets that guided-diffusion's code cannot build."""


@dataclass(frozen=True)
class Provenance:
    """What the model card says."""

    name: str
    begun_with: str
    sha256: str
    licence: str
    images: int
    steps: int
    minutes: float
    options: Mapping[str, object]
    of_steps: int = 0
    """Steps of the whole run; 0 = `steps`."""


def install(net: UNetModel, table: Mapping[str, object], made: Provenance, root: Path | None = None) -> Path:
    """Write the model *made.name* into the folder of trained models. Raises WeightsError if it cannot be written.

    *table*: the fields of `CustomModel` without its file, flags among them.
    """
    folder = (root or trained_folder()) / made.name
    flags = table["flags"]
    assert isinstance(flags, Mapping)
    with disk_errors(f"The model {made.name} cannot be written into {folder}"), _entering(folder, made, table) as path:
        save_weights(path, net, flags, _story(made), torch.float32)
    return folder


def install_adapter(tensors: Mapping[str, Tensor], made: Provenance, root: Path | None = None) -> Path:
    """Write the adapter *made.name* of the model *made.begun_with* there. Raises WeightsError."""
    folder = (root or trained_folder()) / made.name
    flags = {"adapts": made.begun_with, "adapts_sha256": made.sha256}
    table = {"kind": "adapter", "adapts": made.begun_with}
    with (
        disk_errors(f"The adapter {made.name} cannot be written into {folder}"),
        _entering(folder, made, table) as path,
    ):
        save_tensors(path, tensors, flags, _story(made))
    return folder


def _story(made: Provenance) -> dict[str, object]:
    return {field.name: getattr(made, field.name) for field in fields(made)}


@contextmanager
def _entering(folder: Path, made: Provenance, facts: Mapping[str, object]) -> Iterator[Path]:
    """Around the writing of the weights, to the yielded path; then model card and table appear beside them.

    The table is last, so that the model appears, or changes, when its files are whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / TABLE) as table, replacing(folder / WEIGHTS) as weights:
        yield weights.path
        with open_hashed(weights.path, made.name) as opened:
            sha256 = opened.sha256
        (folder / CARD).write_text(_card(made, facts, sha256), encoding="utf-8")
        entry = {
            "file": str(folder / WEIGHTS),
            "title": f"{made.name}, trained from {made.begun_with}"[:60],
            "sha256": sha256,
            "licence": made.licence,
            **facts,
        }
        table.path.write_text(json.dumps(entry, indent=1), encoding="utf-8")


def _card(made: Provenance, facts: Mapping[str, object], sha256: str) -> str:
    adapter = "adapts" in facts
    what = f"A low-rank adapter for the model {made.begun_with}," if adapter else "A diffusion model"
    flags = facts.get("flags")
    net = ["", "## Flags of the net", "", f"`{reference_flags(flags)}`"] if isinstance(flags, Mapping) else []
    classes = facts.get("classes")
    rows = [f"{number}. {label}" for number, label in enumerate(classes)] if isinstance(classes, list) else []
    labels = ["", "## Classes", "", "`class_id` is the number or the name.", "", *rows] if rows else []
    chosen = f" of {made.of_steps:,}" if made.of_steps > made.steps else ""
    begun = made.begun_with + (f" (SHA-256 {made.sha256})" if made.sha256 else "")
    return "\n".join(
        [
            f"# {made.name}",
            "",
            f"{what} trained from {begun} on {made.images:,} pictures.",
            "",
            f"- Steps: {made.steps:,}{chosen}; the run took {made.minutes:.1f} minutes",
            f"- Licence of the weights that it began with: {made.licence}",
            f"- SHA-256: {sha256}",
            "",
            "## Options",
            "",
            "```json",
            json.dumps(dict(made.options), indent=1),
            "```",
            *net,
            *labels,
            "",
            f'Paint with it: `python -m engine dream "…" --{"adapter" if adapter else "model"} {made.name}`.',
            "",
        ]
    )


def reference_flags(flags: Mapping[str, object]) -> str:
    """As on guided-diffusion's command line, without what has its default value."""
    usual = {item.name: item.default for item in fields(AdmFlags)}
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in flags.items()}
    shown = {key: value for key, value in given.items() if value != usual.get(key)}
    return " ".join(
        f"--{key} {','.join(f'{part:g}' for part in value) if isinstance(value, tuple) else value}"
        for key, value in shown.items()
    )


def export(name: str, path: Path) -> str:
    """Write the model *name* as guided-diffusion does, a plain state dict; returns its command line flags.

    Raises ModelUnavailable for an unknown model, WeightsError for a net that guided-diffusion cannot build.
    """
    entry = find_entry(name)
    if entry.kind is not Kind.DIFFUSION:
        raise WeightsError(f"guided-diffusion cannot build “{entry.name}”, a {entry.kind.value}.")
    flags = read_flags(entry.flags)
    usual = AdmFlags()
    foreign = [flag for flag in _FOREIGN if getattr(flags, flag) != getattr(usual, flag)]
    if foreign:
        raise WeightsError(f"guided-diffusion cannot build “{entry.name}”: it does not have {', '.join(foreign)}.")
    with weights_folder().open(entry) as opened:
        net, _ = fill_diffusion(opened, entry.flags)
    with disk_errors(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            torch.save(net.state_dict(), unfinished.path)
    return reference_flags(entry.flags)
