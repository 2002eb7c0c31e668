"""Framing of messages between client and engine: a JSON header, then raw bytes. No pickle.

    ┌ 4 bytes ┬ 4 bytes ──────┬ header ────────────────────────────────────────────┬ blobs ┐
    │ "DRM1"  │ header length │ {"type", "body", "blobs": [{"path": […], "size"}]} │ …     │
    └─────────┴───────────────┴────────────────────────────────────────────────────┴───────┘

Every `bytes` value of a message is replaced by null and follows as a blob; its path names its place in the body.
Invalid input raises `WireError` before memory is allocated for it, because either side may be broken or hostile.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from engine.protocol.messages import Command, Event

Message: TypeAlias = Command | Event
Budget: TypeAlias = Callable[[str, Any], int | None]

MAGIC = b"DRM1"
MAX_HEADER = 32 * 2**20
MAX_EVENT_HEADER = 8 * 2**20
"""Bytes of a header from the engine. The largest holds 256 embeddings of 1,024 numbers."""
MAX_BLOBS = 1024
MAX_BYTES = 512 * 2**20
"""Bytes of all blobs of one message."""
SKIP_BYTES = 2**16

_PREFIX = struct.Struct("!4sI")
_SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types that JSON has too, the usual ones of a message."""
_TYPES: Mapping[str, type[Any]] = {cls.__name__: cls for alias in (Command, Event) for cls in get_args(alias)}


class WireError(ValueError):
    """Invalid data was received, or a message cannot be sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Blob:
    path: tuple[str | int, ...]
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Header:
    type: str
    body: Any
    blobs: tuple[_Blob, ...]


def encode(message: Message) -> list[bytes]:
    """The bytes to write, in order: prefix and header, then each blob without a copy. Raises WireError."""
    blobs: list[tuple[tuple[str | int, ...], bytes]] = []
    body = _plain(message, (), blobs)
    _check_sizes([len(data) for _, data in blobs])
    places = [{"path": path, "size": len(data)} for path, data in blobs]
    try:
        header = json.dumps(
            {"type": type(message).__name__, "body": body, "blobs": places}, allow_nan=False, ensure_ascii=False
        ).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"{type(message).__name__} holds something that is not JSON: {error}") from error
    if len(header) > MAX_HEADER:
        raise WireError(f"A header of {len(header)} bytes is over the limit of {MAX_HEADER}.")
    return [_PREFIX.pack(MAGIC, len(header)) + header, *(data for _, data in blobs)]


def decode(data: bytes) -> Message:
    """The inverse of `encode`, for the joined bytes of one message. Raises WireError."""
    size = _header_size(data[: _PREFIX.size])
    start = _PREFIX.size + size
    header = _parse_header(data[_PREFIX.size : start])
    blobs = []
    for blob in header.blobs:
        blobs.append(data[start : start + blob.size])
        start += blob.size
    if start != len(data):
        raise WireError(f"The message should have {start} bytes and has {len(data)}.")
    return _assemble(header, blobs)


class SyncWire:
    """Blocking end of the engine process. One thread may read while another writes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, message: Message) -> None:
        """Writes one message. Raises WireError, or OSError for a closed connection."""
        for piece in encode(message):
            self._sock.sendall(piece)

    def receive(self) -> Message | None:
        """The next message, or None for a closed connection. Raises WireError or OSError."""
        prefix = self._read(_PREFIX.size, eof_is_fine=True)
        if not prefix:
            return None
        header = _parse_header(self._read(_header_size(prefix)))
        return _assemble(header, [self._read(blob.size) for blob in header.blobs])

    def close(self) -> None:
        """Closes the connection; a blocked `receive` returns or raises."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _read(self, size: int, *, eof_is_fine: bool = False) -> bytes:
        buffer = bytearray(size)
        view, done = memoryview(buffer), 0
        while done < size:
            count = self._sock.recv_into(view[done:])
            if count == 0:
                if eof_is_fine and done == 0:
                    return b""
                raise WireError(f"The connection ended after {done} of {size} bytes.")
            done += count
        return bytes(buffer)


async def read_message(reader: asyncio.StreamReader, budget: Budget | None = None) -> Message | None:
    """The client's end: the next message, or None for a closed connection. Raises WireError or OSError.

    *budget*: message type and body (without blobs) → maximum bytes of its blobs; None skips the message.
    """
    while True:
        try:
            prefix = await reader.readexactly(_PREFIX.size)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise WireError("The connection ended inside a message.") from error
            return None
        try:
            header = _parse_header(await reader.readexactly(_header_size(prefix, MAX_EVENT_HEADER)))
            size = sum(blob.size for blob in header.blobs)
            allowed = budget(header.type, header.body) if budget else MAX_BYTES
            if allowed is None:
                await _skip(reader, size)
                continue
            if size > allowed:
                raise WireError(f"A {header.type} with {size} bytes of blobs is over its limit of {allowed}.")
            blobs = [await reader.readexactly(blob.size) for blob in header.blobs]
        except asyncio.IncompleteReadError as error:
            raise WireError("The connection ended inside a message.") from error
        return _assemble(header, blobs)


async def _skip(reader: asyncio.StreamReader, size: int) -> None:
    """Reads and discards *size* bytes."""
    while size:
        size -= len(await reader.readexactly(min(size, SKIP_BYTES)))


def write_message(writer: asyncio.StreamWriter, message: Message) -> None:
    """Adds one message to the writer's buffer; call `await writer.drain()` afterwards."""
    writer.writelines(encode(message))


