"""Turns a method's result into a `Picture` (finishing upscale, facts, PNG with replay record), and draws previews."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PIL import Image

from engine.catalogue.models import MODELS
from engine.environment import LOCAL
from engine.errors import DreamError
from engine.images.pictures import SVG, fit, pixels_sha256, resized, snapshot, to_png
from engine.methods import Running, State
from engine.protocol.messages import Picture, Request
from engine.protocol.replay_record import make_record, text_chunks
from engine.requests.request import DreamRequest
from engine.runtime.runtime import Runtime, catch
from engine.upscalers import Upscaler, find_upscaler
from engine.upscalers._tiles import axes
from engine.worker.event_loop import Background
from engine.worker.job_state import SNAPSHOT_SECONDS, ImageTask

FALLBACK = "lanczos"


def load_finisher(request: Request, runtime: Runtime) -> tuple[Upscaler[Any], str]:
    """The upscaler that finishes this request's images, and a note if a fallback replaces the model's upscaler."""
    assert isinstance(request, DreamRequest)
    name = MODELS[request.model].finish if request.model in MODELS else ""
    problem = catch(_load, name or FALLBACK, runtime)
    if not isinstance(problem, DreamError):
        return problem, ""
    return _load(FALLBACK, runtime), f"Upscaled by plain resampling: {problem}"


def begin_finish(task: ImageTask, image: Image.Image, runtime: Runtime) -> tuple[Upscaler[Any], State, str]:
    """The upscaler and its state for *image*, with `load_finisher`'s note."""
    request = task.run.job.request
    assert isinstance(request, DreamRequest)
    upscaler, note = load_finisher(request, runtime)
    scale = max(math.ceil(request.width / image.width), math.ceil(request.height / image.height))
    wrap = axes(getattr(request.options, "seamless", "none"))
    state = upscaler.enlarge(task.run.job.id, task.index, image, scale, runtime, wrap)
    replay_plan = task.run.replay_plan
    if replay_plan and replay_plan.core and hasattr(state, "begin_with"):
        state.begin_with(replay_plan.core)
    return upscaler, state, note


def merged(method: Mapping[str, object], upscaler: Mapping[str, object]) -> dict[str, object]:
    """Merges the facts of the method and of its upscaler, `resolved` key by key. The method takes precedence."""
    resolved: list[Any] = [facts.get("resolved") or {} for facts in (method, upscaler)]
    return {**upscaler, **method, "resolved": {**resolved[1], **resolved[0]}}


def make_picture(
    task: ImageTask, image: Image.Image, notes: tuple[str, ...], runtime: Runtime, worker: str = LOCAL
) -> Picture:
    """Encodes the PNG with its replay record; runs on an encoding thread. The record names one *worker* of several."""
    started = time.monotonic()
    request = task.run.job.request
    if isinstance(request, DreamRequest):
        image = fit(image, request.width, request.height)
    elif image.size != request.result:  # a scale between whole numbers
        image = resized(image, request.result)
    facts = {str(key): _json(value) for key, value in task.facts.items()}
    own = facts.pop("resolved", None)
    resolved = {"device": runtime.hardware.description, "dtype": str(runtime.dtype).removeprefix("torch.")}
    resolved |= ({} if worker == LOCAL else {"worker": worker}) | (own or {})
    pixels = pixels_sha256(image)
    record = make_record(request, task.index, resolved, pixels)
    if task.run.source is not None:
        record["source"] = task.run.source
    svg = facts.pop("svg", None)
    png = to_png(image, text_chunks(record) | ({SVG: svg} if svg else {}))
    return Picture(
        *task.run.key,
        task.index,
        png,
        {"clip_score": None, "embedding": None, "perceptor": ""}
        | facts
        | {
            "replay": record,
            "width": image.width,
            "height": image.height,
            "seed": request.seed + task.index if isinstance(request, DreamRequest) else None,
            "seconds": task.run.seconds | task.seconds | {"encode": time.monotonic() - started},
            "memory": task.memory or None,
            "notes": [*notes, *(facts.get("notes") or ())],
            "sha256": pixels,
        },
    )


def _load(name: str, runtime: Runtime) -> Upscaler[Any]:
    upscaler = find_upscaler(name)
    upscaler.load(None, runtime)
    return upscaler


def _json(value: object) -> Any:
    """*value* as JSON types. Non-finite floats become None; other types become text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return str(value)


class Snapshots:
    """At most one preview of an image is encoded at a time; steps that come too soon get none, unless `closely`."""

    def __init__(self, background: Background, ready: Callable[[ImageTask], None]) -> None:
        self._background, self._ready = background, ready

    def offer(self, task: ImageTask, step: Running) -> None:
        """Encodes a preview of *step*, stores it in the run, and calls `ready`."""
        now = time.monotonic()
        if step.preview and task.run.closely:  # a film of a walk needs every frame, even of very short steps
            self._take(task, catch(_draw, step.preview))
        elif step.preview and not task.encoding and now - task.snapshot_at >= SNAPSHOT_SECONDS:
            task.encoding, task.snapshot_at = True, now
            self._background.run(partial(_draw, step.preview), partial(self._take, task))

    def _take(self, task: ImageTask, data: bytes | DreamError) -> None:
        task.encoding = False
        if isinstance(data, bytes) and not task.is_over:
            task.run.snapshots[task.index] = data
            self._ready(task)


def _draw(preview: Callable[[], Image.Image]) -> bytes:
    return snapshot(preview())
