"""BigGAN+CLIP: classes and random numbers of a GAN that CLIP moves until their picture fits; “The Big Sleep”.

Murdock 2021, and lucidrains' big-sleep after it. BigGAN-deep decodes random numbers and class weights into an image,
one set of both for its input and one for each block; CLIP scores cutouts of it, and Adam moves the sets. Two things
differ: an image begins with the classes whose names CLIP finds nearest to the prompt (Big Sleep begins with all of
them, faintly: `classes=all`), and distances are spherical instead of cosine.

Each row of parameters holds z, then one logit per class. As in Murdock's, one loss keeps z near
the normal distribution that the network was trained with, and one lets all classes but the strongest fade.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.catalogue.models import IMAGENET, MODELS
from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.guidance.objective import ClipTarget, Scales
from engine.images.tensors import noise, to_unit
from engine.loaders.biggan import BigganNet, load_biggan_net
from engine.methods._optimisation import OptimisationMethod, OptimisedImage, Start, adam_update
from engine.methods._shared import init_image
from engine.perceptors.perceptor_loader import class_vectors, load_perceptor
from engine.requests.options.biggan_clip import ALL, BigganClipOptions
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

CLIP_SCALE = 100.0
"""Scale of the CLIP loss beside the others."""
TOO_FAR = 4.0
"""Scale of the penalty for z of a larger norm than normal numbers have."""
FADING = 50.0
"""A class weight is multiplied by this before it is squared, to make it fade."""
FAINT, SPREAD = -3.9, 0.3
"""Mean and spread of the logits where all classes begin: a fiftieth of each."""
ABSENT = -7.0
"""Logits of the classes that are not chosen: a thousandth of each."""
MOST = 0.99
"""Weight of an only chosen class; a sigmoid never reaches 1."""


@dataclass(kw_only=True)
class BigganImage(OptimisedImage):
    """Its parameters are [L, z + classes]; L is 1, or one for the network's input and one for each of its blocks.

    It holds the init image, [3, H, W] in [-1, 1].
    """

    options: BigganClipOptions
    average: Tensor = field(init=False)
    """The exponential moving average of its parameters, which the finished image is decoded from."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.average = self.parameters.clone()

    @property
    def scales(self) -> Scales:
        options, at = self.options, self.timestep
        hold = 0.0 if self.held is None else float(options.init_weight.at(at))
        return Scales(CLIP_SCALE, tv=options.tv_scale.at(at), init=hold)

    @property
    def init(self) -> Tensor | None:
        return self.held


def class_weights(logits: Tensor, most: int, temperature: float) -> Tensor:
    """Logits [..., C] → class weights [..., C] in [0, 1].

    *most* = 0: a sigmoid of each. Otherwise only the *most* strongest have a weight: the first by a softmax over all,
    the second by a softmax over the others, and so on.
    """
    if not most:
        return logits.sigmoid()
    heat = logits / temperature
    strongest = heat.topk(most, dim=-1)
    rest = heat.scatter(-1, strongest.indices, -math.inf).logsumexp(-1)
    weights = []
    for number in reversed(range(most)):
        rest = torch.logaddexp(rest, strongest.values[..., number])
        weights.append((strongest.values[..., number] - rest).exp())
    return torch.zeros_like(logits).scatter(-1, strongest.indices, torch.stack(weights[::-1], dim=-1))


def conditions(batch: Sequence[BigganImage], numbers: Tensor, z_dim: int) -> tuple[Tensor, Tensor]:
    """Parameters [N, L, z + C] → z [N, L, z] and class weights [N, L, C]."""
    options = [s.options for s in batch]
    weights = [
        class_weights(row[:, z_dim:], o.max_classes, o.class_temperature)
        for row, o in zip(numbers, options, strict=True)
    ]
    return numbers[..., :z_dim], torch.stack(weights)


def prior_loss(z: Tensor) -> Tensor:
    """How far the rows of z are from a normal distribution: [L, z] → scalar.

    Sums the deviations of spread, mean, skewness and kurtosis of every row, and a penalty on the mean square.
    """
    centred = z - z.mean(1, keepdim=True)
    scores = centred / centred.square().mean(1, keepdim=True).sqrt()
    shape = scores.pow(3).mean(1).abs() + (scores.pow(4).mean(1) - 3).abs()
    row = (1 - z.std(1)).abs() + z.mean(1).abs() + shape
    return row.mean() + TOO_FAR * z.square().mean().clamp_min(1)


def class_loss(weights: Tensor) -> Tensor:
    """The penalty on all classes but the strongest of each row: [L, C] → scalar."""
    squares = weights.square()
    return FADING**2 * (squares.sum(1) - squares.amax(1)).mean() / (weights.shape[1] - 1)


@torch.enable_grad()
def prior_gradient(batch: Sequence[BigganImage], z_dim: int) -> Tensor:
    """The gradient of `prior_loss` and `class_loss`, scaled by each image's options: [N, L, z + C].

    A truncated z is divided by its truncation before it is measured.
    """
    numbers = torch.stack([s.parameters for s in batch]).requires_grad_()
    z, weights = conditions(batch, numbers, z_dim)
    losses = [
        s.options.latent_weight * prior_loss(z[i] / s.options.truncation)
        + s.options.class_weight * class_loss(weights[i])
        for i, s in enumerate(batch)
    ]
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), numbers)
    return gradient


