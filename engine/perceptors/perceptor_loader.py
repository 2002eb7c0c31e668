"""Loads CLIPs by name (the package's small ones, OpenAI's, open_clip's); checks prompts against the words they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.catalogue.models import Model
from engine.errors import InvalidRequest
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.kernels import freeze, use_onednn
from engine.nets.primer.small_clip import build_small_clip
from engine.perceptors.perceptor import Perceptor
from engine.primer.vocabulary import KNOWN, says_something, tokenise, unknown_sentence, unknown_words
from engine.requests.prompts import Prompt, check_weights
from engine.requests.request import DreamRequest
from engine.runtime.model_cache import modules_in
from engine.runtime.runtime import NetProvider

if TYPE_CHECKING:
    from engine.perceptors.perceptor import Perceptor
from engine.catalogue.models import IMAGENET

PRIMER_FILES = {"primer": "clip", "primer-grader": "grader"}
LARGEST_SCALE = 100.0
"""Upper bound of the softmax scale, as in CLIP's training (Radford et al. 2021, section 2.5)."""


def load_perceptor(name: str, runtime: NetProvider) -> Perceptor:
    """The CLIP *name*, loaded once. Raises ModelUnavailable or WeightsError.

    *name*: "primer" or "primer-grader" (shipped with the package), one of OpenAI's names ("ViT-B/32"), open_clip's
    "ViT-B-32/tag", or the path of one of OpenAI's files.
    """

    def load() -> Perceptor:
        perceptor = read_perceptor(name, runtime.device)
        for net in modules_in(perceptor):
            use_onednn(net)
        if tower := perceptor.image_tower:
            runtime.compiler.take(tower)
        return perceptor

    return runtime.net(f"perceptor:{name}", load)


def read_perceptor(name: str, device: torch.device) -> Perceptor:
    """A fresh copy of the CLIP *name* on *device*; see `load_perceptor`."""
    if name in PRIMER_FILES:
        return read_small_clip(name, PRIMER_FILES[name], device)
    from engine.perceptors.open_clip import load_open_clip  # takes seconds to import, and the primer does not need it

    return load_open_clip(name, device)


def read_small_clip(name: str, file: str, device: torch.device) -> Perceptor:
    """One of the package's CLIPs, from ``<file>.safetensors``. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / f"{file}.safetensors")
    net = build_small_clip(checkpoint.flags)
    checkpoint.fill(net)
    net = freeze(net, device)
    return Perceptor(
        name,
        net,
        primer_tokens,
        size=net.flags.size,
        dim=net.flags.dim,
        device=device,
        sha256=checkpoint.sha256,
        scale=min(float(net.log_scale.exp()), LARGEST_SCALE),
        maps=net.image.features,
    )


def primer_tokens(texts: Sequence[str]) -> Tensor:
    """N texts → [N, 24] token ids of the primer's vocabulary."""
    return torch.tensor([tokenise(text) for text in texts])


EXAMPLES = 4
"""Words shown of each topic."""
UNREAD = 80
"""Characters shown of what was too long."""


def readable(request: DreamRequest, model: Model) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """The prompts of *request*, its target picture among them, that *model* understands, and notes for the person."""
    prompts = request.targets
    return understood(prompts, model.title) if model.limited_words else (prompts, ())


def understood(prompts: Sequence[Prompt], title: str) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """The prompts with at least one word that the model *title* knows, and notes about the unknown words.

    Raises InvalidRequest if the model knows none of the words.
    """
    strange = tuple(dict.fromkeys(word for prompt in prompts for word in unknown_words(prompt.text)))
    kept = tuple(prompt for prompt in prompts if prompt.image or says_something(prompt.text))
    if not kept:
        wanted = dict.fromkeys(word for prompt in prompts if prompt.weight > 0 for word in unknown_words(prompt.text))
        nothing = f"{title[:1].upper()}{title[1:]} reads none of these words."
        raise InvalidRequest(f"{unknown_sentence(tuple(wanted)) if wanted else nothing} {vocabulary()}")
    if len(kept) < len(prompts):
        check_weights(kept)
    if not strange:
        return kept, ()
    return kept, (unknown_sentence(strange),)


def cut_short(prompts: Sequence[Prompt], perceptors: Iterable[Perceptor]) -> tuple[str, ...]:
    """Notes about the ends of *prompts* that exceed the context of some *perceptors*."""
    different = list({one.id: one for one in perceptors}.values())
    ends = (max((one.unread(prompt.text) for one in different), key=len) for prompt in prompts if prompt.text)
    return tuple(
        "A part of the prompt is too long to be read to its end; left out was "
        f"“{shorten(end, UNREAD, placeholder=' …')}”. What is divided by | is read part by part."
        for end in ends
        if end
    )


def vocabulary() -> str:
    """One sentence with a few words of every topic."""
    topics = (
        f"{topic} ({', '.join(words[:EXAMPLES])}{', …' if len(words) > EXAMPLES else ''})"
        for topic, words in KNOWN.items()
    )
    return f"Known words: {', '.join(topics)}."


AS_CAPTION = "a photo of a {}"


def class_vectors(perceptor: str, runtime: NetProvider) -> Tensor:
    """The embedded names of all classes: [1000, D], unit vectors. Computed once per perceptor."""
    if runtime.device.type == "meta":  # a rehearsal wants to know the shape alone
        return torch.empty(len(IMAGENET), load_perceptor(perceptor, runtime).dim, device=runtime.device)

    def embed() -> Tensor:
        return load_perceptor(perceptor, runtime).encode_text([AS_CAPTION.format(name) for name in IMAGENET])

    return runtime.net(f"class names:{perceptor}", embed)
