"""The replay record: a request and its resolved values, from which an image can be painted again.

A finished PNG holds it as JSON under `dreambot`, and as readable text under `parameters`. A replay gives equal pixels
on one machine, because it repeats the conditions of each step (see `engine.protocol.step_log`). On other machines,
pixels may differ by rounding.

Records of PNGs are untrusted input: `read_record` checks them.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

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
        raise InvalidRequest(f"{model.subject} cannot paint by “{request.method}”, as the record in this PNG has it.")


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
    fields = type(request.options).model_fields
    values = request.options.model_dump()
    return {
        name: value for name, value in values.items() if name in ("method", "steps") or value != fields[name].default
    }


def engine_version() -> str:
    """Version of the installed package."""
    try:
        return importlib.metadata.version("dreambot")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
