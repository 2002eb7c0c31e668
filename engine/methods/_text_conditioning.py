"""What a diffusion net that reads text is told, and what it answers then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, free_guidance
from engine.guidance.targets import Targets
from engine.images.tensors import per_sample
from engine.loaders.diffusion import DiffusionNet

AVERSION_GAIN, OVERLAP_GAIN = 9.0, 25.0
"""What is not wanted is subtracted more than its weight says, and more still the nearer it is to what is wanted, which
pulls it in at the same time ("a circle on a blue background | blue:-0.3")."""
AVERSION_MOST, AVERSION_LEAST_MOST, CLIPS_SHARE = 2.05, 1.68, 0.8
"""More than this burns the colours; less of it for a large weight, by which CLIP pushes away as well. Measured, so that
weights of -0.2 to -0.5 take away what they name and leave two thirds of the rest."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is wanted, what is not (or nothing), and how many times that is subtracted."""

    wanted: Tensor
    """[D]."""
    unwanted: Tensor | None
    """[D]."""
    aversion: float


def read(targets: Targets) -> Reading | None:
    """What a net shall be told of *targets*; nothing where nothing is wanted."""
    if not targets.wanted.any():
        return None
    overlap = max(float(targets.wanted @ targets.unwanted), 0.0)
    most = max(AVERSION_MOST - CLIPS_SHARE * targets.aversion, AVERSION_LEAST_MOST)
    aversion = min((AVERSION_GAIN + OVERLAP_GAIN * overlap) * targets.aversion, most)
    return Reading(targets.wanted, targets.unwanted if aversion else None, aversion)


def reading_denoiser(
    net: DiffusionNet, readings: Sequence[Reading | None], scales: Sequence[float], classes: Tensor | None = None
) -> Denoiser:
    """*net* as each sample's denoiser, with classifier-free guidance by that sample's scale.

    Either all samples read or none does, and all of them or none have something unwanted. *classes* [N] is for a net
    that was trained with them.
    """
    told = [r for r in readings if r is not None]
    if not told:
        return net.denoiser(classes=classes)
    wanted = net.denoiser(torch.stack([r.wanted for r in told]))
    scale = per_sample(torch.tensor(scales))
    unwanted = [r.unwanted for r in told if r.unwanted is not None]
    if unwanted:
        aversion = per_sample(torch.tensor([r.aversion for r in told]))
        return free_guidance(wanted, net.denoiser(), scale, net.denoiser(torch.stack(unwanted)), aversion)
    return wanted if bool((scale == 1).all()) else free_guidance(wanted, net.denoiser(), scale)
