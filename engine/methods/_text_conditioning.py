"""Conditions a diffusion network that reads text, with classifier-free guidance and a negative condition."""

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
"""The unwanted prediction is subtracted by more than its weight, and by more still the nearer it is to the wanted one,
which pulls it in at the same time ("a circle on a blue background | blue:-0.3")."""
AVERSION_MOST, AVERSION_LEAST_MOST, CLIPS_SHARE = 2.05, 1.68, 0.8
"""Higher factors burn the colours; a large weight allows less, because CLIP pushes away as well. Measured so that
weights of -0.2 to -0.5 remove what they name and leave two thirds of the rest."""


@dataclass(frozen=True, slots=True)
class TextCondition:
    """What the network is conditioned on."""

    wanted: Tensor
    """[D], unit length."""
    unwanted: Tensor | None
    """[D], unit length; None if nothing is unwanted."""
    aversion: float
    """How many times the unwanted prediction is subtracted."""


def text_condition(targets: Targets) -> TextCondition | None:
    """The condition of *targets*; None if no target has a positive weight."""
    if not targets.wanted.any():
        return None
    overlap = max(float(targets.wanted @ targets.unwanted), 0.0)
    most = max(AVERSION_MOST - CLIPS_SHARE * targets.aversion, AVERSION_LEAST_MOST)
    aversion = min((AVERSION_GAIN + OVERLAP_GAIN * overlap) * targets.aversion, most)
    return TextCondition(targets.wanted, targets.unwanted if aversion else None, aversion)


def conditioned_denoiser(
    net: DiffusionNet,
    conditions: Sequence[TextCondition | None],
    scales: Sequence[float],
    classes: Tensor | None = None,
) -> Denoiser:
    """*net* with one condition and one classifier-free guidance scale (Ho & Salimans 2022) per sample.

    Either all samples have a condition or none has; the same holds for what is unwanted. *classes*: [N], for a network
    that was trained with them.
    """
    told = [r for r in conditions if r is not None]
    if not told:
        return net.denoiser(classes=classes)
    wanted = net.denoiser(torch.stack([r.wanted for r in told]))
    scale = per_sample(torch.tensor(scales))
    unwanted = [r.unwanted for r in told if r.unwanted is not None]
    if unwanted:
        aversion = per_sample(torch.tensor([r.aversion for r in told]))
        return free_guidance(wanted, net.denoiser(), scale, net.denoiser(torch.stack(unwanted)), aversion)
    return wanted if bool((scale == 1).all()) else free_guidance(wanted, net.denoiser(), scale)
