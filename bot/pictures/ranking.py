"""Scores pictures by CLIP, and the order in which the pictures of a job are shown.

    grade       cosine of picture and prompt by a CLIP chosen for scoring
    grader      the name of that CLIP
    clip_score  the same cosine by the CLIP that guided the picture

`ClipRanker` asks the engine, which embeds pictures and prompts between two of its steps; recent rankings are cached,
because they never change. `BatchScorer` adds grade and grader to a picture's facts as soon as it is finished, so the
order of a batch survives restarts. Without a CLIP that can score, pictures keep the order in which they were painted.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.errors import PictureGone, Refused, StoreError
from bot.models.job import JobRow, PictureRow, Ranking, Update
from bot.requests.derive import dream_of
from bot.retry import in_thread
from bot.storage import Store, files
from engine.client.local import Engine
from engine.errors import DreamError, EngineRestarting
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
        parts = [prompt for prompt in last_phase(prompts) if reads(name, prompt.text)]
        if not parts:
            raise Refused(f"{name}, the model that scores pictures, does not know any word of this prompt.")
        seen = [(picture.index, view) for picture in pictures if (view := await _view(picture))]
        if not seen:
            return {}
        try:
            async with asyncio.timeout(SECONDS):
                words = await embed(self._engine, name, texts=[part.text for part in parts])
                views = await embed(self._engine, name, images=[view for _, view in seen])
        except TimeoutError as error:
            raise Refused("The engine is too busy to rank pictures right now. Try again later.") from error
        aim = np.array([part.weight for part in parts]) @ np.array(words.vectors)
        cosines = np.array(views.vectors) @ (aim / max(float(np.linalg.norm(aim)), 1e-12))
        return {index: float(cosine) for (index, _), cosine in zip(seen, cosines, strict=True)}


async def embed(
    engine: Engine, perceptor: str, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), pulls: bool = False
) -> Embeddings:
    """The engine's vectors by that CLIP; waits while the engine restarts."""
    while True:
        try:
            return await engine.embed(texts=texts, images=images, perceptor=perceptor, pulls=pulls)
        except EngineRestarting:
            await asyncio.sleep(PAUSE)


def reads(perceptor: str, text: str) -> bool:
    """Whether that CLIP knows a word of *text*."""
    return says_something(text) if perceptor.startswith(SMALL) else bool(text)


async def _view(picture: PictureRow) -> bytes | None:
    """The picture at the size that the perceptor sees; None if its file is gone."""
    png = await files.read(picture.path)
    return await clip_view(png) if png else None


@in_thread
def clip_view(png: bytes) -> bytes:
    """*png* with at most `SIDE` pixels a side."""
    image = open_own(png)
    return to_png(within(image, SIDE) if max(image.size) > SIDE else image)


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
    grade = figure(picture, "grade")
    if grade is None or not isinstance(job.request, DreamRequest):
        return grade
    return None if picture.facts.get("grader") in guides_of(job.request) else grade


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
