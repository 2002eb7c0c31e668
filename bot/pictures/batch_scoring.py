"""Scores each picture of a batch as soon as it is finished.

The scores are stored among the picture's facts (see `bot.pictures.ranking`), so the order of a batch survives restarts.
Without a CLIP that can score, the pictures keep the order in which they were painted.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from bot.errors import StoreError
from bot.models.job import JobRow, PictureRow, Update
from bot.pictures.clip_ranker import ClipRanker
from bot.storage import Store
from engine.errors import DreamError
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)


class BatchScorer:
    """Scores one batch after the other with `ClipRanker`. Subscribe `hear` to the job registry."""

    def __init__(self, critic: ClipRanker, store: Store) -> None:
        self._critic, self._store = critic, store
        self._waiting: dict[str, JobRow] = {}
        self._turn = asyncio.Lock()
        self._working: asyncio.Task[None] | None = None

    def hear(self, update: Update) -> None:
        job = update.job
        if job.is_batch and any("grade" not in picture.facts for picture in job.pictures):
            self._waiting[job.id] = job
            if self._working is None or self._working.done():
                self._working = asyncio.create_task(self._work(), name="grades")

    async def graded(self, job: JobRow) -> JobRow:
        """*job* with the stored scores of its pictures; unscored pictures of a batch are scored first."""
        if not job.is_batch or not job.pictures:
            return job
        async with self._turn:
            known = await self._store.jobs.find(job.id)
            if known is None:  # its owner's data was erased
                return job
            job = replace(job, pictures=known.pictures)
            ungraded = [picture for picture in job.pictures if "grade" not in picture.facts]
            if ungraded:
                job = await self._grade(job, ungraded)
        return job

    async def close(self) -> None:
        """Stop now. Pictures without a score are scored when their batch is shown."""
        if self._working:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            _, job = self._waiting.popitem()
            await self.graded(job)

    async def _grade(self, job: JobRow, ungraded: list[PictureRow]) -> JobRow:
        assert isinstance(job.request, DreamRequest)
        try:
            name, cosines = await self._critic.cosines(job.request, ungraded)
            facts = {index: {"grade": cosine, "grader": name} for index, cosine in cosines.items()}
            await self._store.pictures.learn(job.id, facts)
        except (DreamError, StoreError) as error:
            log.info("pictures of batch %s could not be scored: %s", job.id, error)
            return job
        pictures = (replace(one, facts={**one.facts, **facts.get(one.index, {})}) for one in job.pictures)
        return replace(job, pictures=tuple(pictures))
