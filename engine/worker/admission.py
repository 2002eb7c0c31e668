"""From a job to the states of its images: everything before the first step, on a loading thread."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.errors import InvalidRequest, ModelUnavailable, OutOfMemory, WeightsError
from engine.memory_planning.estimate import MemoryEstimate
from engine.memory_planning.plan import MemoryPlan, plan_memory
from engine.methods import Method
from engine.methods._base import State
from engine.protocol.messages import Job
from engine.protocol.replay_record import find_record
from engine.requests.request import AUTO, UpscaleRequest, best_upscaler
from engine.runtime.error_boundary import is_out_of_memory
from engine.runtime.model_cache import Lease
from engine.runtime.runtime import Runtime
from engine.upscalers import Upscaler, find_upscaler, usable_upscalers
from engine.worker.job_state import Painter

log = logging.getLogger(__name__)

FULL = "There is no memory left for this beside the pictures that are being painted; try again when they are finished."
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
    """Load what *job* needs and begin its pictures; raises DreamErrors in words.

    What can never fit into memory is refused before anything is loaded; what fits in a lighter form begins in that.
    When memory runs out, nets that belong to no picture under way leave, and it is tried once more.
    """
    _check_images(job, images)
    try:
        return _held(job, images, runtime, find_method)
    except Exception as error:  # only what says that memory is used up
        if not is_out_of_memory(error):
            raise
        log.warning("No memory for job %s; idle nets leave.", job.id)
    if not runtime.cache.shed():
        raise OutOfMemory(FULL)
    return _held(job, images, runtime, find_method)


def _held(job: Job, images: Mapping[str, bytes], runtime: Runtime, find_method: FindMethod) -> Admitted:
    """The nets of a picture stay from the first that is loaded until it is taken up, however many it needs."""
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
    """The upscaler that *request* names, loaded; for "auto" the best that loads, and notes about better ones.

    Raises ModelUnavailable or WeightsError for an upscaler that was named and cannot be loaded.
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


def _check_images(job: Job, images: Mapping[str, bytes]) -> None:
    for sha in job.request.images:
        if sha not in images:
            raise InvalidRequest("A picture that this request needs did not come with it; attach it again.")
        if hashlib.sha256(images[sha]).hexdigest() != sha:
            raise InvalidRequest("A picture that came with this request is not the one that it names.")
