"""CLIP scores: the cosine between a picture and a prompt in a perceptor's space, at most 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.guidance.embeddings import embed_images, preprocess
from engine.perceptors.perceptor_loader import PRIMER_FILES, cut_short, load_perceptor, understood
from engine.requests.prompts import Prompt, last_phase
from engine.runtime.runtime import NetProvider

Floats = NDArray[np.float32]
SMALL = "the small CLIP"


@dataclass(frozen=True, slots=True)
class PromptVectors:
    """An embedded prompt: its parts as unit vectors [P, D], and the unit vector of their weighted sum [D].

    Parts with a negative weight lower a picture's cosine with *direction*.
    """

    prompts: tuple[Prompt, ...]
    parts: Floats
    direction: Floats
    notes: tuple[str, ...] = ()


class Judge:
    """A perceptor that embeds pictures and prompts. Raises DreamErrors for an unknown name."""

    def __init__(self, name: str, runtime: NetProvider) -> None:
        self._perceptor, self._runtime = load_perceptor(name, runtime), runtime

    @property
    def id(self) -> str:
        return self._perceptor.id

    @property
    def key(self) -> str:
        """Names its vectors where they are kept: other weights, other vectors."""
        return f"{self._perceptor.id} {self._perceptor.sha256}".strip()

    @property
    def dim(self) -> int:
        return self._perceptor.dim

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax, as in its training."""
        return self._perceptor.scale

    def embed_images(self, images: Iterable[Image.Image]) -> Floats:
        """N pictures → [N, D], each of length 1."""
        seen = list(images)
        if not seen:
            return np.empty((0, self.dim), np.float32)
        vectors: Floats = embed_images(preprocess(seen, self._perceptor), self._perceptor, self._runtime).cpu().numpy()
        return vectors

    def embed_prompts(
        self, prompts: Sequence[Prompt], pictures: Mapping[str, Image.Image] | None = None
    ) -> PromptVectors:
        """Embed the parts that hold at the end; *pictures*: SHA-256 → what image prompts name.

        Raises InvalidRequest if the perceptor has a limited vocabulary that contains none of the words.
        """
        kept, notes = last_phase(tuple(prompts)), tuple[str, ...]()
        if self.id in PRIMER_FILES:
            kept, notes = understood(kept, SMALL)
        notes += cut_short(kept, [self._perceptor])
        parts = np.concatenate([self._part(prompt, pictures or {}) for prompt in kept])
        total = np.array([prompt.weight for prompt in kept], dtype=np.float32) @ parts
        return PromptVectors(kept, parts, total / max(float(np.linalg.norm(total)), 1e-12), notes)

    def odds(self, cosines: Floats, axis: int = -1) -> Floats:
        """Cosines → probabilities along *axis*, as CLIP was trained to tell texts (or pictures) apart."""
        logits = self.scale * (cosines - cosines.max(axis=axis, keepdims=True))
        powers = np.exp(logits)
        odds: Floats = powers / powers.sum(axis=axis, keepdims=True)
        return odds

    def _part(self, prompt: Prompt, pictures: Mapping[str, Image.Image]) -> Floats:
        if prompt.image:
            return self.embed_images([pictures[prompt.image]])
        vectors: Floats = self._perceptor.encode_text([prompt.text]).cpu().numpy()
        return vectors
