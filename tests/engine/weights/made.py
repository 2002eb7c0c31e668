"""Checkpoints that are made up: tiny nets in every format, and files that somebody made to do harm."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.catalogue.registry import Entry, Kind
from engine.nets.adm import build_adm
from engine.weights.store.folder import Folder

TINY = {
    "image_size": 32,
    "num_channels": 32,
    "channel_mult": "1,2",
    "num_res_blocks": 1,
    "attention_resolutions": "16",
    "num_heads": 1,
    "resblock_updown": False,
    "use_scale_shift_norm": False,
    "learn_sigma": True,
    "rescale_timesteps": True,
}
"""The bedrooms' net, shrunk."""


def tiny_tensors(**flags: object) -> dict[str, Tensor]:
    """Random weights for it."""
    generator = torch.Generator().manual_seed(3)
    expected = build_adm({**TINY, **flags}).state_dict()
    return {name: 0.05 * torch.randn(value.shape, generator=generator) for name, value in expected.items()}


def put(folder: Folder, content: bytes, *, file: str = "net.pt", kind: Kind = Kind.DIFFUSION) -> Entry:
    """Lay *content* into the folder, and the entry for which it is the right file."""
    folder.root.mkdir(parents=True, exist_ok=True)
    entry = Entry("net", kind, "a net", file, "free", (), hashlib.sha256(content).hexdigest(), len(content), flags=TINY)
    folder.file(entry).write_bytes(content)
    return entry


def saved(value: object, *, archive: bool = True) -> bytes:
    """As torch.save writes it, now or before version 1.6."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=archive)
    return buffer.getvalue()


def lightning(tensors: dict[str, Tensor], *, archive: bool = True) -> bytes:
    """A checkpoint as PyTorch Lightning leaves it: the tensors among objects of its own classes."""
    names = ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint")
    modules: dict[str, Any] = {name: types.ModuleType(name) for name in names}
    module = modules[names[-1]]
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": names[-1]})
    callback = module.ModelCheckpoint()
    callback.best = 0.5
    sys.modules.update(modules)  # only while it is written: the reader has no such package
    try:
        return saved({"epoch": 3, "callbacks": [callback], "state_dict": tensors}, archive=archive)
    finally:
        for name in names:
            del sys.modules[name]


class Harm:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def rezipped(archive: bytes, compression: int = zipfile.ZIP_STORED, **changed: bytes) -> bytes:
    """The same zip file with some records replaced (their names without the folder)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for record in old.infolist():
            name = record.filename.partition("/")[2].replace("/", "_").replace(".", "_")
            new.writestr(record.filename, changed.get(name, old.read(record)))
    return buffer.getvalue()