def updated(batch: Sequence[BigganImage], gradient: Tensor) -> Mapping[str, Tensor]:
    """Parameters, moments and average after a step of Adam. The average is corrected for its bias towards the start."""
    parameters, move, moments = adam_update(batch, gradient, [s.options.learning_rate for s in batch])
    after = parameters - move
    shares = torch.tensor([share(s.options.ema_decay, s.step + 1) for s in batch], dtype=torch.float64)
    average = torch.stack([s.average for s in batch]).lerp(after, shares.to(after)[:, None, None])
    return {"parameters": after, **moments, "average": average}


def share(decay: float, step: int) -> float:
    """The share of the newest parameters in the average after *step* steps."""
    return (1 - decay) / (1 - decay ** (step + 1))


def all_faint(draws: Tensor) -> Tensor:
    """Normal numbers [L, C] → logits at which all classes begin with a small weight."""
    return FAINT + SPREAD * draws


def some_present(draws: Tensor, chosen: Sequence[tuple[int, float]], options: BigganClipOptions) -> Tensor:
    """Normal numbers [L, C] → logits at which only *chosen* classes (number, weight in [0, 1]) begin."""
    logits = ABSENT + SPREAD * draws
    for number, part in chosen:
        held = min(part, MOST)
        logits[:, number] = math.log(held / (1 - held))
    return logits * options.class_temperature if options.max_classes else logits


def nearest_classes(vectors: Tensor, wanted: Tensor, count: int, sharpness: float) -> list[tuple[int, float]]:
    """The *count* rows of *vectors* [C, D] nearest to *wanted* [D], with weights that add up to 1.

    On the meta device, which has no data, the first rows.
    """
    if vectors.is_meta:
        return [(number, 1 / count) for number in range(count)]
    found = (vectors @ F.normalize(wanted, dim=-1)).topk(count)
    parts = (sharpness * found.values).softmax(0)
    return list(zip(found.indices.tolist(), parts.tolist(), strict=True))


LIKELY, SHARPNESS = 3, 20.0
"""Number of classes that an image begins with, and the sharpness of the softmax that gives them weights."""


class BigganClip(OptimisationMethod[BigganImage, BigganNet]):
    """The method; see the module's docstring."""

    name = "biggan_clip"
    state = BigganImage

    def generator(self, key: str, runtime: NetProvider) -> BigganNet:
        """The generator; no discriminator was published."""
        return load_biggan_net(key, runtime)

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Also checks the classes, because a request may come from a replay record. Raises InvalidRequest."""
        request.options.check_model(MODELS[request.model], ())
        super().load(request, runtime)

    def starts(
        self,
        generator: BigganNet,
        request: DreamRequest,
        images: Mapping[str, bytes],
        guide: ClipTarget,
        runtime: NetProvider,
    ) -> Iterator[Start]:
        """Random numbers for each image, and the same classes for all."""
        options, init = request.options, init_image(request, images, runtime.device)
        assert isinstance(options, BigganClipOptions)
        classes, notes = _classes(options, guide, init, runtime)
        rows = generator.flags.conditions if options.latents == "each" else 1
        for index in range(request.count):
            z = options.truncation * noise(request.seed, index, 0, "z", (rows, generator.flags.z_dim))
            draws = noise(request.seed, index, 0, "classes", (rows, generator.flags.num_classes))
            logits = some_present(draws, classes, options) if classes else all_faint(draws)
            yield Start(torch.cat([z, logits], dim=1).to(runtime.device), init, notes)

    def decode(self, generator: BigganNet, batch: Sequence[BigganImage], parameters: Tensor) -> Tensor:
        truncation = torch.tensor([s.options.truncation for s in batch]).to(parameters)
        return generator.paint(*conditions(batch, parameters, generator.flags.z_dim), truncation)

    def extra_gradient(self, batch: Sequence[BigganImage]) -> Tensor:
        """Towards a normally distributed z and few classes."""
        return prior_gradient(batch, batch[0].parameters.shape[1] - batch[0].model.classes)

    def update(self, generator: BigganNet, batch: Sequence[BigganImage], gradient: Tensor) -> Mapping[str, Tensor]:
        return updated(batch, gradient)

    def final(self, updated: Mapping[str, Tensor]) -> Tensor:
        return updated["average"]


METHOD = BigganClip()


def _classes(
    options: BigganClipOptions, guide: ClipTarget, init: Tensor | None, runtime: NetProvider
) -> tuple[Sequence[tuple[int, float]], tuple[str, ...]]:
    """The classes that images begin with (none = all of them), and notes for the request's owner."""
    if options.chosen or options.classes.strip() == ALL:
        return options.chosen, ()
    vectors = class_vectors(guide.perceptor, runtime)
    found = nearest_classes(vectors, _direction(guide, init, runtime), LIKELY, SHARPNESS)
    names = ", ".join(f"{IMAGENET[number]} ({number})" for number, _ in found)
    return found, (f"It began with the classes {names}.",)


def _direction(guide: ClipTarget, init: Tensor | None, runtime: NetProvider) -> Tensor:
    """The weighted sum of all prompts in the first CLIP's space, or its embedding of the init image: [D]."""
    if init is None:
        return guide.targets.weights @ guide.targets.vectors
    perceptor = load_perceptor(guide.perceptor, runtime)
    whole = draw_cuts(CutRecipe(1), 0, 0, 0, (init.shape[1], init.shape[2]), perceptor.size)
    return perceptor.encode_image(to_unit(cut(init[None], [whole], perceptor.size)))[0]
