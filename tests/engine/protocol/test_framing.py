"""Messages arrive as they were sent, and whatever is no message is an error, at once."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import framing as wire
from engine.protocol.framing import Message, SyncWire, WireError, decode, encode, read_message
from engine.protocol.messages import (
    Cancel,
    Drain,
    Embed,
    Embeddings,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Restart,
    Result,
    Submit,
)
from engine.requests.request import UpscaleRequest, build_request

SHA = "f" * 64
MESSAGES: list[Message] = [
    Submit(Job("a1", 2, "user:5", build_request("a castle:2 | fog:-0.5", seed=3, count=2)), {SHA: b"\x89PNG\x00"}),
    Submit(Job("a2", 1, "", UpscaleRequest(image=SHA, width=10, height=20)), {SHA: b""}),
    Cancel("a1", 2),
    Embed("1", ("a", "b — ü"), (), "primer"),
    Embed("2", (), (b"x", b"yy"), ""),
    Drain(),
    Restart(),
    Ready("local", 7, "CPU", 4, ("pixels",), ("lanczos",), ("primer",), {"clip_diffusion": "no weights"}),
    Progress("a1", 2, 3, 25, 0.25, {0: b"one", 3: b"two"}),
    Picture("a1", 2, 1, b"png", {"notes": ["n"], "clip_score": None, "replay": {"a": {"b": [1, 2.5, True]}}}),
    Result("a1", 2, 1, {"steps": 1.5}, ("Picture 2 of 2 failed: NaN",)),
    Failure("a1", 2, "NotFinite", "It became infinite."),
    Embeddings("1", ((0.5, -0.25), (1.0, 0.0)), "primer"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert message == decode(b"".join(encode(message)))


def test_messages_follow_one_another_on_one_connection() -> None:
    near, far = socket.socketpair()
    with near, far:
        for message in MESSAGES:
            SyncWire(near).send(message)
        near.shutdown(socket.SHUT_WR)

        child = SyncWire(far)
        assert MESSAGES == [child.receive() for _ in MESSAGES]
        assert child.receive() is None


def test_large_pictures_travel_uncopied_and_whole() -> None:
    blob = bytes(range(256)) * 40_000
    message = Submit(MESSAGES[0].job, {SHA: blob})

    assert any(piece is blob for piece in encode(message))
    assert blob == decode(b"".join(encode(message))).images[SHA]


def frame(header: object, blobs: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return b"DRM1" + struct.pack("!I", len(raw)) + raw + blobs


CANCEL = {"type": "Cancel", "body": {"job_id": "a", "attempt": 1}, "blobs": []}
MALFORMED = {
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "a header over the limit": b"DRM1" + struct.pack("!I", wire.MAX_HEADER + 1),
    "no JSON": frame(b"{"),
    "JSON of another shape": frame([1, 2]),
    "deep JSON": frame(b"[" * 100_000),
    "bytes that are no text": frame(b"\xff\xfe"),
    "NaN": frame(b'{"type": "Cancel", "body": {"job_id": "a", "attempt": NaN}, "blobs": []}'),
    "an unknown type": frame({**CANCEL, "type": "Launch"}),
    "a missing field": frame({**CANCEL, "body": {"job_id": "a"}}),
    "a field of another type": frame({**CANCEL, "body": {"job_id": ["a"], "attempt": 1}}),
    "a blob without a place": frame({**CANCEL, "blobs": [{"path": ["images", "x"], "size": 1}]}, b"x"),
    "a blob in a taken place": frame({**CANCEL, "blobs": [{"path": ["job_id"], "size": 1}]}, b"x"),
    "a blob with an empty path": frame({**CANCEL, "blobs": [{"path": [], "size": 1}]}, b"x"),
    "a negative blob": frame({**CANCEL, "blobs": [{"path": ["job_id"], "size": -1}]}),
    "a blob over the limit": frame({**CANCEL, "blobs": [{"path": ["job_id"], "size": wire.MAX_BYTES + 1}]}),
    "too many blobs": frame({**CANCEL, "blobs": [{"path": ["x"], "size": 0}] * (wire.MAX_BLOBS + 1)}),
    "a request of nonsense": frame(
        {"type": "Submit", "body": {"job": {"id": "a", "attempt": 1, "owner": "", "request": {}}}, "blobs": []}
    ),
    "half a header": frame(CANCEL)[:20],
    "half a blob": frame({"type": "Embed", "body": {"id": "1", "images": [None]}, "blobs": [
        {"path": ["images", 0], "size": 10}]}, b"xxx"),
}  # fmt: skip


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_message_is_an_error_at_either_end(data: bytes) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.sendall(data)
        near.shutdown(socket.SHUT_WR)
        with pytest.raises(WireError):
            SyncWire(far).receive()

    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    with pytest.raises(WireError):
        await asyncio.wait_for(read_message(reader), 5)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    for attempt in (data, frame(data), frame(CANCEL, data)):
        try:
            assert Cancel("a", 1) == decode(attempt)
        except WireError:
            continue


def test_what_is_not_json_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError):
        encode(Picture("a", 1, 0, b"", {"clip_score": float("nan")}))
    with pytest.raises(WireError):
        encode(Picture("a", 1, 0, b"", {"embedding": {1, 2}}))


def test_too_much_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BYTES", 10)

    with pytest.raises(WireError):
        encode(Embed("1", (), (b"12345", b"678901")))
