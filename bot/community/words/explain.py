"""Explains a picture: how near CLIP sees it to each of some texts, and how hard each text still pulls at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.community.words.clip_reader import ClipReader
from bot.errors import Refused
from bot.pictures.ranking import reads
from engine.requests.prompts import parse_prompts
from engine.requests.request import DreamRequest

MOST_TEXTS = 8


@dataclass(frozen=True, slots=True)
class TextFit:
    """One text: its *cosine* with the picture, its *share* (0 to 1) of the softmax over all texts, and its *pull*.

    *pull* (0 to 1): the text's share of the norms of all gradients by the picture, each times the size of its weight.
    """

    text: str
    cosine: float
    share: float
    pull: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    perceptor: str
    fits: tuple[TextFit, ...]
    unread: tuple[str, ...] = ()
    """Texts without a word that this CLIP knows."""
    note: str = ""


def asked_texts(source: str) -> tuple[tuple[str, float], ...]:
    """``a fox:2 | an owl`` → (text, weight) pairs. Raises PromptError, or Refused for too many."""
    parts = parse_prompts(source)
    if len(parts) > MOST_TEXTS:
        raise Refused(f"{len(parts)} texts are too many; the limit is {MOST_TEXTS}. Separate them with |.")
    return tuple((part.text, part.weight) for part in parts)


def prompt_texts(request: DreamRequest) -> tuple[tuple[str, float], ...]:
    """The texts of a prompt with their weights, the heaviest 8 in their order."""
    parts = [part for part in request.prompts if part.text]
    heavy = sorted(range(len(parts)), key=lambda number: (-abs(parts[number].weight), number))[:MOST_TEXTS]
    return tuple((parts[number].text, parts[number].weight) for number in sorted(heavy))


async def explain(
    reader: ClipReader, perceptor: str, png: bytes, texts: Sequence[tuple[str, float]], note: str = ""
) -> Explanation:
    """Compare a picture with (text, weight) pairs, at most 8. Raises Refused if the CLIP knows none of the words.

    Also raises as `ClipReader` does.
    """
    read = [one for one in texts if reads(perceptor, one[0])][:MOST_TEXTS]
    unread = tuple(text for text, _ in texts if (text not in [known for known, _ in read]))
    if not read:
        raise Refused(f"{perceptor}, the model that looks at the picture, does not know any of these words.")
    found = await reader.pulls(perceptor, png, [text for text, _ in read])
    logits = found.scale * np.array(found.cosines)
    powers = np.exp(logits - logits.max())
    norms = np.array(found.pulls) * np.abs([weight for _, weight in read])
    shares, pulls = powers / powers.sum(), norms / max(float(norms.sum()), 1e-12)
    fits = tuple(
        TextFit(text, cosine, float(share), float(pull), weight)
        for (text, weight), cosine, share, pull in zip(read, found.cosines, shares, pulls, strict=True)
    )
    return Explanation(found.perceptor, fits, unread, note)
