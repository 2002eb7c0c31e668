"""The order in which the pictures of a batch are shown, and which CLIP scored them.

    grade       cosine of picture and prompt by a CLIP chosen for scoring
    grader      the name of that CLIP
    clip_score  the same cosine by the CLIP that guided the picture

`bot.pictures.batch_scoring` adds the first two to a picture's facts; the third comes with the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.models.job import JobRow, PictureRow
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
