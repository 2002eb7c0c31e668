"""What people ask about a picture in words: of a result or an attachment, one question per person at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.community.words.chart import explanation_chart
from bot.community.words.clip_reader import ClipReader
from bot.community.words.describe import Description, describe
from bot.community.words.explain import Explanation, asked_texts, explain, prompt_texts
from bot.errors import CoolingDown, PictureGone, Refused
from bot.models.job import JobRow, picture_of
from bot.pictures.ranking import best
from bot.storage import Store
from engine.client.local import Engine
from engine.perceptors.judge_choice import choose_grader, guides_of
from engine.requests.request import DreamRequest

NO_TEXTS = "Say which texts to compare with the picture, for example: a fox | an owl | fog"


@dataclass(frozen=True, slots=True)
class Asked:
    """The picture of a question. *request*: the request that painted it; None for an attachment or an upscale."""

    png: bytes
    request: DreamRequest | None = None


class PictureWords:
    """One per bot. Methods raise DreamErrors."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._reader = ClipReader(engine)
        self._asking: set[int] = set()

    async def of_result(self, job: JobRow, index: int | None = None) -> Asked:
        """A picture of a result, by default the best. Raises PictureGone."""
        if not job.on_disk:
            raise PictureGone("This picture is not finished, or it has expired.")
        picture = (None if index is None else job.picture(index)) or best(job.pictures)
        png = await self._store.pictures.png(job.id, picture.index)
        request = job.part(picture.index).request
        return Asked(png, picture_of(request, 0) if isinstance(request, DreamRequest) else None)

    async def describe(self, asked: Asked, user_id: int) -> Description:
        """The texts that come closest to the picture."""
        perceptor, note = _judge(asked)
        with self._alone(user_id):
            return await describe(self._reader, perceptor, asked.png, note)

    async def explain(self, asked: Asked, texts: str, user_id: int) -> tuple[Explanation, bytes]:
        """How well *texts*, or by default the parts of its prompt, fit the picture; with the chart as PNG."""
        own = prompt_texts(asked.request) if asked.request else ()
        wanted = asked_texts(texts) if texts.strip() else own
        if not wanted:
            raise Refused(NO_TEXTS)
        perceptor, note = _judge(asked)
        with self._alone(user_id):
            found = await explain(self._reader, perceptor, asked.png, wanted, note)
        pulls = bool(own) and set(wanted) <= set(own)
        return found, await asyncio.to_thread(explanation_chart, asked.png, found, pulls=pulls)

    @contextmanager
    def _alone(self, user_id: int) -> Iterator[None]:
        if user_id in self._asking:
            raise CoolingDown("Your last question about a picture is still being answered.")
        self._asking.add(user_id)
        try:
            yield
        finally:
            self._asking.discard(user_id)


def _judge(asked: Asked) -> tuple[str, str]:
    return choose_grader(guides_of(asked.request) if asked.request else ())
