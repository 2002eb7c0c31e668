"""Hands a batch or a comparison to the engine in portions: missing pictures as a separate request.

Picture *i* of a request equals the single picture of its prompt with seed + *i*, so a portion of a batch is the same
request with another seed and fewer pictures; of a comparison it is the next way. Finished pictures are durable and are
not rendered again after a crash.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count, takewhile

from bot.models.comparison import picture_of
from bot.models.job import JobRow
from bot.requests.derive import dream_of
from engine.protocol.messages import Failure, Picture, Progress, Request, Result
from engine.requests.request import DreamRequest

PORTION = 8
"""Most pictures of a batch that are rendered together, and lost if the engine crashes."""


@dataclass(frozen=True, slots=True)
class Portion:
    """*request* renders the pictures of its job from index *first* on; *before* pictures were stored already."""

    request: Request
    first: int = 0
    before: int = 0

    @property
    def indices(self) -> range:
        """The pictures of the job that it renders."""
        return range(self.first, self.first + self.request.count)


def next_portion(job: JobRow, room: int, failed: Collection[int] = ()) -> Portion | None:
    """What to hand over of *job* to an engine with *room* for so many pictures; None if nothing is missing.

    *failed*: indices of pictures that are not tried again.
    """
    if not job.in_parts:
        return Portion(job.parts[0].request)
    missing = set(job.missing) - set(failed)
    if not missing:
        return None
    first = min(missing)
    request = job.part(first).request
    if job.is_batch and isinstance(request, DreamRequest):
        together = sum(1 for _ in takewhile(missing.__contains__, count(first)))
        request = request.model_copy(update={"count": min(together, PORTION, max(room, 1))})
    return Portion(request, first, len(job.pictures))


def single_request(job: JobRow, index: int) -> DreamRequest:
    """The request that renders one picture of a batch or a comparison by itself. Raises Refused for an upscale."""
    if job.in_parts and index < job.request.count and isinstance(request := job.part(index).request, DreamRequest):
        return request
    return picture_of(dream_of(job), index)


def handed_out(job: JobRow, part: Portion) -> int:
    """For how many pictures *part* was counted when the queue handed it out."""
    return min(PORTION, job.request.count - part.before) if job.is_batch else part.request.count


def of_the_whole(
    event: Progress | Picture | Result | Failure, job: JobRow, part: Portion
) -> Progress | Picture | Result | Failure:
    """Translate an event about *part* into one about the whole job."""
    if not job.in_parts:
        return event
    if isinstance(event, Picture):
        return replace(event, index=part.first + event.index)
    if isinstance(event, Progress):
        painted, all_of_them = part.request.count, job.request.count
        return replace(
            event,
            step=part.before * event.steps + painted * event.step,
            steps=all_of_them * event.steps,
            seconds_per_step=event.seconds_per_step / painted,
            snapshots={},
        )
    return event
