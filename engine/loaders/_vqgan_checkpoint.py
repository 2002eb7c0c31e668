"""A VQGAN checkpoint of taming-transformers as a net that is ready to paint."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.registry import find_entry
from engine.errors import ModelUnavailable
from engine.loaders.meta_init import NoInit
from engine.loaders.vqgan import VqganNet
from engine.nets.vqgan import Vqgan, build_vqgan
from engine.nets.vqgan_flags import read_vqgan_flags
from engine.weights.formats.tensors import fit, read_tensors
from engine.weights.store.folder import Folder, weights_folder

WITHIN = "first_stage_model."
"""Before the names of a VQGAN that lies within the checkpoint of a transformer over its codes."""
TRAINING = "loss."
"""Before the names of the discriminator and the perceptual net, which only training needs."""


def load_vqgan(name: str, device: torch.device, environ: Mapping[str, str] = os.environ) -> VqganNet:
    """The net of that name from this environment's folder; see `read_vqgan`."""
    return read_vqgan(find_entry(name), weights_folder(environ), device)


def read_vqgan(entry: Entry, folder: Folder, device: torch.device) -> VqganNet:
    """The frozen net. Raises ModelUnavailable (not here) or WeightsError (not what it should be)."""
    if entry.kind is not Kind.VQGAN:
        raise ModelUnavailable(f"“{entry.name}” is no VQGAN but a checkpoint of the kind {entry.kind.value}.")
    net = vqgan_blueprint(entry.flags)
    with folder.open(entry) as opened:
        fit(net, painting_part(read_tensors(opened, folder)), opened.path.name)
    return VqganNet(net.eval().requires_grad_(False).to(device), opened.sha256)


def vqgan_blueprint(flags: Mapping[str, object]) -> Vqgan:
    """The net of these flags on the meta device: names, shapes and dtypes, no numbers."""
    with torch.device("meta"), NoInit():
        return build_vqgan(read_vqgan_flags(flags))


def painting_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of all that a checkpoint holds, the VQGAN itself."""
    within = {name.removeprefix(WITHIN): tensor for name, tensor in tensors.items() if name.startswith(WITHIN)}
    return {name: tensor for name, tensor in (within or tensors).items() if not name.startswith(TRAINING)}
