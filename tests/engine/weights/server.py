"""A web server on loopback that serves one file, well or badly."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shelf:
    """What is served, and how. *requests* are the Range headers that came, by path."""

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    """Whether Range is honoured."""
    careless: bool = False
    """Whether If-Range is ignored: parts of another version are sent."""
    length: str = ""
    """The Content-Length to claim instead of the true one."""
    reason: str = ""
    """The reason phrase of `statuses`."""
    framed: bool = True
    """Whether Content-Length is sent."""
    break_after: list[int] = field(default_factory=list)
    """So many bytes of each answer in turn are sent before the connection ends; the answers after these are whole."""
    pause: float = 0.0
    """Seconds between two bytes."""
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    """Answers instead of the file, in turn."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """Serve until the end of the block; `shelf.address` is where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, shelf)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, shelf: Shelf) -> None:
    wanted = request.headers.get("Range", "")
    shelf.requests.append((request.path, wanted))
    request.close_connection = True
    if request.path in shelf.redirects:
        request.send_response(302)
        request.send_header("Location", shelf.redirects[request.path])
        request.send_header("Content-Length", "0")
        request.end_headers()
    elif shelf.statuses:
        request.send_response(shelf.statuses.pop(0), shelf.reason or None)
        request.send_header("Content-Length", "0")
        request.end_headers()
    else:
        send_file(request, shelf, wanted)


def send_file(request: BaseHTTPRequestHandler, shelf: Shelf, wanted: str) -> None:
    same = shelf.careless or request.headers.get("If-Range", shelf.etag) == shelf.etag
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and shelf.ranges and same else 0
    total = len(shelf.content)
    if start and start >= total:
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{total}")
        if shelf.etag:
            request.send_header("ETag", shelf.etag)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    request.send_response(206 if start else 200)
    if start:
        request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    if shelf.framed:
        request.send_header("Content-Length", shelf.length or str(total - start))
    if shelf.etag:
        request.send_header("ETag", shelf.etag)
    request.end_headers()
    body = shelf.content[start:]
    if shelf.break_after:
        body = body[: shelf.break_after.pop(0)]
    with contextlib.suppress(OSError):  # the client has had enough
        send_body(request, shelf, body)


def send_body(request: BaseHTTPRequestHandler, shelf: Shelf, body: bytes) -> None:
    if not shelf.pause:
        request.wfile.write(body)
        return
    for byte in body:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(shelf.pause)
