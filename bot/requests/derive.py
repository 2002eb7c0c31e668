"""New requests from finished pictures: again, variation, remix, upscale."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from pydantic import ValidationError

from bot.errors import PictureGone, Refused
from bot.models.comparison import Asked, Comparison
from bot.models.job import JobRow, PictureRow
from bot.requests.prompt_text import words_of
from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import DreamError
from engine.requests.request import (
    AUTO,
    MAX_SEED,
    METHODS,
    USUAL_SCALE,
    DreamRequest,
    UpscaleRequest,
    best_upscaler,
    build_options,
    build_request,
    option_text,
    parse_settings,
)

_REQUEST_KEYS = ("size", "steps", "seed", "count", "method", "model")
"""Settings of a form that are no options of a method."""


def new_seed() -> int:
    """A random seed."""
    return secrets.randbelow(MAX_SEED + 1)


def dream_of(job: JobRow) -> DreamRequest:
    """The dream request of a job. Raises Refused for an upscale or a comparison, which have none."""
    if isinstance(job.request, Comparison):
        raise Refused("This is a comparison. Pick one of its pictures first, then use the buttons there.")
    if not isinstance(job.request, DreamRequest):
        raise Refused("This is an upscaled picture. Use the buttons of the original.")
    return job.request


def again(job: JobRow) -> Asked:
    """The same prompt with a new seed; a job without pictures is tried unchanged."""
    if isinstance(job.request, UpscaleRequest) or not job.pictures:
        return job.request
    if isinstance(job.request, Comparison):
        return job.request.with_seed(new_seed())
    return job.request.model_copy(update={"seed": new_seed()})


def variation(job: JobRow, index: int) -> DreamRequest:
    """The same prompt with a new seed, starting from that picture."""
    request = dream_of(job)
    return request.starting_from(_picture(job, index)).model_copy(update={"seed": new_seed(), "count": 1})


def _picture(job: JobRow, index: int) -> str:
    for picture in job.pictures:
        if picture.index == index:
            return picture.sha256
    raise Refused(f"This result has no picture {index + 1}.")


def upscale(picture: PictureRow, upscalers: Collection[str], upscaler: str = "", scale: int = 0) -> UpscaleRequest:
    """The request that upscales a stored picture, by default with the best of *upscalers*. Raises PictureGone."""
    if picture.path is None:
        raise PictureGone(
            f"Picture {picture.index + 1} of job {picture.job_id} is no longer stored, so it cannot be upscaled."
        )
    times = scale or USUAL_SCALE
    return UpscaleRequest(
        image=picture.sha256,
        upscaler=upscaler or (best_upscaler(tuple(upscalers), times) if upscalers else AUTO),
        scale=times,
        width=picture.width,
        height=picture.height,
    )


def remix(job: JobRow, prompt: str, negative: str, settings: str) -> DreamRequest:
    """The request of a submitted modal, with the images of the original. Raises InvalidRequest or PromptError."""
    request = dream_of(job)
    words = parse_settings(settings)
    numbers = {key: _whole(key, words[key]) for key in ("steps", "seed", "count") if key in words}
    return build_request(
        prompt,
        negative=negative,
        model=words.get("model", ""),
        method=words.get("method", ""),
        size=words.get("size", ""),
        steps=numbers.get("steps"),
        seed=numbers.get("seed"),
        count=numbers.get("count", 1),
        init_image=request.init_image,
        target_image=request.target_image,
        mask_image=request.mask_image,
        settings={key: value for key, value in words.items() if key not in _REQUEST_KEYS},
    )


def _whole(key: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 10:
        raise Refused(f"{key} is a whole number, as in “{key}=7”; you wrote “{text}”.")
    return int(text)


def form_of(request: DreamRequest) -> tuple[str, str, str]:
    """Prompt, negative prompt and settings as the modal shows them; `remix` parses them into the same request."""
    return *words_of(request), settings_of(request)


def settings_of(request: DreamRequest) -> str:
    """``size=256x256 steps=25 seed=7`` and all other settings that differ from the model's defaults."""
    settings: dict[str, object] = {
        "size": f"{request.width}x{request.height}",
        "steps": request.options.steps,
        "seed": request.seed,
    }
    if request.count > 1:
        settings["count"] = request.count
    named = {**settings, **unusual_ways(request), **needed_options(request)}
    return " ".join(f"{key}={value}" for key, value in named.items())


def unusual_ways(request: DreamRequest) -> dict[str, str]:
    """Model and method where they differ from the defaults."""
    model = MODELS.get(request.model)
    named = {}
    if model is None or request.model != DEFAULT_MODEL:
        named["model"] = request.model
    if model is None or request.method != model.methods[0]:
        named["method"] = request.method
    return named


def needed_options(request: DreamRequest) -> dict[str, str]:
    """The options, beside model, method and steps, that have to be named to get the same options again.

    One option may change the defaults of others (a sampler its noise, an init image the skipped steps), so the result
    is checked repeatedly.
    """
    wanted = request.options.model_dump(exclude={"method", "steps"})
    said: dict[str, str] = {}
    while differing := [name for name in _differing(request, wanted, said) if name not in said]:
        said |= {name: option_text(wanted[name]) for name in differing}
    return {name: said[name] for name in wanted if name in said}


def _differing(request: DreamRequest, wanted: Mapping[str, object], said: Mapping[str, str]) -> list[str]:
    model, steps = MODELS.get(request.model), {"steps": str(request.options.steps)}
    try:
        if model is None:
            options = METHODS[request.method].settle({}, {**steps, **said})
        else:
            options = build_options(model, request.method, {**steps, **said})
    except (DreamError, ValidationError):
        return list(wanted)
    usual = [options]
    if request.init_image:  # what the picture brings along is said as well: without it nothing else is painted unseen
        usual.append(options.for_init(said, masked=bool(request.mask_image)))
    return [name for name in wanted if any(getattr(one, name) != getattr(request.options, name) for one in usual)]