def _plain(value: object, path: tuple[str | int, ...], blobs: list[tuple[tuple[str | int, ...], bytes]]) -> Any:
    """*value* as JSON types. Moves every bytes value to *blobs* and leaves None in its place."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, bytes):
        blobs.append((path, value))
        return None
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*path, str(key)), blobs) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), blobs) for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name), (*path, field.name), blobs)
            for field in dataclasses.fields(value)
        }
    return value


def _header_size(prefix: bytes, most: int = MAX_HEADER) -> int:
    if len(prefix) != _PREFIX.size:
        raise WireError(f"A message begins with {_PREFIX.size} bytes, not {len(prefix)}.")
    magic, size = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError(f"A message begins with {MAGIC!r}, this one with {magic!r}.")
    if size > most:
        raise WireError(f"A header of {size} bytes is over the limit of {most}.")
    return int(size)


def _parse_header(raw: bytes) -> _Header:
    try:
        header = _header_adapter().validate_python(json.loads(raw, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise WireError(f"Invalid header: {_brief(error)}") from error
    if header.type not in _TYPES:
        raise WireError(f"Unknown message type {header.type!r}.")
    _check_sizes([blob.size for blob in header.blobs])
    return header


def _no_constant(name: str) -> float:
    raise WireError(f"{name} is not JSON.")


def _check_sizes(sizes: list[int]) -> None:
    if len(sizes) > MAX_BLOBS:
        raise WireError(f"{len(sizes)} blobs are over the limit of {MAX_BLOBS}.")
    if min(sizes, default=0) < 0 or sum(sizes) > MAX_BYTES:
        raise WireError(f"Blobs of {sum(sizes)} bytes are outside the limit of {MAX_BYTES}.")


def _assemble(header: _Header, blobs: list[bytes]) -> Message:
    body = header.body
    for blob, data in zip(header.blobs, blobs, strict=True):
        _put(body, blob.path, data)
    try:
        message: Message = _adapter(header.type).validate_python(body)
    except (ValidationError, RecursionError) as error:
        raise WireError(f"This is not a {header.type}: {_brief(error)}") from error
    return message


def _put(body: Any, path: tuple[str | int, ...], data: bytes) -> None:
    """Stores *data* in *body* at *path*, which must hold None. Raises WireError."""
    try:
        for key in path[:-1]:
            body = body[key]
        if body[path[-1]] is not None:
            raise WireError(f"A blob's place {path!r} is taken.")
        body[path[-1]] = data
    except (LookupError, TypeError) as error:
        raise WireError(f"A blob's place {path!r} does not exist.") from error


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[name])


@functools.cache
def _header_adapter() -> TypeAdapter[_Header]:
    return TypeAdapter(_Header)


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
