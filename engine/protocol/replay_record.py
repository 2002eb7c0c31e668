"""The replay record: what was asked for and what it was resolved to, enough to paint a picture again. No torch.

It travels in the finished PNG twice: as JSON under `dreambot`, and under `parameters` as a line that people and other
programs can read. The promise: equal pixels on one machine, because each step is run as it was run the first time (see
`engine.protocol.step_log`); elsewhere within rounding.

A PNG may come from anywhere, so nothing in its record is believed before it is checked.
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
"""Characters of a record within a record; ours are a tenth of it."""
LARGEST_RECORD = 256 * 1024
"""Characters; ours have a few thousand."""


def make_record(request: Request, index: int, resolved: Mapping[str, object], pixels: str = "") -> dict[str, object]:
    """The record of picture *index* of *request*; *resolved* is JSON: hashes of weights, dtype, course, device.

    *pixels*: SHA-256 of what was painted, by which a picture that was changed later is noticed.
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
    """The text chunks of a PNG with that record."""
    return {KEYWORD: json.dumps(record, ensure_ascii=False, allow_nan=False), "parameters": describe(record)}


def read_record(png: bytes) -> dict[str, Any]:
    """The record in a PNG; raises UnreadablePicture for what is no PNG, InvalidRequest for one without a good record.

    What comes back has the form of ours; whether its request can be painted is `check_model`'s question.
    """
    text = read_text(png).get(KEYWORD)
    if text is None:
        raise InvalidRequest("This PNG holds no record of how it was made; pictures painted here do.")
    if len(text) > LARGEST_RECORD:
        raise InvalidRequest(f"The record in this PNG has {len(text)} characters; no record of ours is so long.")
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
            f"{RECORD_VERSION}: it was painted by a newer engine; replay it there."
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
    """The record in a picture from anywhere, made safe to be kept in another one; None if there is none to be kept."""
    try:
        record = read_record(data)
        describe(record)
        kept = json.dumps({name: record[name] for name in KEPT if name in record}, allow_nan=False)
    except (DreamError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return json.loads(kept) if len(kept) <= LONGEST_SOURCE else None


def replay_request(record: Mapping[str, Any]) -> Request:
    """The request that paints the record's one picture again; raises InvalidRequest."""
    request = request_from_json(json.dumps(record["request"]))
    if not isinstance(request, DreamRequest):
        return request
    if record["index"] >= request.count:
        raise InvalidRequest("The record in this PNG contradicts itself: there was no such picture in its request.")
    return request.model_copy(update={"seed": request.seed + record["index"], "count": 1})


def check_model(request: DreamRequest) -> None:
    """Raise InvalidRequest unless there is such a model that paints so: a record came past the edge that asks that."""
    model = find_model(request.model)
    model.check_size(request.width, request.height)
    if request.method not in model.methods:
        raise InvalidRequest(f"{model.subject} cannot paint by “{request.method}”, as the record in this PNG has it.")


def describe(record: Mapping[str, Any]) -> str:
    """One paragraph for people: the prompt, then what else was chosen."""
    request = request_from_json(json.dumps(record["request"]))
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
    """The method, the steps, and every option that is not as it usually is."""
    fields = type(request.options).model_fields
    values = request.options.model_dump()
    return {
        name: value for name, value in values.items() if name in ("method", "steps") or value != fields[name].default
    }


def engine_version() -> str:
    """Of the installed package."""
    try:
        return importlib.metadata.version("dreambot")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
