"""BigGAN-deep as pytorch-pretrained-biggan saves it (Brock et al. 2019), frozen on its device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.catalogue.registry import Entry, Kind, find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import blueprint
from engine.nets.biggan import Biggan, build_biggan
from engine.nets.flags import BigganFlags
from engine.runtime.runtime import NetProvider
from engine.weights.formats.state_dict import SelectedTensors, Tensors
from engine.weights.formats.tensors import fit, read_fitting
from engine.weights.store.folder import Folder, weights_folder
from engine.weights.store.hashed_file import HashedFile

ORIGINAL, LEFT, RIGHT = ".weight_orig", ".weight_u", ".weight_v"
"""torch's spectral norm keeps a weight and the two vectors of its largest singular value under these names."""


@dataclass(frozen=True)
class BigganNet:
    """Computes in float32, because its norms divide by small numbers."""

    net: Biggan
    sha256: str = ""

    @property
    def flags(self) -> BigganFlags:
        return self.net.flags

    def paint(self, z: Tensor, classes: Tensor, truncation: Tensor) -> Tensor:
        """[N, L, z], [N, L, classes] and [N] → [N, 3, H, W] in [-1, 1]; L is 1 (shared) or one per block."""
        count = self.flags.conditions
        picture: Tensor = self.net(z.expand(-1, count, -1), classes.expand(-1, count, -1), truncation)
        return picture


def load_biggan_net(model: str, runtime: NetProvider) -> BigganNet:
    """The net of *model* from the runtime's cache. Raises ModelUnavailable or WeightsError."""
    return runtime.net(f"biggan:{model}", lambda: read_biggan(find_entry(model), weights_folder(), runtime.device))


def read_biggan(entry: Entry, folder: Folder, device: torch.device) -> BigganNet:
    """The frozen net. Raises ModelUnavailable (file missing) or WeightsError (wrong or damaged file)."""
    if entry.kind is not Kind.BIGGAN:
        raise ModelUnavailable(f"“{entry.name}” is not a BigGAN but a checkpoint of the kind {entry.kind.value}.")
    with folder.open(entry) as opened:
        net, _ = fill_biggan(opened, entry.flags)
    return BigganNet(net.eval().requires_grad_(False).to(device), opened.sha256)


def fill_biggan(opened: HashedFile, flags: Mapping[str, object]) -> tuple[Biggan, SelectedTensors]:
    """The net of *flags* with the tensors of the file, and which those were. Raises WeightsError."""
    net = blueprint(build_biggan, flags)
    raw, choice = read_fitting(opened, net, _without_norms)
    tensors = folded(raw, opened.path.name)
    for key, tensor in tensors.items():
        if key.endswith(".running_vars") and not bool((tensor >= 0).all()):  # its root would make every image NaN
            raise WeightsError(f"“{opened.path.name}” is broken: {key} holds variances below 0, or no numbers.")
    fit(net, tensors)
    return net, choice


def folded(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Divides every weight by its spectral norm: `weight` replaces three tensors. Raises WeightsError."""
    whole = {key: t for key, t in tensors.items() if not key.endswith((ORIGINAL, LEFT, RIGHT))}
    normed = {key.removesuffix(ORIGINAL) for key in tensors if key.endswith(ORIGINAL)}
    orphans = sorted(key for key in tensors if key.endswith((LEFT, RIGHT)) and key.rpartition(".")[0] not in normed)
    if orphans:
        raise WeightsError(f"“{name}” holds no BigGAN: {orphans[0]} has no weight beside it.")
    return whole | {f"{part}.weight": _normed(part, tensors, name) for part in normed}


def _without_norms(tensors: Tensors) -> Tensors:
    """The names and shapes that `folded` will give."""
    return {
        f"{name.removesuffix(ORIGINAL)}.weight" if name.endswith(ORIGINAL) else name: stored
        for name, stored in tensors.items()
        if not name.endswith((LEFT, RIGHT))
    }


def _normed(part: str, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """The weight of *part* over σ = uᵀWv (Miyato et al. 2018); W is [out, everything else]."""
    weight = tensors[f"{part}{ORIGINAL}"].float()
    u, v = (tensors.get(f"{part}{end}") for end in (LEFT, RIGHT))
    sides = [(len(weight),), (weight[0].numel(),)] if weight.ndim >= 2 else []
    if u is None or v is None or [u.shape, v.shape] != sides:
        raise WeightsError(f"“{name}” holds no BigGAN: the spectral norm of {part} lacks a vector that fits.")
    sigma = u.float() @ (weight.flatten(1) @ v.float())
    if not bool(sigma.isfinite()) or float(sigma) == 0:
        raise WeightsError(f"“{name}” is broken: the spectral norm of {part} is {float(sigma):g}.")
    return weight / sigma
