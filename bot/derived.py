"""New requests from finished pictures: again, a variation, a remix. Pure; upscales are made by the dispatcher."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from bot.comparison import PLACES, Asked, Comparison
from bot.errors import Refused
from bot.jobs import JobRow
from bot.typed import one_line, words_of
from engine.models import DEFAULT_MODEL, MODELS
from engine.requests import (
    MAX_SEED,
    METHODS,
    DreamRequest,
    UpscaleRequest,
    build_request,
    option_text,
    parse_settings,
)

_REQUEST_KEYS = ("size", "steps", "seed", "count", "method", "model")
"""Settings of a form that are no options of a method."""


def new_seed() -> int:
    """A seed nobody has seen."""
    return secrets.randbelow(MAX_SEED + 1)


def dream_of(job: JobRow) -> DreamRequest:
    """The request of a painted picture; raises Refused for an enlarged one, which has no words of its own."""
    if isinstance(job.request, Comparison):
        raise Refused("This is a comparison: show one of its pictures by itself, and use the buttons there.")
    if not isinstance(job.request, DreamRequest):
        raise Refused("This is an enlarged picture; use the buttons of the picture that it was made from.")
    return job.request


def again(job: JobRow) -> Asked:
    """The same words with another seed; a job that did not succeed is tried as it was."""
    if isinstance(job.request, UpscaleRequest) or not job.pictures:
        return job.request
    if isinstance(job.request, Comparison):
        return job.request.with_seed(new_seed())
    return job.request.model_copy(update={"seed": new_seed()})


def variation(job: JobRow, index: int) -> DreamRequest:
    """The same words, starting from that picture instead of from nothing."""
    request = dream_of(job)
    return request.starting_from(_picture(job, index)).model_copy(update={"seed": new_seed(), "count": 1})


def _picture(job: JobRow, index: int) -> str:
    for picture in job.pictures:
        if picture.index == index:
            return picture.sha256
    raise Refused(f"This result has no picture {index + 1}.")


def remix(job: JobRow, prompt: str, negative: str, settings: str) -> DreamRequest:
    """What the form says, with the pictures that the original was given. Raises InvalidRequest, PromptError."""
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
    """Prompt, negative prompt and settings as a form shows them; `remix` reads them back into the same request."""
    return *words_of(request), settings_of(request)


def settings_of(request: DreamRequest) -> str:
    """``size=256x256 steps=25 seed=7``, and whatever else differs from what the model usually does."""
    settings: dict[str, object] = {
        "size": f"{request.width}x{request.height}",
        "steps": request.options.steps,
        "seed": request.seed,
    }
    if request.count > 1:
        settings["count"] = request.count
    return " ".join(f"{key}={value}" for key, value in {**settings, **_unusual(request)}.items())


def _unusual(request: DreamRequest) -> Mapping[str, object]:
    """Options that are not the model's defaults."""
    model = MODELS.get(request.model)
    usual: dict[str, object] = {name: field.default for name, field in METHODS[request.method].model_fields.items()}
    usual |= dict(model.defaults.get(request.method, {})) if model else {}
    named: dict[str, object] = {}
    if model is None or request.model != DEFAULT_MODEL:
        named["model"] = request.model
    if model is None or request.method != model.methods[0]:
        named["method"] = request.method
    options = request.options.model_dump(exclude={"method", "steps"})
    return {**named} | {name: option_text(value) for name, value in options.items() if value != usual.get(name)}


def slash_command(request: DreamRequest) -> str:
    """The command that asks for the same picture again; what cannot be typed (pictures) is left out."""
    prompt, negative = words_of(request)
    parts = [f"/dream prompt:{prompt}"]
    if negative:
        parts.append(f"negative:{negative}")
    parts.append(f"size:{request.width}x{request.height} steps:{request.options.steps} seed:{request.seed}")
    if request.count > 1:
        parts.append(f"count:{request.count}")
    unusual = dict(_unusual(request))
    parts += [f"{name}:{unusual.pop(name)}" for name in ("method", "model") if name in unusual]
    if unusual:
        parts.append(f"more:{' '.join(f'{key}={value}' for key, value in unusual.items())}")
    return " ".join(parts)


def compare_command(comparison: Comparison) -> str:
    """The command that asks for the same comparison again, without the pictures that it may have started from."""
    prompt, negative = words_of(comparison.ways[0].request)
    parts = [f"/compare prompt:{prompt}"]
    parts += [f"{place}:{way.label}" for place, way in zip(PLACES, comparison.ways, strict=False)]
    if negative:
        parts.append(f"negative:{negative}")
    return " ".join([*parts, f"seed:{comparison.seed}"])


def shell_command(request: DreamRequest) -> str:
    """The same from a shell, beside the engine."""
    unusual = dict(_unusual(request))
    prompt, negative = one_line(request)
    parts = ["python -m engine dream", _quoted(prompt)]
    if negative:
        parts.append(f"--negative {_quoted(negative)}")
    parts.append(f"--size {request.width}x{request.height} --steps {request.options.steps} --seed {request.seed}")
    if request.count > 1:
        parts.append(f"--count {request.count}")
    parts += [f"--{name} {unusual.pop(name)}" for name in ("method", "model") if name in unusual]
    parts += [f"--set {key}={value}" for key, value in unusual.items()]
    if request.init_image:
        parts.append("--init PICTURE.png")
    if request.mask_image:
        parts.append("--mask MASK.png")
    return " ".join(parts)


def _quoted(text: str) -> str:
    """One word for a POSIX shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
