"""The images of a request, at the size that its model paints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import to_signed, to_tensor
from engine.requests.request import DreamRequest


def sides_of(request: DreamRequest) -> tuple[int, int]:
    """Height and width that the model paints, before its finishing upscale."""
    scale = MODELS[request.model].scale
    return request.height // scale, request.width // scale


def init_image(request: DreamRequest, images: Mapping[str, bytes], device: torch.device) -> Tensor | None:
    """The init image, [3, H, W] in [-1, 1]; None if there is none."""
    return signed_image(request.init_image, images, sides_of(request), device, request.options.init_fit)


def signed_image(
    sha256: str,
    images: Mapping[str, bytes],
    sides: tuple[int, int],
    device: torch.device,
    how: str = "crop",
    border: str = "",
) -> Tensor | None:
    """The image of that hash, fitted to *sides* as `fit` does: [3, H, W] in [-1, 1]; None for an empty hash."""
    if not sha256:
        return None
    height, width = sides
    return to_signed(to_tensor(fit(open_own(images[sha256]), width, height, how, border))).to(device)
