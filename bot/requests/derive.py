"""New requests from finished jobs: again, variation, upscale."""

from __future__ import annotations

from collections.abc import Collection

from bot.errors import PictureGone, Refused
from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import JobRequest, JobRow, PictureRow, new_seed, picture_of
from engine.requests.request import AUTO, USUAL_SCALE, DreamRequest, UpscaleRequest, best_upscaler

SCALES = (4, 3, 2)
"""Upscale factors by preference; the first within the host's limit is the default."""


def dream_of(job: JobRow, index: int | None = None) -> DreamRequest:
    """The dream request of a job, or of one picture of a comparison. Raises Refused for those that have none."""
    if isinstance(job.request, Comparison) and index is not None and index < job.request.count:
        return job.request.ways[index].request
    if isinstance(job.request, Comparison):
        raise Refused("This is a comparison. Pick one of its pictures first, then use the buttons there.")
    if isinstance(job.request, FilmRequest):
        raise Refused("This is a film. Use the buttons under it.")
    if not isinstance(job.request, DreamRequest):
        raise Refused("This is an upscaled picture. Use the buttons of the original.")
    return job.request


def single_request(job: JobRow, index: int) -> DreamRequest:
    """The request that renders one picture of a batch or a comparison by itself. Raises Refused for an upscale."""
    if (
        isinstance(job.request, DreamRequest | Comparison)
        and job.in_parts
        and index < job.request.count
        and isinstance(request := job.part(index).request, DreamRequest)
    ):
        return request
    return picture_of(dream_of(job), index)


def again(job: JobRow) -> JobRequest:
    """The same prompt with a new seed; a job without pictures is tried unchanged."""
    if isinstance(job.request, UpscaleRequest) or not job.pictures:
        return job.request
    if isinstance(job.request, Comparison):
        return job.request.with_seed(new_seed())
    if isinstance(job.request, FilmRequest):
        return job.request.with_first(job.request.first.model_copy(update={"seed": new_seed()}))
    return job.request.model_copy(update={"seed": new_seed()})


def variation(job: JobRow, index: int) -> DreamRequest:
    """The same prompt with a new seed, starting from that picture."""
    request, picture = dream_of(job), job.picture(index)
    if picture is None:
        raise Refused(f"This result has no image {index + 1}.")
    return request.starting_from(picture.sha256).model_copy(update={"seed": new_seed(), "count": 1})


def upscale(picture: PictureRow, upscalers: Collection[str], upscaler: str = "", scale: float = 0) -> UpscaleRequest:
    """The request that upscales a stored picture, by default with the best of *upscalers*. Raises PictureGone."""
    if picture.path is None:
        raise PictureGone(f"Picture {picture.index + 1} of job {picture.job_id} has expired, so it cannot be upscaled.")
    times = scale or USUAL_SCALE
    return UpscaleRequest(
        image=picture.sha256,
        upscaler=upscaler or (best_upscaler(tuple(upscalers), times) if upscalers else AUTO),
        scale=times,
        width=picture.width,
        height=picture.height,
    )


def usual_scale(width: int, height: int, most: int) -> int:
    """The first of `SCALES` whose result has sides of at most *most* pixels. Raises Refused."""
    for scale in SCALES:
        if max(width, height) * scale <= most:
            return scale
    raise Refused(f"This picture is already {width}×{height}; the limit here is {most} pixels a side.")


def upscale_attached(sha256: str, width: int, height: int, upscalers: Collection[str], most: int) -> UpscaleRequest:
    """The request that upscales an attached picture with the best of *upscalers*. Raises Refused."""
    scale = usual_scale(width, height, most)
    best = best_upscaler(upscalers, scale) if upscalers else AUTO
    return UpscaleRequest(image=sha256, upscaler=best, scale=scale, width=width, height=height)
