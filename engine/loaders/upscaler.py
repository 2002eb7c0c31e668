"""An upscaler checkpoint, published or your own, as a net that is ready to enlarge: spandrel recognises which it is.

spandrel gets tensors, never a file: they come from `weights.tensors`, after the hash. It is imported here and nowhere
else, and only when such a file is used, because its forty networks take seconds to import.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.catalogue.entry import Kind
from engine.errors import WeightsError
from engine.loaders.meta_init import NoInit
from engine.loaders.torchvision_compat import ensure_torchvision
from engine.nets.onednn_patch import quicken
from engine.weights.formats.state_dict import BREAKAGE
from engine.weights.formats.tensors import load_tensors

SCALES = range(2, 9)
FAR = 32
"""Pixels. Nets of many layers reach further in principle; what is beyond changes nothing that could be seen."""
DENSE = 24
"""The same for Real-ESRGAN's dense blocks, whose influence fades sooner; its own tool looks 10 pixels around a tile."""
VALUES = {"Compact": 400, "ESRGAN": 3500, "SwinIR": 6000}
UNKNOWN_VALUES = 8000
"""Numbers that a net keeps for one pixel at once; of nets as large as the published ones 317, 3337 and (M) 4361 were
measured on a CPU in float32."""


@dataclass(frozen=True)
class UpscalerNet:
    """A frozen net on its device, and what it takes to cut a picture for it. All lengths in small pixels."""

    net: nn.Module
    scale: int
    grain: int = 1
    """Its windows begin and end on multiples of this: attention windows, pixels that are folded together."""
    smallest: int = 1
    """Neither side may be shorter."""
    reach: int = FAR
    """As far away a pixel can still change another one, or change it visibly."""
    exact: bool = False
    """Whether it is out of the question that anything further away has any influence."""
    values: int = UNKNOWN_VALUES
    dtype: torch.dtype = torch.float32
    """In which it computes."""
    autocast: bool = False
    """Its weights stay in float32, and torch chooses what is computed in `dtype`."""
    sha256: str = ""

    def enlarge(self, x: Tensor) -> Tensor:
        """RGB [N, 3, H, W] in [0, 1] → float32 [N, 3, H·scale, W·scale], neither clamped nor sure to be finite."""
        with torch.autocast(x.device.type, self.dtype, enabled=self.autocast):
            large: Tensor = self.net(x if self.autocast else x.to(self.dtype))
        return large.float()

    @property
    def pixel_bytes(self) -> int:
        """Memory for each pixel of a window while the net is at work, roughly."""
        return self.values * self.dtype.itemsize


def load_upscaler(
    name: str, device: torch.device, dtype: torch.dtype, environ: Mapping[str, str] = os.environ
) -> UpscalerNet:
    """The upscaler of that name from this environment's folder, in *dtype* or the nearest that its net can bear.

    Raises ModelUnavailable (not here) or WeightsError (not what it should be, or no upscaler).
    """
    loaded = load_tensors(name, Kind.UPSCALER, environ)
    return recognise(name, loaded.tensors, device, dtype, loaded.sha256)


def recognise(
    name: str, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype, sha256: str = ""
) -> UpscalerNet:
    """The net that these tensors belong to. Raises WeightsError that says what they are instead of an upscaler."""
    check_honest(name, tensors)
    found = describe(name, tensors)
    best, autocast = _bearable(found, device, dtype)
    net = quicken(found.model.eval().requires_grad_(False).to(device, torch.float32 if autocast else best))
    kind = found.architecture.id
    grain, reach, exact = _geometry(kind, net, found.size_requirements)
    return UpscalerNet(
        net,
        scale=found.scale,
        grain=grain,
        smallest=max(found.size_requirements.minimum, 1),
        reach=reach,
        exact=exact,
        values=VALUES.get(kind, UNKNOWN_VALUES),
        dtype=best,
        autocast=autocast,
        sha256=sha256,
    )


def describe(name: str, tensors: Mapping[str, Tensor]) -> Any:
    """spandrel's descriptor of an RGB upscaler, filled with *tensors*. Raises WeightsError."""
    ensure_torchvision()
    warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)  # SwinIR's spelling; nobody here can mend it
    spandrel: Any = importlib.import_module("spandrel")
    try:
        with NoInit():
            found = spandrel.MAIN_REGISTRY.load(spandrel.canonicalize_state_dict(dict(tensors)))
    except spandrel.UnsupportedModelError as error:
        raise WeightsError(f"“{name}” is no upscaler: its tensors belong to no net that is known here.") from error
    except BREAKAGE as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise WeightsError(f"“{name}” holds no whole net: {why.rstrip('.')}.") from error
    _check_purpose(name, found, spandrel)
    return found


def check_honest(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError for tensors that claim more than the file holds, or layers whose numbers jump.

    spandrel builds what shapes and numbers say, before it compares; so they must not be able to ask for the moon.
    """
    for key, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise WeightsError(f"“{name}” is not honest: “{key}” claims {list(tensor.shape)} and holds less.")
        if any(part.isdecimal() and (len(part) > 6 or int(part) > len(tensors)) for part in key.split(".")):
            raise WeightsError(f"“{name}” is not honest: “{key}” counts further than there are tensors.")


def _check_purpose(name: str, found: Any, spandrel: Any) -> None:
    kind = f"“{name}” holds a net of the kind {found.architecture.name}"
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.purpose != "SR" or found.scale not in SCALES:
        raise WeightsError(f"{kind}, which does not enlarge pictures.")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise WeightsError(
            f"{kind} that takes {found.input_channels} channels and gives {found.output_channels}; "
            "an upscaler takes and gives three, red, green and blue."
        )


def _bearable(found: Any, device: torch.device, wanted: torch.dtype) -> tuple[torch.dtype, bool]:
    """(*wanted* if the net can bear it, else bfloat16 or float32; whether by autocast).

    Attention with masks of its own (SwinIR) mixes types, whatever spandrel says of it, so it is never cast as a whole.
    """
    if wanted is torch.float32 or (found.supports_half and found.supports_bfloat16):
        return wanted, False
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float32, False
    return torch.bfloat16, True


def _geometry(kind: str, net: nn.Module, sizes: Any) -> tuple[int, int, bool]:
    """(grain, reach, whether that is exact) of a net of spandrel's."""
    grain = max(int(sizes.multiple_of), 1)
    if kind == "SwinIR":
        return max(grain, int(getattr(net, "window_size", 8))), FAR, False
    if kind not in ("Compact", "ESRGAN"):
        return max(grain, 8), FAR, False
    convolutions = sum(isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > 1 for layer in net.modules())
    reach = convolutions * (getattr(net, "shuffle_factor", None) or 1)  # of those behind the enlarging it is less
    return grain, min(reach, DENSE) if kind == "ESRGAN" else reach, kind == "Compact" or reach <= DENSE
