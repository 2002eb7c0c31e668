"""The replay record: a request and its resolved values, from which an image can be painted again.

A finished PNG holds it as JSON under `dreambot`, and as readable text under `parameters`. A replay gives equal pixels
on one machine, because it repeats the conditions of each step (see `StepLog`). On other machines,
pixels may differ by rounding.

Records of PNGs are untrusted input: `read_record` checks them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.errors import DreamError, InvalidRequest
from engine.images.pictures import read_text
from engine.protocol.messages import Request
from engine.requests.prompts import format_prompts
from engine.requests.request import MAX_COUNT, DreamRequest, find_model, request_from_json

RECORD_VERSION = 1
KEYWORD = "dreambot"
KEPT = ("record", "engine", "request", "index", "resolved", "pixels", "source")
LONGEST_SOURCE = 32_768
"""Maximum characters of a record inside a record; ten times the usual length."""
LARGEST_RECORD = 256 * 1024
"""Maximum characters of a record; usual ones have a few thousand."""


def make_record(request: Request, index: int, resolved: Mapping[str, object], pixels: str = "") -> dict[str, object]:
    """The record of image *index* of *request*; *resolved* is JSON: hashes of weights, dtype, step log, device.

    *pixels*: SHA-256 of the RGB pixels, which detects later changes.
    """
    return {
        "record": RECORD_VERSION,
        "engine": engine_version(),
        "request": request.model_dump(mode="json"),
        "index": index,
        "resolved": dict(resolved),
        "pixels": pixels,
    }


def text_chunks(record: Mapping[str, Any]) -> dict[str, str]:
    """PNG text chunks with *record*: keyword → text."""
    return {KEYWORD: json.dumps(record, ensure_ascii=False, allow_nan=False), "parameters": describe(record)}


def read_record(png: bytes) -> dict[str, Any]:
    """The record of a PNG. Raises UnreadablePicture for other files, InvalidRequest for a missing or invalid record.

    Only the form is checked; `check_model` checks whether the request can be painted.
    """
    text = read_text(png).get(KEYWORD)
    if text is None:
        raise InvalidRequest("This PNG has no replay record; only pictures painted by dreambot have one.")
    if len(text) > LARGEST_RECORD:
        raise InvalidRequest(
            f"The record in this PNG is too long: {len(text)} characters; the limit is {LARGEST_RECORD}."
        )
    try:
        record = json.loads(text)
        json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and cannot be written
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The record in this PNG is broken.") from error
    if not isinstance(record, dict) or type(record.get("record")) is not int or record["record"] < 1:
        raise InvalidRequest("The record in this PNG is not one of ours.")
    if record["record"] > RECORD_VERSION:
        raise InvalidRequest(
            f"The record in this PNG has the form {record['record']}, and engine {engine_version()} reads forms up to "
            f"{RECORD_VERSION}: it was painted by a newer engine. Update to replay it."
        )
    index = record.get("index")
    if type(index) is not int or not 0 <= index < MAX_COUNT or not isinstance(record.get("request"), dict):
        raise InvalidRequest("The record in this PNG is not one of ours.")
    resolved = record.get("resolved")
    return record | {
        "engine": str(record.get("engine", "unknown"))[:40],
        "resolved": resolved if isinstance(resolved, dict) else {},
        "pixels": str(record.get("pixels", ""))[:64],
    }


def find_record(data: bytes) -> dict[str, Any] | None:
    """The checked record of an untrusted image, for storage in another record; None without a valid one."""
    try:
        record = read_record(data)
        describe(record)
        kept = json.dumps({name: record[name] for name in KEPT if name in record}, allow_nan=False)
    except (DreamError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return json.loads(kept) if len(kept) <= LONGEST_SOURCE else None


def recorded_request(record: Mapping[str, Any]) -> Request:
    """The request as it was recorded, for all of its images. Raises InvalidRequest."""
    return request_from_json(json.dumps(record["request"]))


def replay_request(record: Mapping[str, Any]) -> Request:
    """The request for the recorded image alone. Raises InvalidRequest."""
    request = recorded_request(record)
    if not isinstance(request, DreamRequest):
        return request
    if record["index"] >= request.count:
        raise InvalidRequest("The record in this PNG contradicts itself: its request has no such picture.")
    return request.model_copy(update={"seed": request.seed + record["index"], "count": 1})


def check_model(request: DreamRequest) -> None:
    """Raises InvalidRequest for an unknown model, size or method, which `build_request` checks for other requests."""
    model = find_model(request.model)
    model.check_size(request.width, request.height)
    if request.method not in model.methods:
        raise InvalidRequest(f"{model.subject} does not support “{request.method}”, the method in this PNG's record.")


def describe(record: Mapping[str, Any]) -> str:
    """Readable text: the prompt, then the options that differ from their defaults."""
    request = recorded_request(record)
    if not isinstance(request, DreamRequest):
        by = record.get("resolved", {}).get("upscaler") or request.upscaler
        return f"Upscaled {request.scale} times by {by}, engine {record['engine']}"
    chosen = {
        "Model": request.model,
        "Size": f"{request.width}x{request.height}",
        "Seed": request.seed + record["index"],
        **{name.replace("_", " ").capitalize(): value for name, value in _notable(request).items()},
        "Engine": record["engine"],
    }
    return f"{format_prompts(request.prompts)}\n" + ", ".join(f"{name}: {value}" for name, value in chosen.items())


def _notable(request: DreamRequest) -> dict[str, object]:
    """The method, the steps, and every option that differs from its default."""
    fields, values = type(request.options).model_fields, request.options.model_dump()
    differ = {name for name, field in fields.items() if getattr(request.options, name) != field.default}
    return {name: value for name, value in values.items() if name in ("method", "steps") or name in differ}


@functools.cache
def engine_version() -> str:
    try:
        return importlib.metadata.version("dreambot")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


LARGEST_BUCKET = 256
MOST_THREADS = 256
MOST_MEMORY_LEVEL = 16
MOST_STEPS = 4096
"""Upper bound of the steps of a method and of the tiles of an upscale."""
CORES = 32, 1024
"""Smallest and largest side of a tile's core, in pixels before upscaling."""


