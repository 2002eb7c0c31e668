"""A BigGAN that is ready to paint: frozen, on its device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from engine.nets.biggan import Biggan
from engine.nets.biggan_flags import BigganFlags

if TYPE_CHECKING:
    from engine.runtime.runtime import Runtime


@dataclass(frozen=True)
class BigganNet:
    """Always in float32: its norms divide by small numbers."""

    net: Biggan
    sha256: str = ""

    @property
    def flags(self) -> BigganFlags:
        """What net it is."""
        return self.net.flags

    def paint(self, z: Tensor, classes: Tensor, truncation: Tensor) -> Tensor:
        """[N, L, z], [N, L, classes] and [N] → [N, 3, H, W] in [-1, 1]; L is 1 (the same everywhere) or one a block."""
        count = self.flags.conditions
        picture: Tensor = self.net(z.expand(-1, count, -1), classes.expand(-1, count, -1), truncation)
        return picture


def load_biggan_net(model: str, runtime: Runtime) -> BigganNet:
    """The net of that model, loaded once. Raises ModelUnavailable or WeightsError."""
    from engine.loaders._biggan_checkpoint import load_biggan  # which makes a BigganNet

    return runtime.net(f"biggan:{model}", lambda: load_biggan(model, runtime.device))
