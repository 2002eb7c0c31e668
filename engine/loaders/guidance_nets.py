"""The small nets of guidance: LPIPS, and the secondary net, which replaces a large one where only a gradient is needed.

LPIPS comes from two files: torchvision's VGG16 and the authors' heads.
"""

from __future__ import annotations

import torch

from engine.catalogue.registry import find_entry
from engine.diffusion.denoiser import Denoiser, cosine_denoiser
from engine.loaders.checkpoint import fill
from engine.nets.secondary import SecondaryNet
from engine.nets.vgg_lpips import Lpips, LpipsHeads, VggStages
from engine.runtime.runtime import NetProvider
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import HashedFile

VGG, HEADS = "vgg16", "lpips-vgg"
"""Names of the two checkpoints."""
KEY = "lpips"
"""In the runtime's cache."""


def has_lpips() -> bool:
    folder = weights_folder()
    return all(folder.find(find_entry(name)) for name in (VGG, HEADS))


def load_lpips(runtime: NetProvider) -> Lpips:
    """The net from the runtime's cache. Raises ModelUnavailable or WeightsError."""
    return runtime.net(KEY, lambda: _read(runtime.device))


def fill_vgg(opened: HashedFile) -> tuple[VggStages, SelectedTensors]:
    """The stages with the tensors of the file; the classifier behind them is left out. Raises WeightsError."""
    return fill(opened, VggStages, without="classifier")


def _read(device: torch.device) -> Lpips:
    folder = weights_folder()
    with folder.open(find_entry(VGG)) as opened:
        vgg, _ = fill_vgg(opened)
        sha256 = opened.sha256
    with folder.open(find_entry(HEADS)) as opened:
        heads, _ = fill(opened, LpipsHeads)
        sha256 = f"{sha256}+{opened.sha256}"
    return Lpips(vgg, heads, sha256).eval().requires_grad_(False).to(device)


SECONDARY = "secondary"


def load_secondary(runtime: NetProvider) -> Denoiser:
    """The net as a denoiser, from the runtime's cache. Raises ModelUnavailable or WeightsError."""
    return cosine_denoiser(runtime.net(SECONDARY, lambda: _read_secondary(runtime.device)))


def _read_secondary(device: torch.device) -> SecondaryNet:
    with weights_folder().open(find_entry(SECONDARY)) as opened:
        net, _ = fill(opened, SecondaryNet)
    return net.eval().requires_grad_(False).to(device)
