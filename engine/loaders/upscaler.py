"""Upscaler checkpoints, published or the host's own; spandrel recognises their networks by the tensors.

spandrel gets tensors of a verified file, never the file. It is imported when such a file is first used, because its
forty networks take seconds to import.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.catalogue.registry import Entry, Kind, find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import NoInit
from engine.loaders.torchvision_compat import ensure_torchvision
from engine.nets.kernels import freeze, use_onednn
from engine.weights.formats.state_dict import SelectedTensors, unknown_choices
from engine.weights.formats.tensors import BREAKAGE, check_fractions, read_index, read_tensors
from engine.weights.store.folder import Folder, weights_folder
from engine.weights.store.hashed_file import HashedFile

MAX_CHOICES = 8
"""Groups of tensors of one file that spandrel is asked about."""
SCALES = range(1, 9)
PURPOSES = ("SR", "Restoration")
"""Accepted purposes of spandrel's nets: upscaling, and removal of noise, blur or artefacts; not face restoration."""
FAR = 32
"""Assumed reach in pixels of deep nets. Their receptive field is larger, but pixels beyond have no visible effect."""
DENSE = 12
"""The same for Real-ESRGAN's dense blocks, at the resolution at which they compute. The original tool uses 10 pixels.

In the published x4plus, pixels beyond change the result by one level of 255 on average. Tiles are crossfaded.
"""
VALUES = {"Compact": 400, "ESRGAN": 3500, "SwinIR": 6000}
UNKNOWN_VALUES = 8000
"""Values that a net holds per pixel at the same time. For nets of the published sizes, 317, 3337 and (M) 4361 were
measured on a CPU in float32."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpscalerNet:
    """A frozen network on its device, with its limits for tiles. Lengths are in pixels of its input."""

    net: nn.Module
    scale: int
    grain: int = 1
    """Tiles begin and end on multiples of this, because of attention windows or pixel unshuffle."""
    smallest: int = 1
    """Minimum length of both sides."""
    reach: int = FAR
    """Distance within which a pixel affects another one, or affects it visibly."""
    exact: bool = False
    """Whether `reach` is the exact receptive field, so that pixels beyond have no effect at all."""
    values: int = UNKNOWN_VALUES
    dtype: torch.dtype = torch.float32
    """The dtype of its computation."""
    autocast: bool = False
    """Whether its weights stay in float32, and autocast computes in `dtype`."""
    sha256: str = ""

    def enlarge(self, x: Tensor) -> Tensor:
        """RGB [N, 3, H, W] in [0, 1] → float32 [N, 3, H·scale, W·scale], not clamped and perhaps not finite."""
        with torch.autocast(x.device.type, self.dtype, enabled=self.autocast):
            large: Tensor = self.net(x if self.autocast else x.to(self.dtype))
        return large.float()

    @property
    def pixel_flops(self) -> float:
        """Operations for each pixel of a window, about: two for each weight."""
        weights = sum(parameter.numel() for parameter in self.net.parameters())
        return max(2 * weights / (getattr(self.net, "shuffle_factor", None) or 1) ** 2, 1)

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The modules of a network of dense blocks or of a Compact, in their order; empty for others."""
        if self.autocast or getattr(self.net, "shuffle_factor", None):
            return ()
        found = getattr(self.net, "model", None), getattr(self.net, "body", None)
        return next((tuple(body) for body in found if isinstance(body, nn.Sequential | nn.ModuleList)), ())

    def in_parts(self, x: Tensor) -> Iterator[Tensor | None]:
        """`enlarge` with a pause after every block of `parts`: yields None, and at the end the result."""
        x = x.to(self.dtype)
        h = x
        for part in self.parts:
            inner = getattr(part, "sub", None)
            if isinstance(inner, nn.Sequential):
                deep = h
                for block in inner:
                    deep = block(deep)
                    yield None
                h = h + deep
            else:
                h = part(h)
                yield None
        if isinstance(getattr(self.net, "body", None), nn.ModuleList):  # a Compact learns what nearest neighbours lack
            h = F.pixel_shuffle(h, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")
        yield h.float()


def load_upscaler(name: str, device: torch.device, dtype: torch.dtype) -> UpscalerNet:
    """The upscaler *name* from the weights folder; see `read_upscaler`."""
    return read_upscaler(find_entry(name), weights_folder(), device, dtype)


def blend_upscalers(names: tuple[str, str], share: float, device: torch.device, dtype: torch.dtype) -> UpscalerNet:
    """*share* of the first net's weights and the rest of the second's (deep network interpolation, Wang et al. 2019).

    Raises ModelUnavailable or WeightsError, also for nets of different shapes.
    """
    folder, tensors, hashes = weights_folder(), [], []
    for name in names:
        with folder.open(find_entry(name)) as opened:
            found, _ = describe_file(opened)
            tensors.append(found.model.state_dict())
            hashes.append(opened.sha256)
    first, second = tensors
    shapes = [{key: tuple(value.shape) for key, value in one.items()} for one in tensors]
    if shapes[0] != shapes[1]:
        raise WeightsError(f"{names[0]} and {names[1]} are not of one shape, so they cannot be blended.")
    found.model.load_state_dict({key: torch.lerp(second[key], first[key], share) for key in first})
    return frozen_net(found, device, dtype, "+".join(hashes))


def read_upscaler(entry: Entry, folder: Folder, device: torch.device, dtype: torch.dtype) -> UpscalerNet:
    """The frozen net in *dtype*, or in the nearest dtype that it supports.

    Raises ModelUnavailable (file missing) or WeightsError (wrong file, or no upscaler).
    """
    if entry.kind is not Kind.UPSCALER:
        raise ModelUnavailable(f"“{entry.name}” is not an upscaler but a checkpoint of the kind {entry.kind.value}.")
    with folder.open(entry) as opened:
        found, _ = describe_file(opened)
    return frozen_net(found, device, dtype, opened.sha256)


def describe_file(opened: HashedFile) -> tuple[Any, SelectedTensors]:
    """spandrel's descriptor of the first tensors in the file that it recognises. Raises WeightsError.

    Other tensors, such as a discriminator's or a loss, do no harm. Of two copies of the net, the better one counts.
    """
    problems: list[tuple[SelectedTensors, WeightsError]] = []
    for choice in unknown_choices(read_index(opened))[:MAX_CHOICES]:
        try:
            tensors = read_tensors(opened, choice)
            check_fractions(opened, tensors)
            check_layers(opened.name, tensors)
            found = describe(opened.name, tensors)
        except WeightsError as error:
            problems.append((choice, error))
            continue
        if found:
            shapes = _shapes(choice)
            if copy := next((error for other, error in problems if _shapes(other) == shapes), None):
                raise copy
            if str(choice):
                log.info("%s: read %s", opened.name, choice)
            return found, choice
    if problems:
        raise problems[0][1]
    raise WeightsError(f"“{opened.name}” is not an upscaler: its tensors do not match any known network.")


def _shapes(choice: SelectedTensors) -> dict[str, tuple[int, ...]]:
    return {name: stored.shape for name, stored in choice.tensors.items()}


def frozen_net(found: Any, device: torch.device, dtype: torch.dtype, sha256: str = "") -> UpscalerNet:
    """spandrel's descriptor as a frozen net on its device."""
    best, autocast = _bearable(found, device, dtype)
    net = use_onednn(freeze(found.model, device, torch.float32 if autocast else best))
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


def describe(name: str, tensors: Mapping[str, Tensor]) -> Any | None:
    """spandrel's descriptor of an RGB upscaler with *tensors*; None if spandrel does not recognise them.

    Raises WeightsError for an incomplete net, or one that is no RGB upscaler.
    """
    ensure_torchvision()
    warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)  # from SwinIR's code in spandrel
    spandrel: Any = importlib.import_module("spandrel")
    try:
        with NoInit():
            found = spandrel.MAIN_REGISTRY.load(spandrel.canonicalize_state_dict(dict(tensors)))
    except spandrel.UnsupportedModelError:
        return None
    except BREAKAGE as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise WeightsError(f"“{name}” holds no whole net: {why.rstrip('.')}.") from error
    _check_purpose(name, found, spandrel)
    return found


