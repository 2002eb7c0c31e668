"""Vectors of texts and pictures by one CLIP, from the engine; vectors of texts are cached."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.errors import Refused
from bot.pictures.ranking import clip_view, embed
from engine.client.local import Engine
from engine.protocol.messages import Embeddings

Vectors = NDArray[np.float32]
AT_ONCE = 64
"""Texts in one question, so that the engine's steps in between are not held up for long."""
REMEMBERED = 20_000
"""Vectors of texts; 2 kB each for most CLIPs."""
SECONDS = 90.0
"""Longest time for everything that one person asks about."""
BUSY = "The engine is too busy to look at pictures right now. Try again later."


@dataclass(frozen=True, slots=True)
class Pulls:
    """*cosines* and *pulls* (norms of the gradients by the picture) of texts; *scale*: of cosines before a softmax."""

    cosines: tuple[float, ...]
    pulls: tuple[float, ...]
    scale: float
    perceptor: str


class ClipReader:
    """One per bot. Methods raise Refused if the engine takes longer than `SECONDS`, or its DreamErrors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: OrderedDict[tuple[str, str], Vectors] = OrderedDict()

    async def texts(self, perceptor: str, texts: Sequence[str]) -> Vectors:
        """[N, D], each of length 1."""
        found = {text: self._known[perceptor, text] for text in texts if (perceptor, text) in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            answer = await self._embed(perceptor, texts=part)
            found.update((text, np.array(row, np.float32)) for text, row in zip(part, answer.vectors, strict=True))
        self._known.update(((perceptor, text), found[text]) for text in missing)
        while len(self._known) > REMEMBERED:  # perhaps texts of another question that is being answered
            self._known.popitem(last=False)
        return np.stack([found[text] for text in texts])

    async def picture(self, perceptor: str, png: bytes) -> Vectors:
        """[D], of length 1."""
        view = await clip_view(png)
        found = await self._embed(perceptor, images=[view])
        return np.array(found.vectors[0], np.float32)

    async def pulls(self, perceptor: str, png: bytes, texts: Sequence[str]) -> Pulls:
        """Cosines and pulls of up to 16 texts on a picture."""
        view = await clip_view(png)
        found = await self._embed(perceptor, texts=texts, images=[view], pulls=True)
        vectors = np.array(found.vectors, np.float32)
        cosines = vectors[:-1] @ vectors[-1]
        return Pulls(tuple(map(float, cosines)), found.pulls, found.scale, found.perceptor)

    async def _embed(
        self, perceptor: str, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), pulls: bool = False
    ) -> Embeddings:
        try:
            async with asyncio.timeout(SECONDS):
                return await embed(self._engine, perceptor, texts=texts, images=images, pulls=pulls)
        except TimeoutError as error:
            raise Refused(BUSY) from error
