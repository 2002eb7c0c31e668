"""Ranks the pictures of a job by CLIP: the cosine between prompt and picture, by a CLIP that did not guide them.

The engine embeds pictures and prompts between two of its steps. Rankings never change, so recent ones are cached.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from bot.errors import PictureGone, Refused
from bot.models.job import JobRow, PictureRow, Ranking
from bot.requests.derive import dream_of
from bot.storage import files
from engine.client.local import Engine
from engine.errors import EngineRestarting
from engine.images.opening import open_own
from engine.images.pictures import to_png, within
from engine.perceptors.judge_choice import choose_grader, guides_of
from engine.primer.vocabulary import says_something
from engine.protocol.messages import Embeddings
from engine.requests.prompts import Prompt, last_phase
from engine.requests.request import DreamRequest

SIDE = 336
"""Pixels of the longer side; CLIPs of this family see no more."""
REMEMBERED = 200
SECONDS = 60.0
"""Longest wait for the engine."""
PAUSE = 0.25
"""Seconds between two attempts while the engine restarts."""
FEWER = "Fewer than two of these pictures are left, so there is nothing to rank."
SMALL = "primer"
"""Prefix of perceptors that only know the words of the primer's vocabulary."""


class ClipRanker:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said: OrderedDict[str, Ranking] = OrderedDict()
        self._turn = asyncio.Lock()

    async def rank(self, job: JobRow) -> Ranking:
        """Rank a finished job's pictures. Raises PictureGone, Refused, or an error of the engine."""
        request = dream_of(job)
        name, note = choose_grader(guides_of(request))
        async with self._turn:
            if job.id not in self._said:
                found = await self._cosines(job.pictures, request.prompts, name)
                if len(found) < 2:
                    raise PictureGone(FEWER)
                self._said[job.id] = Ranking(tuple(sorted(found.items(), key=lambda one: -one[1])), name, note)
                while len(self._said) > REMEMBERED:
                    self._said.popitem(last=False)
            return self._said[job.id]

    async def cosines(self, request: DreamRequest, pictures: Sequence[PictureRow]) -> tuple[str, Mapping[int, float]]:
        """(name of the scoring CLIP, index → cosine) of the *pictures* still on disk. Raises as `rank` does."""
        name, _ = choose_grader(guides_of(request))
        return name, await self._cosines(pictures, request.prompts, name)

    async def _cosines(
        self, pictures: Sequence[PictureRow], prompts: Sequence[Prompt], name: str
    ) -> Mapping[int, float]:
        parts = [prompt for prompt in last_phase(prompts) if _is_read(prompt, name)]
        if not parts:
            raise Refused(f"{name}, the model that scores pictures, does not know any word of this prompt.")
        seen = [(picture.index, view) for picture in pictures if (view := await _view(picture))]
        if not seen:
            return {}
        try:
            async with asyncio.timeout(SECONDS):
                words = await self._embed(name, texts=[part.text for part in parts])
                views = await self._embed(name, images=[view for _, view in seen])
        except TimeoutError as error:
            raise Refused("The engine is too busy to rank pictures right now. Try again later.") from error
        aim = np.array([part.weight for part in parts]) @ np.array(words.vectors)
        cosines = np.array(views.vectors) @ (aim / max(float(np.linalg.norm(aim)), 1e-12))
        return {index: float(cosine) for (index, _), cosine in zip(seen, cosines, strict=True)}

    async def _embed(self, name: str, *, texts: Sequence[str] = (), images: Sequence[bytes] = ()) -> Embeddings:
        """Embed; waits while the engine restarts."""
        while True:
            try:
                return await self._engine.embed(texts=texts, images=images, perceptor=name)
            except EngineRestarting:
                await asyncio.sleep(PAUSE)


def _is_read(prompt: Prompt, perceptor: str) -> bool:
    if not perceptor.startswith(SMALL):
        return bool(prompt.text)
    return says_something(prompt.text)


async def _view(picture: PictureRow) -> bytes | None:
    """The picture at the size that the perceptor sees; None if its file is gone."""
    png = await files.read(picture.path) if picture.path else None
    return await asyncio.to_thread(clip_view, png) if png else None


def clip_view(png: bytes) -> bytes:
    """*png* with at most `SIDE` pixels a side. Blocks."""
    image = open_own(png)
    return to_png(within(image, SIDE) if max(image.size) > SIDE else image)
