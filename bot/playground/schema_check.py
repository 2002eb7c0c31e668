"""Checks exchanges by Discord's schemas: openapi.json for HTTP, a JSON schema for gateway events.

The files are not part of the project; `openapi_check` and `gateway_check` read them from where they are. jsonschema is
needed only here.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema.protocols import Validator  # type: ignore[import-untyped]
from referencing import Registry, Specification

from bot.playground.server.world.json_types import Json
from bot.playground.server.world.record import Exchange, Record

OPENAPI, GATEWAY = "openapi.json", "gateway-schema.json"
_ROOT = "urn:discord"
_SNOWFLAKES = 2**50
"""Numbers from here on can only be ids."""
_MEDIA = 16
"""The type of media channels."""
_SHOWN = 4
"""Findings per body; further ones repeat the first."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema twice: *compiled* answers whether a value fits (0.1 ms), *readable* says why not (30 ms)."""

    compiled: Any
    readable: Validator


def check_against(folder: Path, record: Record) -> None:
    """Check all entries of *record* by the files OPENAPI and GATEWAY of *folder*; raises OSError without them."""
    record.checks.append(openapi_check(folder / OPENAPI))
    record.event_checks.append(gateway_check(folder / GATEWAY))


@cache
def openapi_check(path: Path) -> Callable[[Exchange], list[str]]:
    """A check of requests and responses by Discord's openapi.json."""
    spec = json.loads(path.read_text(encoding="utf-8"))
    _allow_media_channels(spec["components"]["schemas"])
    operations = [(_pattern(template), template, item) for template, item in spec["paths"].items()]
    # Concrete before templated: "@original" is not a message id.
    operations.sort(key=lambda operation: operation[1].count("{"))
    validator = _validators(spec, Draft202012Validator)

    def check(exchange: Exchange) -> list[str]:
        for pattern, template, item in operations:
            operation = item.get(exchange.method.lower())
            if operation and pattern.fullmatch(exchange.path):
                pointer = f"/paths/{_escaped(template)}/{exchange.method.lower()}"
                return [
                    *_request(exchange, operation, pointer, validator),
                    *_answer(exchange, operation, pointer, validator),
                ]
        return ["Discord's description of its API has no such route"]

    return check


@cache
def gateway_check(path: Path) -> Callable[[str, Json], list[str]]:
    """A check of events by a schema with definitions named Gateway…DispatchData."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    _relax_flags(schema["definitions"])
    validator = _validators(schema, Draft7Validator)

    def check(name: str, data: Json) -> list[str]:
        definition = f"Gateway{name.title().replace('_', '')}DispatchData"
        if definition not in schema["definitions"]:
            return []
        return _words(validator(f"/definitions/{definition}"), data, "event")

    return check


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def _escaped(part: str) -> str:
    """A JSON pointer's step; percent-encoded, because it stands in a URI."""
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _validators(document: Json, draft: type[Validator]) -> Callable[[str], Schema]:
    """Validators by JSON pointer into *document*, made once each."""
    # Opaque: the document is no schema itself, only places in it are.
    registry: Registry[Any] = Registry().with_resource(_ROOT, Specification.OPAQUE.create_resource(document))
    compiled = jsonschema_rs.Registry([(_ROOT, document)])

    @cache
    def at(pointer: str) -> Schema:
        reference = {"$ref": f"{_ROOT}#{pointer}"}
        fast = jsonschema_rs.validator_cls_for({"$schema": draft.META_SCHEMA["$schema"]})
        return Schema(fast(reference, registry=compiled), draft(reference, registry=registry))

    return at


def _request(exchange: Exchange, operation: Json, pointer: str, validator: Callable[[str], Schema]) -> Iterator[str]:
    yield from _query(exchange, operation)
    content = operation.get("requestBody", {}).get("content", {})
    if exchange.content_type not in content:
        if exchange.body is not None:
            yield f"a body of type {exchange.content_type!r} is not described; there are {sorted(content)}"
        return
    schema = validator(f"{pointer}/requestBody/content/{_escaped(exchange.content_type)}/schema")
    body = exchange.body
    if exchange.files and isinstance(body, dict):
        body = {**body, **dict.fromkeys((field for field, _, _ in exchange.files), "bytes")}
    if not schema.compiled.is_valid(body):
        yield from _words(schema, _normal(body), "request")


