"""The golden files: what the reference implementations computed, with weights and inputs that are made, not stored.

`shared/golden/README.md` says how. `weight(name, shape)` and `seeded(shape, n)` are its two recipes.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from tests.shared import shared

TOLERANCE = 2e-4
PARSED = ("flags", "config", "state_dict", "ddconfig")


@dataclass(frozen=True)
class Golden:
    """One file: the reference's tensors by name, and its metadata with the JSON parsed."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def names(self) -> list[str]:
        """Names of the reference's state dict, in its order."""
        return [name for name, _ in self.metadata["state_dict"]]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights that the reference had, each made from its name."""
        return {name: weight(name, shape, self.metadata["salt"]) for name, shape in self.metadata["state_dict"]}

    def fill(self, net: nn.Module) -> None:
        """Give *net*, whose names and shapes must be the reference's, the reference's weights."""
        built = net.state_dict()
        integers = {name: value for name, value in built.items() if not value.is_floating_point()}
        net.load_state_dict(self.weights | integers)


def golden(name: str) -> Golden:
    """Read `shared/golden/<name>.safetensors`, or skip the calling test with the reason."""
    with safe_open(shared("golden", f"{name}.safetensors"), "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    parsed = {key: json.loads(text) if key in PARSED else text for key, text in metadata.items()}
    return Golden(tensors, parsed)


def weight(name: str, shape: list[int] | tuple[int, ...], salt: str = "") -> Tensor:
    """The weight of that name: its values follow from the name alone."""
    generator = torch.Generator().manual_seed(zlib.crc32((salt + name).encode()))
    r = torch.randn(tuple(shape), generator=generator)
    if len(shape) >= 2:
        return r / math.sqrt(math.prod(shape[1:]))
    if name.endswith("running_var"):
        return (1 + 0.1 * r).abs() + 0.5
    return 1 + 0.1 * r if name.endswith(("weight", "gain")) else 0.05 * r


def seeded(shape: tuple[int, ...], n: int) -> Tensor:
    """The input that the README calls seeded(shape, n)."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(n))


def distance(expected: Tensor, actual: Tensor) -> float:
    """Largest difference, relative to the largest magnitude of *expected*."""
    assert expected.shape == actual.shape
    return float((expected - actual).abs().max() / expected.abs().max().clamp_min(1e-30))
