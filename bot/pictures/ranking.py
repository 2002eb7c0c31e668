"""Scores the pictures of a batch, and the order in which they are shown.

    grade       cosine of picture and prompt by a CLIP chosen for scoring
    grader      the name of that CLIP
    clip_score  the same cosine by the CLIP that guided the picture

`BatchScorer` adds the first two to a picture's facts as soon as it is finished, so the order of a batch survives
restarts; the third comes with the picture. Without a CLIP that can score, the pictures keep the order in which they
were painted.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.errors import StoreError
from bot.models.job import JobRow, PictureRow, Update
from bot.pictures.clip_ranker import ClipRanker
from bot.storage import Store
from engine.errors import DreamError
from engine.perceptors.judge_choice import guides_of
from engine.requests.request import DreamRequest


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """The pictures of a job, the best first. *judged*: they have scores; *words*: a sentence about who scored them."""

    pictures: tuple[PictureRow, ...]
    judged: bool
    words: str


def ordered(job: JobRow) -> PictureOrder:
    """The pictures of *job* by score, or as painted without scores."""
    grades = [figure(picture, "grade") for picture in job.pictures]
    if all(grade is not None for grade in grades):
        return PictureOrder(_by(job.pictures, "grade"), True, _judge(job))
    if all(figure(picture, "clip_score") is not None for picture in job.pictures):
        words = "Ranked by the CLIP that guided them, because no other model was available."
        return PictureOrder(_by(job.pictures, "clip_score"), True, words)
    return PictureOrder(job.pictures, False, "Not ranked, because no model could score them.")


def merit(picture: PictureRow) -> float | None:
    """The grade, else the score of the guiding CLIP, else None."""
    grade = figure(picture, "grade")
    return figure(picture, "clip_score") if grade is None else grade


def independent_score(job: JobRow, picture: PictureRow) -> float | None:
    """Cosine of image and prompt by a CLIP that did not guide the image; None if no such CLIP has scored it.

    The guiding CLIP is not shown, because it rates its own images too high.
    """
    if isinstance(job.request, DreamRequest) and picture.facts.get("grader") in guides_of(job.request):
        return None
    return figure(picture, "grade")


def best(pictures: Sequence[PictureRow]) -> PictureRow:
    """The picture with the highest score, or the first without scores. Needs at least one."""
    return max(pictures, key=lambda picture: (-1.0 if (value := merit(picture)) is None else value, -picture.index))


def _by(pictures: tuple[PictureRow, ...], fact: str) -> tuple[PictureRow, ...]:
    return tuple(sorted(pictures, key=lambda picture: -(figure(picture, fact) or 0.0)))


def figure(picture: PictureRow, fact: str) -> float | None:
    """A number among the facts of a picture, or None."""
    value = picture.facts.get(fact)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _judge(job: JobRow) -> str:
    name = str(job.pictures[0].facts.get("grader", "")) if job.pictures else ""
    guides = guides_of(job.request) if isinstance(job.request, DreamRequest) else frozenset()
    if name in guides:
        return f"Scored by {name}, the CLIP that guided them."
    return f"Scored by {name}, which did not guide them."


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
