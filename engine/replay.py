"""The replay record: what was asked for and what it was resolved to, enough to paint a picture again. No torch.

It travels in the finished PNG twice: as JSON under `dreambot`, and under `parameters` as a line that people and other
programs can read. The promise: equal pixels on one machine in one batch bucket; elsewhere within rounding.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidRequest
from engine.messages import Request
from engine.pictures import read_text
from engine.prompts import format_prompts
from engine.requests import DreamRequest, request_from_json

RECORD_VERSION = 1
KEYWORD = "dreambot"


def make_record(request: Request, index: int, resolved: Mapping[str, object]) -> dict[str, object]:
    """The record of picture *index* of *request*; *resolved* is JSON: hashes of weights, dtype, bucket, device."""
    return {
        "record": RECORD_VERSION,
        "engine": engine_version(),
        "request": request.model_dump(mode="json"),
        "index": index,
        "resolved": dict(resolved),
    }


def text_chunks(record: Mapping[str, Any]) -> dict[str, str]:
    """The text chunks of a PNG with that record."""
    return {KEYWORD: json.dumps(record, ensure_ascii=False, allow_nan=False), "parameters": describe(record)}


def read_record(png: bytes) -> dict[str, Any]:
    """The record in a PNG; raises UnreadablePicture for what is no PNG, InvalidRequest for one without a record."""
    text = read_text(png).get(KEYWORD)
    if text is None:
        raise InvalidRequest("This PNG holds no record of how it was made; pictures painted here do.")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The record in this PNG is broken.") from error
    if not isinstance(record, dict) or not isinstance(record.get("index"), int) or "request" not in record:
        raise InvalidRequest("The record in this PNG is not one of ours.")
    return record


def replay_request(record: Mapping[str, Any]) -> Request:
    """The request that paints the record's one picture again; raises InvalidRequest."""
    request = request_from_json(json.dumps(record["request"]))
    if isinstance(request, DreamRequest):
        return request.model_copy(update={"seed": request.seed + record["index"], "count": 1})
    return request


def describe(record: Mapping[str, Any]) -> str:
    """One paragraph for people: the prompt, then what else was chosen."""
    request = replay_request(record)
    if not isinstance(request, DreamRequest):
        return f"Upscaled {request.scale} times by {request.upscaler}, engine {record['engine']}"
    chosen = {
        "Model": request.model,
        "Size": f"{request.width}x{request.height}",
        "Seed": request.seed,
        **{name.replace("_", " ").capitalize(): value for name, value in request.options.model_dump().items()},
        "Engine": record["engine"],
    }
    return f"{format_prompts(request.prompts)}\n" + ", ".join(f"{name}: {value}" for name, value in chosen.items())


def engine_version() -> str:
    """Of the installed package."""
    try:
        return importlib.metadata.version("dreambot")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
