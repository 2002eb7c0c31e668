"""Reads a body: JSON, or multipart with payload_json and files[n] (docs: reference.mdx, "Uploading Files")."""

import json
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from bot.playground.server.actions.message_body import Upload
from bot.playground.server.validation.errors import malformed, too_large

MAX_REQUEST = 25 * 2**20
"""Bytes (docs: resources/message.mdx, "Create Message"); boosted guilds may send more (assumptions.md)."""

UNREADABLE = (ValueError, LookupError, RuntimeError, AssertionError, RecursionError)
"""Exceptions of aiohttp's multipart reader and of the JSON parser for malformed bodies."""


async def read_body(request: web.Request, limit: int) -> tuple[Any, list[Upload]]:
    """JSON body and uploads; raises ApiError 413 above *limit* bytes together, 50109 for what cannot be read."""
    if request.content_length is not None and request.content_length > limit:
        raise too_large()
    if request.content_type.startswith("multipart/"):
        try:
            return await _multipart(request, limit)
        except UNREADABLE as error:
            raise malformed("The multipart body cannot be read.") from error
    data = await request.content.read(limit + 1)
    while not request.content.at_eof() and len(data) <= limit:
        data += await request.content.read(limit + 1)
    if len(data) > limit:
        raise too_large()
    return (_json(data) if data else None), []


async def _multipart(request: web.Request, limit: int) -> tuple[Any, list[Upload]]:
    body: Any = None
    uploads: list[Upload] = []
    room = limit
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if isinstance(part, MultipartReader):
            raise malformed("A nested multipart body.")
        data = bytes(await part.read())
        room -= len(data)
        if room < 0:
            raise too_large()
        if part.name == "payload_json":
            body = _json(data)
        else:
            uploads.append(_upload(part, data))
    return body, uploads


def _upload(part: BodyPartReader, data: bytes) -> Upload:
    kind = part.headers.get("Content-Type", "application/octet-stream")
    return Upload(part.name or "", part.filename or "unknown", data, kind)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise malformed(str(error)) from error
