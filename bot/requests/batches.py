"""A batch or a comparison crosses to the engine in parts: pictures that are still missing, as a request of its own.

Picture *i* of a request is the picture that its words and the seed + *i* give alone, so a part of a batch is the same
request with another seed and fewer pictures; of a comparison it is the next way. What is painted is durable and is
never painted again, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count, takewhile

from bot.models.comparison import Comparison
from bot.models.job import JobRow
from bot.requests.derive import dream_of
from engine.protocol.messages import Failure, Picture, Progress, Request, Result
from engine.requests.request import DreamRequest, UpscaleRequest

PORTION = 8
"""Pictures of a batch that are painted together at most: as many as would be lost when the engine dies."""


@dataclass(frozen=True, slots=True)
class Part:
    """*request* paints the pictures of its job from number *first* on; *before* of them lay there already."""

    request: Request
    first: int = 0
    before: int = 0

    @property
    def indices(self) -> range:
        """Which pictures of the whole these are."""
        return range(self.first, self.first + self.request.count)


def next_part(job: JobRow, room: int, hopeless: Collection[int] = ()) -> Part | None:
    """What to hand over of *job* where the engine has *room* for so many pictures; None if nothing is missing.

    *hopeless*: pictures that have failed and will not be tried again.
    """
    missing = set(job.missing) - set(hopeless)
    if isinstance(job.request, Comparison):
        return Part(job.request.ways[min(missing)].request, min(missing), len(job.pictures)) if missing else None
    if isinstance(job.request, UpscaleRequest) or not job.is_batch:
        return Part(job.request)
    if not missing:
        return None
    first = min(missing)
    together = sum(1 for _ in takewhile(missing.__contains__, count(first)))
    pictures = min(together, PORTION, max(room, 1))
    request = job.request.model_copy(update={"seed": job.request.seed + first, "count": pictures})
    return Part(request, first, len(job.pictures))


def alone(job: JobRow, index: int) -> DreamRequest:
    """What paints one picture of a batch or a comparison by itself. Raises Refused where nothing was painted."""
    if isinstance(job.request, Comparison) and index < job.request.count:
        return job.request.ways[index].request
    request = dream_of(job)
    return request.model_copy(update={"seed": request.seed + index, "count": 1})


def handed_out(job: JobRow, part: Part) -> int:
    """For how many pictures *part* was counted when the queue handed it out."""
    return min(PORTION, job.request.count - part.before) if job.is_batch else part.request.count


def of_the_whole(
    event: Progress | Picture | Result | Failure, job: JobRow, part: Part
) -> Progress | Picture | Result | Failure:
    """What the engine said about *part*, as a word about all of *job*."""
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