def check_layers(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Raises WeightsError for names with a layer number beyond the number of tensors.

    spandrel builds as many layers as the numbers say before it compares.
    """
    for key in tensors:
        if any(part.isdecimal() and (len(part) > 6 or int(part) > len(tensors)) for part in key.split(".")):
            raise WeightsError(f"“{name}” is damaged: “{key}” refers to more tensors than the file has.")


def _check_purpose(name: str, found: Any, spandrel: Any) -> None:
    kind = f"“{name}” holds a net of the kind {found.architecture.name}"
    if (
        not isinstance(found, spandrel.ImageModelDescriptor)
        or found.purpose not in PURPOSES
        or found.scale not in SCALES
    ):
        raise WeightsError(f"{kind}, which neither enlarges nor restores pictures.")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise WeightsError(
            f"{kind} that takes {found.input_channels} channels and gives {found.output_channels}; "
            "an upscaler takes and gives three, red, green and blue."
        )


def _bearable(found: Any, device: torch.device, wanted: torch.dtype) -> tuple[torch.dtype, bool]:
    """(*wanted* if the network supports it, else bfloat16 or float32; whether by autocast).

    Attention with its own masks (SwinIR) mixes dtypes, whatever spandrel says, so it is never cast as a whole.
    """
    if wanted is torch.float32 or (found.supports_half and found.supports_bfloat16):
        return wanted, False
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float32, False
    return torch.bfloat16, True


def _geometry(kind: str, net: nn.Module, sizes: Any) -> tuple[int, int, bool]:
    """(grain, reach, whether the reach is exact) of a network of spandrel's."""
    grain = max(int(sizes.multiple_of), 1)
    if kind == "SwinIR":
        return max(grain, int(getattr(net, "window_size", 8))), FAR, False
    if kind not in ("Compact", "ESRGAN"):
        return max(grain, 8), FAR, False
    convolutions = sum(isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > 1 for layer in net.modules())
    reach = convolutions * (getattr(net, "shuffle_factor", None) or 1)  # of those behind the enlarging it is less
    dense = DENSE * (getattr(net, "shuffle_factor", None) or 1)
    return grain, min(reach, dense) if kind == "ESRGAN" else reach, kind == "Compact" or reach <= dense
