"""Low-rank adapters (Hu et al. 2021) on the attention and the convolutions of a net: W + B·A, with W frozen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from engine.nets.adm import UNetModel


class LowRank(nn.Module):
    """weight [O, I, …] → weight + B·A, with A [rank, I·…] random and B [O, rank] zero at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        inner = weight[0].numel()
        rank = min(rank, inner, len(weight))
        self.a = nn.Parameter(torch.randn(rank, inner) / inner**0.5)
        self.b = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.b @ self.a).view_as(weight)


def add_adapters(net: UNetModel, rank: int) -> list[str]:
    """Freeze *net* and give adapters of *rank* to every convolution between stem and head; returns their names.

    The blocks of a fine head count too: lines and grain are its work.
    """
    net.requires_grad_(False)
    adapted = []
    for name, module in list(net.named_modules()):
        inside = name.startswith(("input_blocks.", "middle_block.", "output_blocks.", "fine.blocks."))
        if inside and name != "input_blocks.0.0" and isinstance(module, nn.Conv1d | nn.Conv2d):
            parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))
            adapted.append(name)
    return adapted


def adapter_tensors(net: UNetModel) -> dict[str, Tensor]:
    """`LAYER.a` and `LAYER.b` of every adapter of *net*, as `engine.loaders.diffusion` reads them.

    Both get the same norm, so that half precision rounds neither of them away.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if not parametrize.is_parametrized(module, "weight"):
            continue
        (adapter,) = module.parametrizations.weight
        assert isinstance(adapter, LowRank)
        a, b = adapter.a.detach(), adapter.b.detach()
        scale = (b.norm() / a.norm()).sqrt() if b.any() else a.new_ones(())
        tensors |= {f"{name}.a": a * scale, f"{name}.b": b / scale}
    return tensors


def load_adapters(net: UNetModel, tensors: Mapping[str, Tensor]) -> None:
    """Give the adapters of *net* the values that `adapter_tensors` returned."""
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            (adapter,) = module.parametrizations.weight
            adapter.load_state_dict({part: tensors[f"{name}.{part}"] for part in ("a", "b")})


def merged(net: UNetModel) -> UNetModel:
    """A copy of *net* without adapters that computes the same."""
    state = {name: tensor for name, tensor in net.state_dict().items() if ".parametrizations." not in name}
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()
    plain = UNetModel(net.flags).to(next(net.parameters()).device)
    plain.load_state_dict(state)
    return plain.eval()
