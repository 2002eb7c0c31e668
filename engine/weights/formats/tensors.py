"""The tensors of a checkpoint, whatever it is written in. No code that a file brings along is run.

Safetensors and PyTorch's own archives (`weights_only=True`) are read here; a pickle with foreign classes in it is
converted to safetensors by a process of its own, once.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.catalogue.entry import Kind
from engine.catalogue.registry import find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.weights.formats.convert import converted
from engine.weights.formats.detect import Format, find_format
from engine.weights.formats.safetensors_file import read_safetensors
from engine.weights.formats.state_dict import BREAKAGE, broken, state_dict_of
from engine.weights.store.folder import Folder, weights_folder
from engine.weights.store.hashed_file import Opened


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint holds, and the hash of the file that it was read from."""

    tensors: dict[str, Tensor]
    sha256: str


def load_tensors(name: str, kind: Kind, environ: Mapping[str, str] = os.environ) -> Loaded:
    """A checkpoint of the table, for nets that say themselves what they are (upscalers) or are all alike (secondary).

    Raises ModelUnavailable (not here, or of another kind) or WeightsError (not what it should be).
    """
    entry, folder = find_entry(name), weights_folder(environ)
    if entry.kind is not kind:
        raise ModelUnavailable(f"“{entry.name}” is no checkpoint of the kind {kind.value} but of {entry.kind.value}.")
    with folder.open(entry) as opened:
        return Loaded(read_tensors(opened, folder), opened.sha256)


def read_tensors(opened: Opened, folder: Folder) -> dict[str, Tensor]:
    """Name → tensor, on the CPU. Raises WeightsError in words."""
    match find_format(opened):
        case Format.SAFETENSORS:
            tensors = read_safetensors(opened)
        case Format.SCRIPT:
            raise WeightsError(
                f"“{opened.path.name}” is a program (TorchScript), and no checkpoint of this kind is one."
            )
        case Format.ARCHIVE:
            tensors = _read_archive(opened, folder)
        case Format.PICKLE:
            tensors = converted(opened, folder)
    opened.check_unchanged()
    return tensors


def _read_archive(opened: Opened, folder: Folder) -> dict[str, Tensor]:
    try:
        loaded: Any = torch.load(opened.file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # it names something that is no tensor: foreign, or hostile
        opened.file.seek(0)
        return converted(opened, folder)
    except BREAKAGE as error:
        raise broken(opened.path.name, error) from error
    return state_dict_of(loaded, opened.path.name)


def fit(net: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Give *net* (on the meta device, perhaps) these very tensors, all of them and no others.

    They become the net's own, so nothing is in memory twice. Raises WeightsError that says which do not fit.
    """
    expected = net.state_dict()
    if why := misfit(
        {key: tuple(t.shape) for key, t in expected.items()}, {k: tuple(t.shape) for k, t in tensors.items()}
    ):
        raise WeightsError(f"“{name}” does not hold the net that its flags describe: {why}.")
    cast = {key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}
    net.load_state_dict(cast, assign=True)


def misfit(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """What is wrong with the names and shapes that were found, in a few words; empty if nothing is."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    odd = [name for name in expected if name in found and expected[name] != found[name]]
    shapes = [f"{name} is {list(found[name])} instead of {list(expected[name])}" for name in odd]
    parts = (
        _some(missing, "is missing", "are missing"),
        _some(unknown, "is unknown", "are unknown"),
        _some(shapes, "", "have other shapes"),
    )
    return ", ".join(part for part in parts if part)


def _some(items: list[str], one: str, many: str) -> str:
    if not items:
        return ""
    if len(items) == 1:
        return f"{items[0]} {one}".strip()
    return f"{len(items)} tensors {many} ({', '.join(items[:2])}{', …' if len(items) > 2 else ''})"
