"""From a job to the states of its pictures: everything before the first step. Runs on a loading thread."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.attempts import Painter
from engine.errors import InvalidRequest
from engine.messages import Job
from engine.methods import Method
from engine.replay import find_record
from engine.requests import AUTO, UpscaleRequest, best_upscaler
from engine.runtime import Runtime
from engine.steps import State
from engine.upscalers import find_upscaler, usable_upscalers

FindMethod: TypeAlias = Callable[[str], Method[Any]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A job that can be painted. *seconds*: how long loading and beginning took."""

    painter: Painter
    states: list[State]
    seconds: Mapping[str, float]
    source: Mapping[str, object] | None = None
    """The record of how the picture was made that is to be enlarged, if it holds one."""


def admit(job: Job, images: Mapping[str, bytes], runtime: Runtime, find_method: FindMethod) -> Admitted:
    """Load what *job* needs and begin its pictures; raises DreamErrors in words."""
    _check_images(job, images)
    started = time.monotonic()
    painter: Painter
    source = None
    if isinstance(job.request, UpscaleRequest):
        painter = find_upscaler(_upscaler(job.request))
        painter.load(job.request, runtime)
        source = find_record(images[job.request.image])
    else:
        painter = find_method(job.request.method)
        painter.load(job.request, runtime)
    loaded = time.monotonic()
    states = painter.begin(job, images, runtime)
    if len(states) != job.request.count:
        raise RuntimeError(f"{len(states)} states were begun for {job.request.count} pictures")
    return Admitted(painter, states, {"load": loaded - started, "begin": time.monotonic() - loaded}, source)


def _upscaler(request: UpscaleRequest) -> str:
    return request.upscaler if request.upscaler != AUTO else best_upscaler(usable_upscalers(), request.scale)


def _check_images(job: Job, images: Mapping[str, bytes]) -> None:
    for sha in job.request.images:
        if sha not in images:
            raise InvalidRequest("A picture that this request needs did not come with it; attach it again.")
        if hashlib.sha256(images[sha]).hexdigest() != sha:
            raise InvalidRequest("A picture that came with this request is not the one that it names.")
