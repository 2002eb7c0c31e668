"""An optional NSFW check of every finished picture: a CLIP compares it with adult and with harmless sentences.

The check only measures how well sentences fit a picture. It mistakes marble statues for nudity and misses what no
sentence describes. So it covers pictures and never deletes them, and moderators are still needed. Off by default.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from bot.config.sections import SafetySection
from bot.pictures.ranking import clip_view
from engine.client.local import Engine
from engine.errors import DreamError
from engine.protocol.messages import Picture

log = logging.getLogger(__name__)

SECONDS = 30.0
"""Longest wait for the verdict on one picture."""
COVERED = "Hidden: the safety check took this for adult content. It can be wrong."
UNCHECKED = "Hidden: the safety check could not examine this picture."

Vectors = Sequence[Sequence[float]]


class NsfwCheck:
    """Checks pictures. A picture that cannot be checked is covered, because a check that fails open is useless."""

    def __init__(self, engine: Engine, section: SafetySection) -> None:
        self._engine = engine
        self._section = section
        self._probes: tuple[Vectors, Vectors] | None = None

    async def judged(self, picture: Picture) -> Picture:
        """Return the picture; if it must be covered, its facts say so (`covered`, and a note)."""
        try:
            async with asyncio.timeout(SECONDS):
                found = COVERED if await self.excess(picture.png) > self._section.margin else ""
        except (DreamError, TimeoutError) as error:
            log.warning("picture %d of job %s was not checked: %s", picture.index, picture.job_id, error)
            found = UNCHECKED
        if not found:
            return picture
        notes = picture.facts.get("notes")
        said = [*notes] if isinstance(notes, list | tuple) else []
        return replace(picture, facts={**picture.facts, "covered": True, "notes": [*said, found]})

    async def excess(self, png: bytes) -> float:
        """Best cosine of the probes minus that of the harmless sentences, −2 … 2. Raises DreamError."""
        if self._probes is None:
            self._probes = await self._read(self._section.probes), await self._read(self._section.harmless)
        view = await clip_view(png)
        seen = await self._engine.embed(images=[view], perceptor=self._section.perceptor)
        probes, harmless = (max(_cosine(seen.vectors[0], one) for one in vectors) for vectors in self._probes)
        return probes - harmless

    async def _read(self, texts: Sequence[str]) -> Vectors:
        return (await self._engine.embed(texts=texts, perceptor=self._section.perceptor)).vectors


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two unit vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))
