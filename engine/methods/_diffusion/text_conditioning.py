"""Conditions a diffusion network on text embeddings and sketches, with classifier-free guidance and negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.denoiser import Denoiser, free_guidance
from engine.guidance.targets import Targets
from engine.images.tensors import per_sample
from engine.loaders.diffusion import DiffusionNet
from engine.primer.vocabulary import surroundings, tokenise
from engine.requests.prompts import Prompt

AVERSION_GAIN, OVERLAP_GAIN = 9.0, 25.0
"""Factors of the weight by which the unwanted prediction is subtracted. The second grows with its similarity to the
wanted one, which contains it ("a circle on a blue background | blue:-0.3")."""
AVERSION_MOST, AVERSION_LEAST_MOST, CLIPS_SHARE = 2.05, 1.68, 0.8
"""Upper limits: higher factors saturate the colours. A large weight lowers the limit, because CLIP repels as well.
Measured so that weights of -0.2 to -0.5 remove what they name and keep two thirds of the rest."""


@dataclass(frozen=True, slots=True)
class TextCondition:
    """What the network is conditioned on."""

    wanted: Tensor
    """[D], unit length."""
    unwanted: Tensor | None
    """[D], unit length; None if nothing is unwanted."""
    aversion: float
    """How many times the unwanted prediction is subtracted."""
    sketch: Tensor | None = None
    """[4, H, W], for a network that sees one."""


def text_condition(
    targets: Targets, sketch: Tensor | None = None, *, free_guidance: bool = True
) -> TextCondition | None:
    """The condition of *targets* and a sketch; None if no target has a positive weight.

    A network without *free_guidance* gets the weighted sum, negative weights included, as in v-diffusion.
    """
    if not free_guidance:
        return TextCondition(F.normalize(targets.weights @ targets.vectors, dim=-1), None, 0.0)
    if not targets.wanted.any():
        return None
    overlap = max(float(targets.wanted @ targets.unwanted), 0.0)
    most = max(AVERSION_MOST - CLIPS_SHARE * targets.aversion, AVERSION_LEAST_MOST)
    aversion = min((AVERSION_GAIN + OVERLAP_GAIN * overlap) * targets.aversion, most)
    return TextCondition(targets.wanted, targets.unwanted if aversion else None, aversion, sketch)


def without_nouns(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts as the text embedding sees them beside a sketch: nouns of the icon sets left out."""
    return tuple(p if p.image else p.model_copy(update={"text": surroundings(p.text)}) for p in prompts)


def sketched(net: DiffusionNet, prompts: Sequence[Prompt], luck: Tensor, sides: tuple[int, int]) -> Tensor | None:
    """The sketch [4, H, W] of what is wanted, the heaviest prompt first; None for a network that sees none.

    *luck*: [64] uniform numbers; *sides*: height and width of the network's picture.
    """
    if net.composer is None:
        return None
    texts = [p.text for p in sorted(prompts, key=lambda p: -p.weight) if p.text and p.weight > 0]
    spots = net.composer.spots(torch.tensor(tokenise(" ".join(texts))), luck)
    return net.composer.sketch(spots[None], *sides)[0]


def conditioned_denoiser(
    net: DiffusionNet,
    conditions: Sequence[TextCondition | None],
    scales: Sequence[float],
    classes: Tensor | None = None,
    framed: Callable[[Tensor], Tensor] = lambda sketch: sketch,
) -> Denoiser:
    """*net* with one condition and one classifier-free guidance scale (Ho & Salimans 2022) per sample.

    Either all samples have a condition or none has; the same holds for what is unwanted. *classes*: [N], for a network
    that was trained with them. *framed* moves and pads the sketches [N, 4, H, W] as the network sees the pictures.
    """
    told = [r for r in conditions if r is not None]
    if not told:
        return net.denoiser(classes=classes)
    sketches = [r.sketch for r in told if r.sketch is not None]
    sketch = framed(torch.stack(sketches)) if sketches else None
    wanted = net.denoiser(torch.stack([r.wanted for r in told]), sketch=sketch)
    scale = per_sample(torch.tensor(scales))
    unwanted = [r.unwanted for r in told if r.unwanted is not None]
    if unwanted:
        aversion = per_sample(torch.tensor([r.aversion for r in told]))
        return free_guidance(wanted, net.denoiser(), scale, net.denoiser(torch.stack(unwanted)), aversion)
    return wanted if bool((scale == 1).all()) else free_guidance(wanted, net.denoiser(), scale)
