"""A diffusion checkpoint, published or your own, as a net that is ready to paint."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.registry import find_entry
from engine.errors import ModelUnavailable
from engine.loaders.diffusion import DiffusionNet
from engine.loaders.meta_init import blueprint
from engine.weights.formats.tensors import fit, read_tensors
from engine.weights.store.folder import Folder, weights_folder


def load_diffusion(
    name: str, device: torch.device, dtype: torch.dtype, environ: Mapping[str, str] = os.environ
) -> DiffusionNet:
    """The net of that name from this environment's folder; see `read_diffusion`."""
    return read_diffusion(find_entry(name), weights_folder(environ), device, dtype)


def net_bytes(name: str, dtype: torch.dtype, environ: Mapping[str, str] = os.environ) -> int:
    """About what its net takes in memory: its file, which holds float32, in *dtype*. 0 if the file is not here."""
    path = weights_folder(environ).find(find_entry(name))
    return path.stat().st_size * dtype.itemsize // torch.float32.itemsize if path else 0


def read_diffusion(entry: Entry, folder: Folder, device: torch.device, dtype: torch.dtype) -> DiffusionNet:
    """The frozen net, its torso in *dtype*. Raises ModelUnavailable (not here) or WeightsError (not what it should be).

    Built without memory and filled with the file's own tensors: loading takes little more than the file's size.
    """
    if entry.kind is not Kind.DIFFUSION:
        raise ModelUnavailable(f"“{entry.name}” is no diffusion model but a checkpoint of the kind {entry.kind.value}.")
    net = blueprint(entry.flags)
    with folder.open(entry) as opened:
        fit(net, read_tensors(opened, folder), opened.path.name)
    return DiffusionNet(net.eval().requires_grad_(False).set_torso_dtype(dtype).to(device), opened.sha256)
