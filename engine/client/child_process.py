"""One engine process from its start to its end: the process, its connection, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.client.transport import Streams, offer
from engine.environment import WORKER_VARIABLE
from engine.errors import printable
from engine.protocol.framing import Budget, Message, read_message, write_message
from engine.protocol.messages import Command

DEFAULT_COMMAND = (sys.executable, "-m", "engine.worker.main")
UNUSABLE_STATUS = 78
"""The exit status of a child that cannot work until the host does something (EX_CONFIG); its last line says what."""
EXIT_SECONDS = 5.0

log = logging.getLogger(__name__)


class EngineConnection(Protocol):
    """A running engine, local or remote, and the client's end of its connection."""

    last_words: deque[str]
    """The last lines that it printed."""

    @property
    def pid(self) -> int:
        """The process id of the engine, even after its end."""
        ...

    async def read(self, budget: Budget) -> Message | None:
        """The next message, None at the end; raises WireError, OSError. *budget*: see `read_message`."""
        ...

    def write(self, command: Command) -> None:
        """Send *command*; raises ConnectionError when the engine has ended, WireError for an invalid command."""
        ...

    def kill(self) -> None:
        """End it now; `read` then returns or raises."""
        ...

    async def end(self) -> int:
        """Close the connection and wait until the engine has ended; returns its exit status."""
        ...


@dataclass(slots=True)
class EngineProcess:
    """`EngineConnection` of a child process. *name* prefixes its lines in the log."""

    process: asyncio.subprocess.Process
    streams: Streams
    name: str = ""
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    _listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Of the process; it may have ended."""
        return self.process.pid

    async def read(self, budget: Budget) -> Message | None:
        """The next message, None at the end; raises WireError, OSError. *budget*: see `read_message`."""
        return await read_message(self.streams[0], budget)

    def write(self, command: Command) -> None:
        """Hand *command* over; raises ConnectionError when the child is gone, WireError for what cannot travel."""
        if self.streams[1].is_closing() or self.process.returncode is not None:
            raise ConnectionResetError("the engine has ended")
        write_message(self.streams[1], command)

    def kill(self) -> None:
        """End it now; `read` then returns or raises."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self, seconds: float = EXIT_SECONDS) -> int:
        """Close the connection, which tells it to go, and make sure that it has gone; returns its exit status."""
        self.streams[1].close()
        try:
            await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            self.kill()
        status = await self.process.wait()
        if self._listener is not None:
            await asyncio.wait([self._listener], timeout=EXIT_SECONDS)  # longer only if its own children keep the pipe
            self._listener.cancel()
        return status

    def listen(self) -> None:
        """Copy what the child prints into the log, from now until it ends."""
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        while chunk := await self.process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in [*lines, rest] if len(rest) > 65536 else lines:
                self._hear(line)
            rest = b"" if len(rest) > 65536 else rest
        if rest:
            self._hear(rest)

    def _hear(self, raw: bytes) -> None:
        line = printable(raw.decode(errors="replace").rstrip())[:2000]
        if line:
            self.last_words.append(line)
            log.info("%s%s", f"[{self.name}] " if self.name else "", line)


async def start_child(command: Sequence[str], environ: Mapping[str, str]) -> EngineProcess:
    """Start *command* with exactly *environ* and its end of a fresh connection; raises OSError, TimeoutError."""
    link = await offer()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**environ, **link.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=link.handles,
        )
    except BaseException:
        link.close()
        raise
    try:
        child = EngineProcess(process, await link.accept(), environ.get(WORKER_VARIABLE, ""))
    except BaseException:
        link.close()
        process.kill()
        await process.wait()
        raise
    child.listen()
    return child