def _query(exchange: Exchange, operation: Json) -> Iterator[str]:
    """Query parameters are named in the description; their values are text on the wire."""
    known = {
        parameter["name"]: parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "query"
    }
    for name in exchange.query.keys() - known.keys():
        yield f"query parameter {name!r} is not described; there are {sorted(known)}"


def _answer(exchange: Exchange, operation: Json, pointer: str, validator: Callable[[str], Schema]) -> Iterator[str]:
    if exchange.status >= 500 or (exchange.status >= 400 and exchange.answer is None):
        return  # not Discord's words but those of the proxy before it
    described = operation["responses"]
    key = str(exchange.status) if str(exchange.status) in described else f"{exchange.status // 100}XX"
    if key not in described:
        yield f"status {exchange.status} is not described; there are {sorted(described)}"
        return
    response = described[key]
    if "$ref" in response:
        schema = f"{response['$ref'].removeprefix('#')}/content/application~1json/schema"
    elif "application/json" in response.get("content", {}):
        schema = f"{pointer}/responses/{key}/content/application~1json/schema"
    else:
        return
    answer = exchange.answer
    if exchange.status >= 400 and isinstance(answer, dict):
        # The schema wants numbers as codes of single fields; the docs show words (reference.mdx, "Error Messages").
        answer = {key: value for key, value in answer.items() if key != "errors"}
    yield from _words(validator(schema), answer, "answer")


def _normal(body: Any) -> Any:
    """The known difference: discord.py sends some ids as numbers, which Discord takes (reference.mdx, "Snowflakes")."""
    if isinstance(body, dict):
        return {key: _attachments(value) if key == "attachments" else _normal(value) for key, value in body.items()}
    if isinstance(body, int) and body >= _SNOWFLAKES:
        return str(body)
    return [_normal(value) for value in body] if isinstance(body, list) else body


def _attachments(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [
        {**entry, "id": str(entry["id"])} if isinstance(entry, dict) and "id" in entry else entry for entry in value
    ]


def _words(schema: Schema, value: Any, where: str) -> list[str]:
    if schema.compiled.is_valid(value):
        return []
    found = [_deepest(error) for error in schema.readable.iter_errors(value)]
    return [
        f"{where} {'.'.join(map(str, error.absolute_path)) or '(whole)'}: {error.message[:200]}" for error in found
    ][:_SHOWN]


def _deepest(error: ValidationError) -> ValidationError:
    """The error in the intended branch of a failed union: the branch with the right `type`, else the nearest."""
    while error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for child in error.context:
            branches.setdefault(child.schema_path[0], []).append(child)
        error = min(branches.values(), key=_distance)[0]
    return error


def _distance(errors: list[ValidationError]) -> tuple[bool, bool, int]:
    """The distance of a union's branch: a wrong `type` first, then a wrong kind of value, then the number of errors."""
    wrong_type = any(error.absolute_path and error.absolute_path[-1] == "type" for error in errors)
    wrong_kind = any(error.validator == "type" and not error.relative_path for error in errors)
    return wrong_type, wrong_kind, len(errors)


def _allow_media_channels(schemas: Json) -> None:
    """Media channels are documented (resources/channel.mdx, "Channel Types": 16) but missing in the description."""
    for schema in schemas.values():
        if types := schema.get("properties", {}).get("channel_types"):
            types["items"] = {"anyOf": [types["items"], {"const": _MEDIA}]}


def _relax_flags(definitions: Json) -> None:
    """Bit fields were enums in the source language; any integer is meant."""
    for name, definition in definitions.items():
        if name.endswith("Flags"):
            definition.clear()
            definition["type"] = "integer"
            continue
        for key, schema in definition.get("properties", {}).items():
            if key in ("flags", "public_flags") and "enum" in schema:
                schema.clear()
                schema["type"] = "integer"
