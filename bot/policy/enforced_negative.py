"""The negative prompt that a server adds to every request of a dream or comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from bot.errors import Refused
from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import Applied, JobRequest, JobRow
from bot.text import plain, shorten
from engine.errors import DreamError
from engine.requests.prompts import Prompt, in_order, parse_prompts
from engine.requests.request import NEGATIVE_WEIGHT, DreamRequest, UpscaleRequest

ENFORCED = "enforced"
"""`Applied.what` of such a negative prompt."""
MAX_ENFORCED = 200
"""Characters."""
_MOST_PARTS = 4


def check_enforced(negative: str) -> None:
    """Raise PromptError or Refused unless *negative* can be added to requests."""
    parts = parse_prompts(negative)
    if len(parts) > _MOST_PARTS or any(part.weight <= 0 for part in parts):
        raise Refused(f"An enforced negative prompt has up to {_MOST_PARTS} parts with positive weights.")


def enforced(job: JobRow, negative: str) -> JobRow:
    """*job* with the parts of *negative* that its request lacks. Raises Refused if they leave nothing to paint."""
    if not negative or isinstance(job.request, UpscaleRequest):
        return job
    applied = (*job.origin.applied, Applied(ENFORCED, negative, "this server"))
    return replace(job, request=_with_negative(job.request, negative), origin=replace(job.origin, applied=applied))


def added_texts(applied: Sequence[Applied]) -> frozenset[str]:
    """The texts, in lower case, of negative prompts that a place has added to a request."""
    added = [one.value for one in applied if one.what in (ENFORCED, "negative")]
    return frozenset(part.text.casefold() for value in added for part in parse_prompts(value))


def _with_negative(request: JobRequest, negative: str) -> JobRequest:
    if isinstance(request, Comparison):
        ways = (way.model_copy(update={"request": _dream(way.request, negative)}) for way in request.ways)
        return request.model_copy(update={"ways": tuple(ways)})
    if isinstance(request, FilmRequest):
        return request.with_first(_dream(request.first, negative))
    return _dream(request, negative) if isinstance(request, DreamRequest) else request


def _dream(request: DreamRequest, negative: str) -> DreamRequest:
    """*request* itself if it contains all parts with at least that weight."""
    wanted = [part.model_copy(update={"weight": part.weight * NEGATIVE_WEIGHT}) for part in parse_prompts(negative)]
    lacking = tuple(part for part in wanted if not _contains(request, part))
    if not lacking:
        return request
    try:
        return DreamRequest(**{**dict(request), "prompts": in_order((*request.prompts, *lacking))})
    except (ValidationError, DreamError) as error:
        added = plain(shorten(negative, MAX_ENFORCED))
        raise Refused(
            f"This server always adds the negative prompt “{added}”, which does not fit this prompt: "
            "use fewer parts, or a larger weight."
        ) from error


def _contains(request: DreamRequest, part: Prompt) -> bool:
    """Whether *request* avoids that text in all steps, at least as much."""
    return any(
        one.text.casefold() == part.text.casefold() and one.weight <= part.weight and one.since is None
        for one in request.prompts
    )
