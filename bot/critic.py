"""Which of several pictures fits its words best, as a CLIP sees it that did not guide them. Knows no Discord.

The engine embeds pictures and words between two of its steps; what it said of a result never changes, so it is
remembered for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from bot.derived import dream_of
from bot.errors import PictureGone, Refused
from bot.jobs import JobRow, PictureRow, Ranking
from bot.store import files
from engine.client import Engine
from engine.errors import EngineRestarting
from engine.graders import choose_grader, guides_of
from engine.messages import Embeddings
from engine.pictures import MAX_BYTES, open_picture, to_png, within
from engine.primer.vocabulary import says_something
from engine.prompts import Prompt

SIDE = 336
"""Pixels; no CLIP of this family sees more."""
REMEMBERED = 200
SECONDS = 60.0
"""The longest that anybody waits for the engine."""
PAUSE = 0.25
"""Seconds until it is asked again."""
SMALL = "primer"
"""Perceptors whose names begin so know only the words of the primer's vocabulary."""


class Critic:
    """Asks the engine. One per bot."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said: OrderedDict[str, Ranking] = OrderedDict()
        self._turn = asyncio.Lock()

    async def rank(self, job: JobRow) -> Ranking:
        """Rank a finished job's pictures. Raises PictureGone, Refused and what the engine says."""
        request = dream_of(job)
        name, note = choose_grader(guides_of(request))
        async with self._turn:
            if job.id not in self._said:
                self._said[job.id] = Ranking(await self._ranked(job.pictures, request.prompts, name), name, note)
                while len(self._said) > REMEMBERED:
                    self._said.popitem(last=False)
            return self._said[job.id]

    async def _ranked(
        self, pictures: Sequence[PictureRow], prompts: Sequence[Prompt], name: str
    ) -> tuple[tuple[int, float], ...]:
        parts = [prompt for prompt in prompts if _is_read(prompt, name)]
        if not parts:
            raise Refused(f"The CLIP that would judge, {name}, knows none of these words.")
        seen = [(picture.index, view) for picture in pictures if (view := await _view(picture))]
        if len(seen) < 2:
            raise PictureGone("Fewer than two of these pictures are still kept; there is nothing to compare.")
        try:
            async with asyncio.timeout(SECONDS):
                words = await self._embed(name, texts=[part.text for part in parts])
                views = await self._embed(name, images=[view for _, view in seen])
        except TimeoutError as error:
            raise Refused("The engine has too much to do to judge pictures just now; try again later.") from error
        aim = np.array([part.weight for part in parts]) @ np.array(words.vectors)
        cosines = np.array(views.vectors) @ (aim / max(float(np.linalg.norm(aim)), 1e-12))
        found = [(index, float(cosine)) for (index, _), cosine in zip(seen, cosines, strict=True)]
        return tuple(sorted(found, key=lambda place: -place[1]))

    async def _embed(self, name: str, *, texts: Sequence[str] = (), images: Sequence[bytes] = ()) -> Embeddings:
        """An engine that is starting is waited for."""
        while True:
            try:
                return await self._engine.embed(texts=texts, images=images, perceptor=name)
            except EngineRestarting:
                await asyncio.sleep(PAUSE)


def _is_read(prompt: Prompt, perceptor: str) -> bool:
    """Whether the words say anything to that perceptor."""
    if not perceptor.startswith(SMALL):
        return bool(prompt.text)
    return says_something(prompt.text)


async def _view(picture: PictureRow) -> bytes | None:
    """What the perceptor needs to see of a picture; None where the file is gone."""
    png = await files.read(picture.path) if picture.path else None
    return await asyncio.to_thread(_small, png) if png else None


def _small(png: bytes) -> bytes:
    image = open_picture(png, max_bytes=max(len(png), MAX_BYTES))
    return to_png(within(image, SIDE) if max(image.size) > SIDE else image)
