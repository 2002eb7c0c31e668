"""Answers `Embed` messages: embeddings of texts or images in a perceptor's space."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from PIL import Image
from torch import Tensor

from engine.errors import InvalidRequest
from engine.guidance.objective import spherical_distance
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import to_tensor
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import load_perceptor
from engine.protocol.messages import DEFAULT_PERCEPTOR, Embed, Embeddings
from engine.runtime.runtime import NetProvider

MOST = 256
BATCH = 32
MOST_PULLS = 16
"""Each costs a backward pass."""


def prepare(question: Embed, runtime: NetProvider) -> tuple[Perceptor, Tensor | None]:
    """The slow part, on another thread: the perceptor, and the images as [N, 3, size, size] in [0, 1]."""
    count = len(question.texts) + len(question.images)
    if question.pulls:
        if len(question.images) != 1 or not 1 <= len(question.texts) <= MOST_PULLS:
            raise InvalidRequest(f"Ask about the pulls of 1 to {MOST_PULLS} texts on one picture (got {count - 1}).")
    elif bool(question.texts) == bool(question.images) or count > MOST:
        raise InvalidRequest(f"Ask about 1 to {MOST} texts, or as many pictures, not both (got {count}).")
    perceptor = load_perceptor(question.perceptor or DEFAULT_PERCEPTOR, runtime)
    if not question.images:
        return perceptor, None
    return perceptor, preprocess(map(open_own, question.images), perceptor)


def answer(question: Embed, perceptor: Perceptor, images: Tensor | None, runtime: NetProvider) -> Embeddings:
    """The fast part, on the stepping loop."""
    texts = [perceptor.encode_text(question.texts)] if question.texts else []
    seen = [] if images is None else [embed_images(images, perceptor, runtime)]
    vectors = torch.cat([*texts, *seen])
    pulls = _pulls(images.to(runtime.device), texts[0], perceptor) if question.pulls and images is not None else ()
    return Embeddings(
        question.id,
        tuple(tuple(row) for row in vectors.float().tolist()),
        perceptor.id,
        scale=float(perceptor.scale),
        pulls=pulls,
        weights=perceptor.sha256,
    )


def _pulls(image: Tensor, texts: Tensor, perceptor: Perceptor) -> tuple[float, ...]:
    """The norm of each text's gradient by the *image* [1, 3, size, size]."""
    leaf = image.detach().requires_grad_()
    with torch.enable_grad():
        view = perceptor.encode_image(leaf)
        distances = spherical_distance(view, texts)
        last = len(texts) - 1
        gradients = [
            torch.autograd.grad(distance, leaf, retain_graph=number < last)[0]
            for number, distance in enumerate(distances.unbind())
        ]
    return tuple(float(gradient.norm()) for gradient in gradients)


def preprocess(images: Iterable[Image.Image], perceptor: Perceptor) -> Tensor:
    """Pictures as the perceptor takes them in, the middle of each: [N, 3, size, size] in [0, 1], on the CPU."""
    return torch.stack([to_tensor(fit(image, perceptor.size, perceptor.size)) for image in images])


@torch.no_grad()
def embed_images(images: Tensor, perceptor: Perceptor, runtime: NetProvider) -> Tensor:
    """The result of `preprocess` → [N, dim], L2-normalised, a few at a time."""
    return torch.cat([perceptor.encode_image(part.to(runtime.device)) for part in torch.split(images, BATCH)])
