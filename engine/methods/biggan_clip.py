"""BigGAN+CLIP: classes and random numbers of a GAN that CLIP moves until their picture fits; “The Big Sleep”.

Murdock 2021, and lucidrains' big-sleep after it. BigGAN-deep makes a picture of random numbers and of how much there
is of each class, a set of both for the beginning and one for each block; CLIP looks at views of it, and Adam moves
them. Two things differ: it begins with the classes whose names CLIP finds nearest to the prompt, where Big Sleep begins
with all of them, faintly (`classes=all`), and distances are those of the other methods, near relatives of the cosine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.guidance.imagenet_classes import class_name, class_vectors
from engine.guidance.perceptor_loader import load_perceptor
from engine.images.tensors import noise, to_unit
from engine.loaders.biggan import BigganNet, load_biggan_net
from engine.methods._biggan_state import (
    Latents,
    all_faint,
    conditions,
    moved,
    nearest_classes,
    prior_gradient,
    some_present,
)
from engine.methods._generator import Beginning, ByGenerator, Start
from engine.requests.options.biggan_clip import ALL, BigganClipOptions
from engine.requests.request import DreamRequest
from engine.runtime.provider import NetProvider

LIKELY, SHARPNESS = 3, 20.0
"""So many classes it begins with, and how much more there is of those that are nearer."""


class BigganClip(ByGenerator[Latents, BigganNet]):
    """The method; see the module's docstring."""

    name = "biggan_clip"
    state = Latents

    def net(self, model: Model, runtime: NetProvider) -> BigganNet:
        """The generator alone: nobody has published more."""
        return load_biggan_net(model.name, runtime)

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Refuses classes that the model has not, too: a request may come out of a picture's record."""
        request.options.check_model(MODELS[request.model], ())
        super().load(request, runtime)

    def starts(self, net: BigganNet, beginning: Beginning) -> Iterator[Start]:
        """Random numbers for each picture, and the same classes for all of them."""
        request, init = beginning.request, beginning.init
        options = request.options
        assert isinstance(options, BigganClipOptions)
        classes, notes = _classes(options, beginning, init)
        rows = net.flags.conditions if options.latents == "each" else 1
        for index in range(request.count):
            z = options.truncation * noise(request.seed, index, 0, "z", (rows, net.flags.z_dim))
            lots = noise(request.seed, index, 0, "classes", (rows, net.flags.num_classes))
            logits = some_present(lots, classes, options) if classes else all_faint(lots)
            yield Start(torch.cat([z, logits], dim=1).to(beginning.runtime.device), init, notes)

    def paint(self, net: BigganNet, batch: Sequence[Latents], numbers: Tensor) -> Tensor:
        """The picture of these classes and random numbers."""
        truncation = torch.tensor([s.options.truncation for s in batch]).to(numbers)
        return net.paint(*conditions(batch, numbers, net.flags.z_dim), truncation)

    def own_gradient(self, batch: Sequence[Latents]) -> Tensor:
        """Towards numbers as the net knows them, and few classes."""
        return prior_gradient(batch, batch[0].numbers.shape[1] - batch[0].model.classes)

    def moved(self, net: BigganNet, batch: Sequence[Latents], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam; the average follows."""
        return moved(batch, gradient)

    def shown(self, changed: Mapping[str, Tensor]) -> Tensor:
        """The average of the numbers so far."""
        return changed["average"]


METHOD = BigganClip()


def _classes(
    options: BigganClipOptions, beginning: Beginning, init: Tensor | None
) -> tuple[Sequence[tuple[int, float]], tuple[str, ...]]:
    """The classes that it begins with, none if with all, and what the person is told of them."""
    if options.chosen or options.classes.strip() == ALL:
        return options.chosen, ()
    found = nearest_classes(
        class_vectors(beginning.eye.perceptor, beginning.runtime), _direction(beginning, init), LIKELY, SHARPNESS
    )
    names = ", ".join(f"{class_name(number)} ({number})" for number, _ in found)
    return found, (f"It began with the classes {names}.",)


def _direction(beginning: Beginning, init: Tensor | None) -> Tensor:
    """Where all prompts together lie for the first CLIP that guides, or what it sees in the init picture: [D]."""
    targets = beginning.eye.targets
    if init is None:
        return targets.weights @ targets.vectors
    perceptor = load_perceptor(beginning.eye.perceptor, beginning.runtime)
    whole = draw_cuts(CutRecipe(1), 0, 0, 0, (init.shape[1], init.shape[2]), perceptor.size)
    return perceptor.encode_image(to_unit(cut(init[None], [whole], perceptor.size)))[0]
