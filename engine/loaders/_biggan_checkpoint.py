"""A BigGAN-deep checkpoint of pytorch-pretrained-biggan as a net that is ready to paint."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.registry import find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.biggan import BigganNet
from engine.loaders.meta_init import NoInit
from engine.nets.biggan import Biggan, build_biggan
from engine.nets.biggan_flags import read_biggan_flags
from engine.weights.formats.tensors import fit, read_tensors
from engine.weights.store.folder import Folder, weights_folder

ORIGINAL, LEFT, RIGHT = ".weight_orig", ".weight_u", ".weight_v"
"""What torch's spectral norm keeps in place of a weight: it, and the vectors that its largest singular value has."""


def load_biggan(name: str, device: torch.device, environ: Mapping[str, str] = os.environ) -> BigganNet:
    """The net of that name from this environment's folder; see `read_biggan`."""
    return read_biggan(find_entry(name), weights_folder(environ), device)


def read_biggan(entry: Entry, folder: Folder, device: torch.device) -> BigganNet:
    """The frozen net. Raises ModelUnavailable (not here) or WeightsError (not what it should be)."""
    if entry.kind is not Kind.BIGGAN:
        raise ModelUnavailable(f"“{entry.name}” is no BigGAN but a checkpoint of the kind {entry.kind.value}.")
    net = biggan_blueprint(entry.flags)
    with folder.open(entry) as opened:
        tensors = folded(read_tensors(opened, folder), opened.path.name)
        _check_variances(tensors, opened.path.name)
        fit(net, tensors, opened.path.name)
    return BigganNet(net.eval().requires_grad_(False).to(device), opened.sha256)


def biggan_blueprint(flags: Mapping[str, object]) -> Biggan:
    """The net of these flags on the meta device: names, shapes and dtypes, no numbers."""
    with torch.device("meta"), NoInit():
        return build_biggan(read_biggan_flags(flags))


def folded(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Every weight divided by its spectral norm, so that `weight` stands for three tensors. Raises WeightsError."""
    whole = {key: t for key, t in tensors.items() if not key.endswith((ORIGINAL, LEFT, RIGHT))}
    normed = {key.removesuffix(ORIGINAL) for key in tensors if key.endswith(ORIGINAL)}
    orphans = sorted(key for key in tensors if key.endswith((LEFT, RIGHT)) and key.rpartition(".")[0] not in normed)
    if orphans:
        raise WeightsError(f"“{name}” holds no BigGAN: {orphans[0]} has no weight beside it.")
    return whole | {f"{part}.weight": _normed(part, tensors, name) for part in normed}


def _normed(part: str, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """The weight of *part* over σ = uᵀWv (Miyato et al. 2018), W being out × all else."""
    weight = tensors[f"{part}{ORIGINAL}"].float()
    u, v = (tensors.get(f"{part}{end}") for end in (LEFT, RIGHT))
    if u is None or v is None or weight.ndim < 2 or (tuple(u.shape), tuple(v.shape)) != _sides(weight):
        raise WeightsError(f"“{name}” holds no BigGAN: the spectral norm of {part} lacks a vector that fits.")
    sigma = u.float() @ (weight.flatten(1) @ v.float())
    if not bool(sigma.isfinite()) or float(sigma) == 0:
        raise WeightsError(f"“{name}” is broken: the spectral norm of {part} is {float(sigma):g}.")
    return weight / sigma


def _check_variances(tensors: Mapping[str, Tensor], name: str) -> None:
    """Raise WeightsError where a norm would take the root of what has none: every picture would be NaN."""
    for key, tensor in tensors.items():
        if key.endswith(".running_vars") and not bool((tensor >= 0).all()):
            raise WeightsError(f"“{name}” is broken: {key} holds variances below 0, or no numbers.")


def _sides(weight: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (len(weight),), (weight[0].numel(),)
