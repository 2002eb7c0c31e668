"""Decodes image bytes from strangers in a short-lived child process with limits: see `engine.images.foreign`.

`DecoderProcess.decode` blocks its thread. `close` may be called from another thread and ends the child.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import PIL

from engine.errors import UnreadablePicture
from engine.images import foreign

SECONDS = 5.0
"""Deadline of one picture, from the start of its child."""
QUICK_SECONDS = 0.3
"""A child that takes longer gets a low priority, so that short ones and the bot go first."""
MAX_PNG = 48 * 2**20
"""Bytes of the child's answer."""
USUAL_PIXELS = 2 * 1024 * 1024
_START = f"import sys; sys.path[:0] = sys.argv[1:3]; from {foreign.__name__} import main; main()"
_PATHS = (str(Path(foreign.__file__).parents[foreign.__name__.count(".")]), str(Path(PIL.__file__).parent.parent))
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
SLOW = "The picture takes too long to decode; save it again as PNG or JPEG, with fewer pixels."
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
        """The name of the PNG in a request."""
        return hashlib.sha256(self.png).hexdigest()


class DecoderProcess:
    """One child for one picture, within 1/*share* of the limits of memory and time.

    *cpu_seconds* is what the child says it took; 0 if it said nothing.
    """

    def __init__(self, share: int = 1) -> None:
        self.cpu_seconds = 0.0
        self._share = share
        self._process: subprocess.Popen[bytes] | None = None
        self._late = self._closed = False

    def decode(self, data: bytes, *, pixels: int = USUAL_PIXELS, alpha: bool = False) -> CleanPicture:
        """The first frame as PNG of at most about *pixels* pixels; with *alpha* transparency is kept, else white.

        Raises UnreadablePicture, within SECONDS.
        """
        try:
            process = self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-I", "-S", "-c", _START, *_PATHS, *map(str, (self._share, pixels, alpha))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
                cwd=os.sep,
            )
        except OSError as error:
            raise UnreadablePicture("The picture cannot be decoded now; please try again.") from error
        if self._closed:
            process.kill()
        timers = threading.Timer(SECONDS, self._end_late), threading.Timer(QUICK_SECONDS, self._step_back)
        feeder = threading.Thread(target=_feed, args=(process, data), daemon=True)
        for timer in timers:
            timer.start()
        feeder.start()
        try:
            answer = _read(process)
        finally:
            for timer in timers:
                timer.cancel()
            process.kill()
            status = process.wait()
            feeder.join()
        return self._judged(answer, status)

    def close(self) -> None:
        """End the child now: `decode` raises UnreadablePicture."""
        self._closed = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    def _step_back(self) -> None:
        if self._process is not None and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, 15)

    def _end_late(self) -> None:
        self._late = True
        self.close()

    def _judged(self, answer: bytes, status: int) -> CleanPicture:
        head, _, png = answer.partition(b"\n")
        try:
            facts = json.loads(head)
            self.cpu_seconds = float(facts.get("cpu", 0))
            if "error" in facts:
                raise UnreadablePicture(str(facts["error"])[:500])
            size = int(facts["width"]), int(facts["height"])
            animated = bool(facts["animated"])
        except (ValueError, TypeError, KeyError, AttributeError):
            slow = self._late or status == -_SIGXCPU
            raise UnreadablePicture(SLOW if slow else BROKEN) from None
        if not png.startswith(_PNG) or len(png) > MAX_PNG:
            raise UnreadablePicture(BROKEN)
        return CleanPicture(png, size, ANIMATED if animated else "")


_SIGXCPU = 24


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height by the header of a PNG."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    with contextlib.suppress(OSError):  # the child has ended
        process.stdin.write(data)
    with contextlib.suppress(OSError):
        process.stdin.close()


def _read(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout
    with process.stdout as stdout:
        return stdout.read(MAX_PNG + 1024)
