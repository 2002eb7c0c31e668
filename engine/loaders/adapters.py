"""Low-rank adapters (Hu et al. 2021): files with A and B of some layers, added to a net's weights as W + s·B·A.

`LAYER.a` is [rank, I·…] and `LAYER.b` [O, rank] for a convolution LAYER with the weight [O, I, …].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.catalogue.registry import Kind, find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.nets.adm import UNetModel
from engine.requests.options.clip_views import WeightedAdapter
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.formats.tensors import read_index, read_tensors
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import HashedFile


@dataclass(frozen=True)
class Adapter:
    """The contents of a file. *layers*: name of a convolution → A and B."""

    name: str
    layers: Mapping[str, tuple[Tensor, Tensor]]
    sha256: str


def load_adapters(model: str, wanted: Sequence[WeightedAdapter]) -> list[Adapter]:
    """The adapters of *model* from the weights folder. Raises ModelUnavailable or WeightsError."""
    found = []
    for one in wanted:
        entry = find_entry(one.name)
        if entry.kind is not Kind.ADAPTER or entry.adapts != model:
            raise ModelUnavailable(f"“{one.name}” is not an adapter of the model {model}.")
        with weights_folder().open(entry) as opened:
            found.append(read_adapter(opened)[0])
    return found


def read_adapter(opened: HashedFile) -> tuple[Adapter, SelectedTensors]:
    """The adapter in a file, and its tensors. Raises WeightsError for a file that holds something else."""
    groups = read_index(opened)
    choice = SelectedTensors(groups[0].path, "", groups[0].tensors)
    tensors = read_tensors(opened, choice)
    layers = {}
    for name in tensors:
        layer, _, part = name.rpartition(".")
        a, b = tensors.get(f"{layer}.a"), tensors.get(f"{layer}.b")
        if part not in ("a", "b") or a is None or b is None or a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
            raise WeightsError(f"“{opened.path.name}” is not an adapter: “{name}” is not one of a pair of matrices.")
        layers[layer] = (a, b)
    return Adapter(opened.name, layers, opened.sha256), choice


@torch.no_grad()
def adapt(net: UNetModel, adapter: Adapter, strength: float) -> None:
    """Add *strength* times the change of *adapter* to the weights. Raises WeightsError, before any change, if unfit."""
    weights = {name: module.weight for name, module in net.named_modules() if isinstance(module, nn.Conv1d | nn.Conv2d)}
    for layer, (a, b) in adapter.layers.items():
        weight = weights.get(layer)
        if weight is None or (len(b), a.shape[1]) != (len(weight), weight[0].numel()):
            raise WeightsError(f"The adapter “{adapter.name}” does not fit its model: its layer {layer} differs.")
    for layer, (a, b) in adapter.layers.items():
        weights[layer] += strength * (b.float() @ a.float()).view_as(weights[layer]).to(weights[layer])
