"""Decodes image bytes from strangers in a short-lived child process with limits: see `engine.images.foreign`.

`DecoderProcess.decode` blocks its thread. `close` may be called from another thread and ends the child.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import PIL

from engine.errors import UnreadablePicture
from engine.images import decoder_server, foreign
from engine.images.decoder_server import End, Order

SECONDS = 5.0
"""Deadline of one picture, from the start of its child."""
QUICK_SECONDS = 0.3
"""A child that takes longer gets a low priority, so that short ones and the bot go first."""
PATIENCE = 2.0
"""Seconds beyond the deadline for which the server's report is awaited."""
MAX_PNG = 48 * 2**20
"""Bytes of the child's answer."""
USUAL_PIXELS = 2 * 1024 * 1024
_PATH = "import sys; sys.path[:0] = sys.argv[1:3]; "
_SERVE = f"from {decoder_server.__name__} import serve; serve()"
_MAIN = f"from {foreign.__name__} import main; main()"
_PATHS = (str(Path(foreign.__file__).parents[foreign.__name__.count(".")]), str(Path(PIL.__file__).parent.parent))
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82"
_SIGXCPU = 24
SLOW = "The picture takes too long to decode; save it again as PNG or JPEG, with fewer pixels."
BUSY = "I am too busy to decode the picture now; please try again in a minute."
ANIMATED = "The file is animated; its first frame is used."
BROKEN = "The picture is broken or incomplete: it cannot be decoded."


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """A PNG in sRGB without metadata. *size*: width and height of the file that was sent, upright."""

    png: bytes
    size: tuple[int, int]
    note: str = ""
    """What the sender should know about the file, or nothing."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.png).hexdigest()


class DecoderBusy(UnreadablePicture):
    """The machine gave the child less than its CPU time within SECONDS; the picture may be harmless."""


class _DecoderChild(Protocol):
    def decode(self, data: bytes) -> tuple[bytes, End]:
        """What the child answers, and how it ended. Raises OSError; TimeoutError if the server does not answer."""
        ...

    def kill(self) -> None:
        """From another thread; `decode` returns soon."""
        ...


class DecoderServer:
    """Starts the children: forked from one process, which starts with the first picture; *forks*: whether it can fork.

    May be used from several threads.
    """

    def __init__(self, *, forks: bool = hasattr(os, "fork")) -> None:
        self._forks = forks
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def begin(self, order: Order) -> _DecoderChild:
        """Raises OSError."""
        if not self._forks:
            return _Spawned(order)
        (near, far), (line, end) = socket.socketpair(), socket.socketpair()
        with far, end:
            try:
                with self._lock:
                    socket.send_fds(self._connected(), [order.packed()], [far.fileno(), end.fileno()])
            except OSError:
                near.close()
                line.close()
                raise
        return _Forked(near, line, order.seconds)

    def close(self) -> None:
        """End the server and its children; the next picture would start another one."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                try:
                    self._process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    self.kill()
                    self._process.wait()
            self._control = self._process = None

    def kill(self) -> None:
        """End a server that does not answer; the next picture starts another one."""
        if self._process is not None:
            self._process.kill()

    def _connected(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is not None:
            self._control.close()
            self._control = None
        if self._control is None:
            near, far = socket.socketpair()
            near.settimeout(PATIENCE)
            with far:
                self._process = _started(_SERVE, stdin=far.fileno(), stdout=subprocess.DEVNULL)
            self._control = near
        return self._control


class _Forked:
    """A child of the server."""

    def __init__(self, stream: socket.socket, line: socket.socket, seconds: float) -> None:
        self._stream = stream
        self._line = line
        for one in (stream, line):
            one.settimeout(seconds + PATIENCE)

    def decode(self, data: bytes) -> tuple[bytes, End]:
        with self._stream as stream, self._line as line:
            try:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the child has ended
                    stream.sendall(data)
                    stream.shutdown(socket.SHUT_WR)
                answer = _read(stream)
                self.kill()  # one that has answered has nothing left to do, and one that answers too much must end
                return answer, End.unpacked(line.recv(64))
            except ValueError as error:
                raise OSError("the server ended") from error

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)


class _Spawned:
    """Starts one process per picture, for systems without fork. Only a deadline limits its time."""

    def __init__(self, order: Order) -> None:
        self._seconds = order.seconds
        words = map(str, (order.share, order.pixels, order.alpha))
        self._process = _started(_MAIN, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def decode(self, data: bytes) -> tuple[bytes, End]:
        late, answer = False, b""
        try:
            answer, _ = self._process.communicate(data, self._seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            self.kill()
            self._process.communicate()
        return answer, End(self._process.returncode, late, 0.0)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()


def _started(code: str, *words: str, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-I", "-S", "-c", _PATH + code, *_PATHS, *words],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
        cwd=os.sep,
    )


class DecoderProcess:
    """One child for one picture, within 1/*share* of the limits of memory and time, at niceness *nice*.

    *cpu_seconds* is what the child took; 0 until then, and where it is not known.
    """

    def __init__(self, server: DecoderServer, share: int = 1, nice: int = 0) -> None:
        self.cpu_seconds = 0.0
        self._server = server
        self._share, self._nice = share, nice
        self._child: _DecoderChild | None = None
        self._closed = False

    def decode(self, data: bytes, *, pixels: int = USUAL_PIXELS, alpha: bool = False) -> CleanPicture:
        """The first frame as PNG of at most about *pixels* pixels; with *alpha* transparency is kept, else white.

        Raises UnreadablePicture or its subclass DecoderBusy, within SECONDS.
        """
        order = Order(self._share, pixels, alpha, self._nice, SECONDS, QUICK_SECONDS)
        try:
            child = self._child = self._server.begin(order)
            if self._closed:
                child.kill()
            answer, end = child.decode(data)
        except TimeoutError as error:
            self._server.kill()
            raise DecoderBusy(BUSY) from error
        except OSError as error:
            raise DecoderBusy("The picture cannot be decoded now; please try again.") from error
        self.cpu_seconds = end.cpu_seconds
        return _judged(answer, end)

    def close(self) -> None:
        """End the child now: `decode` raises UnreadablePicture."""
        self._closed = True
        if self._child is not None:
            self._child.kill()


def _judged(answer: bytes, end: End) -> CleanPicture:
    if end.late and 0 < end.cpu_seconds < SECONDS / 2:
        raise DecoderBusy(BUSY)
    if end.late or end.status == -_SIGXCPU:
        raise UnreadablePicture(SLOW)
    head, _, png = answer.partition(b"\n")
    try:
        facts = json.loads(head)
        if "error" in facts:
            raise UnreadablePicture(str(facts["error"])[:500])
        size = int(facts["width"]), int(facts["height"])
        animated = bool(facts["animated"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadablePicture(BROKEN) from None
    if not png.startswith(_PNG) or not png.endswith(_PNG_END) or len(png) > MAX_PNG:
        raise UnreadablePicture(BROKEN)
    return CleanPicture(png, size, ANIMATED if animated else "")


def _read(stream: socket.socket) -> bytes:
    """All that comes, of at most MAX_PNG and a line."""
    parts, room = [], MAX_PNG + 1024
    with contextlib.suppress(ConnectionResetError):  # the child ended before it had read the picture
        while room > 0 and (part := stream.recv(min(room, 2**18))):
            parts.append(part)
            room -= len(part)
    return b"".join(parts)
