"""BigGAN+CLIP: classes and random numbers of a GAN that CLIP moves until their picture fits; “The Big Sleep”.

Murdock 2021, and lucidrains' big-sleep after it. BigGAN-deep decodes random numbers and class weights into an image,
one set of both for its input and one for each block; CLIP scores cutouts of it, and Adam moves the sets. Two things
differ: an image begins with the classes whose names CLIP finds nearest to the prompt (Big Sleep begins with all of
them, faintly: `classes=all`), and distances are spherical instead of cosine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.guidance.objective import ClipTarget
from engine.images.tensors import noise, to_unit
from engine.loaders.biggan import BigganNet, load_biggan_net
from engine.methods._biggan_state import (
    BigganImage,
    all_faint,
    conditions,
    nearest_classes,
    prior_gradient,
    some_present,
    updated,
)
from engine.methods._optimisation import OptimisationMethod, Start
from engine.methods._shared import init_image
from engine.perceptors.imagenet_classes import class_name, class_vectors
from engine.perceptors.perceptor_loader import load_perceptor
from engine.requests.options.biggan_clip import ALL, BigganClipOptions
from engine.requests.options.clip_views import Weighted, read_perceptors
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

LIKELY, SHARPNESS = 3, 20.0
"""Number of classes that an image begins with, and the sharpness of the softmax that gives them weights."""


class BigganClip(OptimisationMethod[BigganImage, BigganNet]):
    """The method; see the module's docstring."""

    name = "biggan_clip"
    state = BigganImage

    def generator(self, request: DreamRequest, runtime: NetProvider) -> BigganNet:
        """The generator; no discriminator was published."""
        return load_biggan_net(request.model, runtime)

    def generator_of(self, state: BigganImage, runtime: NetProvider) -> BigganNet:
        """The same, for an image in progress."""
        return load_biggan_net(state.model.name, runtime)

    def guides(self, request: DreamRequest) -> tuple[Weighted, ...]:
        """The CLIPs that the request names."""
        assert isinstance(request.options, BigganClipOptions)
        options = request.options
        return read_perceptors(options.perceptors, MODELS[request.model].perceptor, options.clip_cutouts)

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
            lots = noise(request.seed, index, 0, "classes", (rows, generator.flags.num_classes))
            logits = some_present(lots, classes, options) if classes else all_faint(lots)
            yield Start(torch.cat([z, logits], dim=1).to(runtime.device), init, notes)

    def decode(self, generator: BigganNet, batch: Sequence[BigganImage], parameters: Tensor) -> Tensor:
        """The image of these classes and random numbers."""
        truncation = torch.tensor([s.options.truncation for s in batch]).to(parameters)
        return generator.paint(*conditions(batch, parameters, generator.flags.z_dim), truncation)

    def extra_gradient(self, batch: Sequence[BigganImage]) -> Tensor:
        """Towards a normally distributed z and few classes."""
        return prior_gradient(batch, batch[0].parameters.shape[1] - batch[0].model.classes)

    def update(self, generator: BigganNet, batch: Sequence[BigganImage], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam, and of the moving average."""
        return updated(batch, gradient)

    def final(self, updated: Mapping[str, Tensor]) -> Tensor:
        """The moving average of the parameters."""
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
    names = ", ".join(f"{class_name(number)} ({number})" for number, _ in found)
    return found, (f"It began with the classes {names}.",)


def _direction(guide: ClipTarget, init: Tensor | None, runtime: NetProvider) -> Tensor:
    """The weighted sum of all prompts in the first CLIP's space, or its embedding of the init image: [D]."""
    if init is None:
        return guide.targets.weights @ guide.targets.vectors
    perceptor = load_perceptor(guide.perceptor, runtime)
    whole = draw_cuts(CutRecipe(1), 0, 0, 0, (init.shape[1], init.shape[2]), perceptor.size)
    return perceptor.encode_image(to_unit(cut(init[None], [whole], perceptor.size)))[0]
