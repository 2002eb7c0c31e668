"""An optional look at every finished picture, by a CLIP: is it closer to what is for adults than to anything harmless?

It measures how well sentences fit a picture, and nothing else. It takes marble statues for nakedness and overlooks what
no sentence describes; so what it finds is covered, never deleted, and moderators are still needed. Off by default.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from bot.config.sections import SafetySection
from engine.client.local import Engine
from engine.errors import DreamError
from engine.images.opening import open_own
from engine.images.pictures import to_png, within
from engine.protocol.messages import Picture

log = logging.getLogger(__name__)

SIDE = 336
"""Pixels; no CLIP of this family sees more."""
SECONDS = 30.0
"""The longest that a picture waits to be looked at."""
COVERED = "Hidden: the safety check took this for adult content. It can be wrong."
UNSEEN = "Hidden: the safety check could not examine this picture."

Vectors = Sequence[Sequence[float]]


class Safety:
    """Looks. What it cannot look at counts as found: a check that fails open is none."""

    def __init__(self, engine: Engine, section: SafetySection) -> None:
        self._engine = engine
        self._section = section
        self._probes: tuple[Vectors, Vectors] | None = None

    async def judged(self, picture: Picture) -> Picture:
        """The picture, with `covered` and a note among its facts where it is to be covered."""
        if not self._section.enabled:
            return picture
        try:
            async with asyncio.timeout(SECONDS):
                found = COVERED if await self.excess(picture.png) > self._section.margin else ""
        except (DreamError, TimeoutError) as error:
            log.warning("picture %d of job %s was not checked: %s", picture.index, picture.job_id, error)
            found = UNSEEN
        if not found:
            return picture
        notes = picture.facts.get("notes")
        said = [*notes] if isinstance(notes, list | tuple) else []
        return replace(picture, facts={**picture.facts, "covered": True, "notes": [*said, found]})

    async def excess(self, png: bytes) -> float:
        """How much better the best probe fits than the best harmless sentence; in -2 … 2. Raises DreamErrors."""
        if self._probes is None:
            self._probes = await self._read(self._section.probes), await self._read(self._section.harmless)
        view = await asyncio.to_thread(_view, png)
        seen = await self._engine.embed(images=[view], perceptor=self._section.perceptor)
        probes, harmless = (max(_cosine(seen.vectors[0], one) for one in vectors) for vectors in self._probes)
        return probes - harmless

    async def _read(self, texts: Sequence[str]) -> Vectors:
        return (await self._engine.embed(texts=texts, perceptor=self._section.perceptor)).vectors


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def _view(png: bytes) -> bytes:
    image = open_own(png)
    return to_png(within(image, SIDE) if max(image.size) > SIDE else image)
