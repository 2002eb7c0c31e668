"""From a job to the states of its images: everything before the first step, on a loading thread."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.catalogue.models import PUBLISHED_MODELS
from engine.errors import InvalidRequest, ModelUnavailable, OutOfMemory, WeightsError
from engine.memory_planning.plan import MemoryEstimate, MemoryPlan, plan_memory
from engine.methods import Method, State
from engine.protocol.messages import Job
from engine.protocol.replay_record import find_record
from engine.requests.request import AUTO, UpscaleRequest, best_upscaler, find_model
from engine.runtime.model_cache import Lease
from engine.runtime.runtime import Runtime, is_out_of_memory
from engine.upscalers import Upscaler, find_upscaler, usable_upscalers
from engine.weights.store.trained_models import refresh_trained_models
from engine.worker.job_state import Painter

log = logging.getLogger(__name__)

FULL = "There is not enough memory while other images are being painted; try again when they are finished."
FindMethod: TypeAlias = Callable[[str], Method[Any]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A job that can be painted. *seconds*: phase → duration of loading and beginning."""

    painter: Painter
    states: list[State]
    seconds: Mapping[str, float]
    source: Mapping[str, object] | None = None
    """The replay record in the image to upscale, if it has one."""
    needs: MemoryEstimate | None = None
    """The memory estimate of each of its images, if there is one."""
    nets: frozenset[str] = frozenset()
    """Keys of the models that were used."""
    held: Lease | None = None
    """Keeps the models loaded until the images have been taken up."""


def admit(job: Job, images: Mapping[str, bytes], runtime: Runtime, find_method: FindMethod) -> Admitted:
    """Loads the models of *job* and begins its images. Raises DreamErrors.

    The memory estimate is checked before anything is loaded; it refuses the job or sets its memory level.
    When memory runs out, models of no image in progress are evicted, then the job is tried once more.
    """
    for sha in job.request.images:
        if sha not in images:
            raise InvalidRequest("An image of this request is missing; attach it again.")
        if hashlib.sha256(images[sha]).hexdigest() != sha:
            raise InvalidRequest("An image of this request does not match its SHA-256.")
    try:
        return _held(job, images, runtime, find_method)
    except Exception as error:  # anything but out-of-memory is raised again
        if not is_out_of_memory(error):
            raise
        log.warning("Out of memory for job %s; evicting idle models.", job.id)
    if not runtime.cache.shed():
        raise OutOfMemory(FULL)
    return _held(job, images, runtime, find_method)


def _held(job: Job, images: Mapping[str, bytes], runtime: Runtime, find_method: FindMethod) -> Admitted:
    """Keeps every model of the job loaded until the worker has taken up its images."""
    with runtime.cache.lease() as lease:
        admitted = _admit(job, images, runtime, find_method)
        nets = frozenset(lease.keys)
        return dataclasses.replace(admitted, nets=nets, held=runtime.cache.hold(nets))


def _admit(job: Job, images: Mapping[str, bytes], runtime: Runtime, find_method: FindMethod) -> Admitted:
    started = time.monotonic()
    painter: Painter
    source, plan = None, MemoryPlan()
    passed_over: tuple[str, ...] = ()
    if isinstance(job.request, UpscaleRequest):
        painter, passed_over = _load_upscaler(job.request, runtime)
        source = find_record(images[job.request.image])
    else:
        adapters = getattr(job.request.options, "adapters", ())
        if adapters or job.request.model not in PUBLISHED_MODELS:
            refresh_trained_models()
        job.request.options.check_model(find_model(job.request.model), ())  # anything may be gone since
        painter = find_method(job.request.method)
        plan = plan_memory(painter, job.request, runtime)
        painter.load(job.request, runtime)
    loaded = time.monotonic()
    states = painter.begin(job, images, runtime)
    if len(states) != job.request.count:
        raise RuntimeError(f"{len(states)} states were begun for {job.request.count} pictures")
    for state in states:
        if passed_over:
            state.notes = passed_over
    if plan.level:
        for state in states:
            state.memory_level = max(state.memory_level, plan.level)
    seconds = {"load": loaded - started, "begin": time.monotonic() - loaded}
    return Admitted(painter, states, seconds, source, plan.estimate)


def _load_upscaler(request: UpscaleRequest, runtime: Runtime) -> tuple[Upscaler[Any], tuple[str, ...]]:
    """Loads the upscaler of *request*; for "auto" the best one that loads, with notes about the failed ones.

    Raises ModelUnavailable or WeightsError if a named upscaler cannot be loaded.
    """
    usable = set(usable_upscalers()) if request.upscaler == AUTO else {request.upscaler}
    notes: list[str] = []
    while True:
        name = best_upscaler(usable, request.scale) if request.upscaler == AUTO else request.upscaler
        upscaler = find_upscaler(name)
        try:
            upscaler.load(request, runtime)
        except (ModelUnavailable, WeightsError) as error:
            if request.upscaler != AUTO or name not in usable:
                raise
            usable.remove(name)
            notes.append(f"The upscaler “{name}” cannot be used: {error}")
            log.warning("%s", notes[-1])
        else:
            return upscaler, tuple(notes)