class StepConditions(NamedTuple):
    """The conditions of one step."""

    bucket: int = 1
    """Batch size, padding included."""
    threads: int = 0
    """CPU threads; 0 = not fixed."""
    memory_level: int = 0
    """How far memory is saved at the cost of time: see `engine.methods`."""
    compiled: bool = False
    """Whether the networks were compiled: see `engine.runtime.tuning`."""


class LogEntry(NamedTuple):
    """A number of consecutive steps under equal conditions."""

    conditions: StepConditions
    steps: int


@dataclass(frozen=True, slots=True)
class StepLog:
    """The conditions of each step, first step first: batch size, CPU threads, memory level, compilation.

    Floating-point results depend on these, and on nothing else about the images in the same batch. The replay record
    holds rows `[bucket, threads, memory level, steps]`, one for each run of steps under equal conditions, with a fifth
    element 1 where the networks were compiled.
    """

    entries: tuple[LogEntry, ...] = ()

    @classmethod
    def uniform(cls, conditions: StepConditions) -> StepLog:
        return cls((LogEntry(conditions, MOST_STEPS),))

    @property
    def steps(self) -> int:
        return sum(entry.steps for entry in self.entries)

    @property
    def rows(self) -> list[list[int]]:
        return [[*c[:3], steps, *([1] if c.compiled else [])] for c, steps in self.entries]

    def at(self, step: int) -> StepConditions:
        """The conditions of *step*, from 0. Steps after the last one have its conditions."""
        for entry in self.entries:
            if step < entry.steps:
                return entry.conditions
            step -= entry.steps
        return self.entries[-1].conditions if self.entries else StepConditions()

    def appended(self, conditions: StepConditions) -> StepLog:
        if self.entries and self.entries[-1].conditions == conditions:
            return StepLog((*self.entries[:-1], LogEntry(conditions, self.entries[-1].steps + 1)))
        return StepLog((*self.entries, LogEntry(conditions, 1)))

    def first(self, steps: int) -> StepLog:
        kept, left = list[LogEntry](), steps
        for entry in self.entries:
            if left > 0:
                kept.append(LogEntry(entry.conditions, min(entry.steps, left)))
            left -= entry.steps
        return StepLog(tuple(kept))


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay repeats: the conditions of the original steps and the tile size of the upscale."""

    steps: StepLog = field(default_factory=StepLog)
    finish: StepLog = field(default_factory=StepLog)
    core: int = 0
    """Side of a tile's core in pixels before upscaling; 0 = not fixed."""


def read_replay_plan(resolved: Mapping[str, Any]) -> ReplayPlan:
    """Read the replay plan of a record. Invalid values are ignored. Old records hold one bucket for all steps."""
    core, bucket = resolved.get("upscaler_core"), resolved.get("bucket")
    steps = read_step_log(resolved.get("course"))
    if not steps.entries:
        steps = StepLog.uniform(StepConditions(_within(bucket, 1, LARGEST_BUCKET) or 1))
    return ReplayPlan(steps, read_step_log(resolved.get("upscaler_course")), _within(core, *CORES))


def read_step_log(value: object) -> StepLog:
    """Parse the rows of a replay record. Returns an empty log if any row is invalid."""
    if not isinstance(value, list) or len(value) > MOST_STEPS or not all(_is_row(row) for row in value):
        return StepLog()
    log = StepLog(tuple(LogEntry(StepConditions(row[0], row[1], row[2], len(row) == 5), row[3]) for row in value))
    return log if log.steps <= MOST_STEPS else StepLog()


def _is_row(row: object) -> bool:
    """Whether *row* is [bucket, threads, memory level, steps] or that with a 1, each within its range."""
    if not isinstance(row, list) or len(row) not in (4, 5):
        return False
    bounds = (1, LARGEST_BUCKET), (0, MOST_THREADS), (0, MOST_MEMORY_LEVEL), (1, MOST_STEPS), (1, 1)
    return all(type(n) is int and low <= n <= high for n, (low, high) in zip(row, bounds, strict=False))


def _within(value: object, low: int, high: int) -> int:
    """*value* if it is an int in the range, else 0."""
    return value if isinstance(value, int) and type(value) is int and low <= value <= high else 0
