"""Checks a prompt against the vocabulary of a model that reads few words. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from engine.catalogue.models import Model
from engine.errors import InvalidRequest
from engine.primer.closest import unknown_sentence
from engine.primer.vocabulary import KNOWN, says_something, unknown_words
from engine.requests.prompts import Prompt, check_weights
from engine.requests.request import DreamRequest

if TYPE_CHECKING:  # torch
    from engine.perceptors.perceptor import Perceptor

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
        said = unknown_sentence(tuple(wanted)) if wanted else f"{_sentence(title)} reads none of these words."
        raise InvalidRequest(f"{said} {vocabulary()}")
    if len(kept) < len(prompts):
        check_weights(kept)
    if not strange:
        return kept, ()
    return kept, (unknown_sentence(strange),)


def cut_short(prompts: Sequence[Prompt], perceptors: Iterable[Perceptor]) -> tuple[str, ...]:
    """Notes about the ends of *prompts* that exceed the context of some *perceptors*."""
    clip_targets = list({eye.id: eye for eye in perceptors}.values())
    ends = (max((eye.unread(prompt.text) for eye in clip_targets), key=len) for prompt in prompts if prompt.text)
    return tuple(_left_out(end) for end in ends if end)


def _left_out(end: str) -> str:
    shown = shorten(end, UNREAD, placeholder=" …")
    return (
        f"A part of the prompt is too long to be read to its end; left out was “{shown}”. "
        "What is divided by | is read part by part."
    )


def vocabulary() -> str:
    """One sentence with a few words of every topic."""
    topics = (
        f"{topic} ({', '.join(words[:EXAMPLES])}{', …' if len(words) > EXAMPLES else ''})"
        for topic, words in KNOWN.items()
    )
    return f"It knows {', '.join(topics)}."


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]
