"""An engine process and its connection (`EngineProcess`); its supervisor restarts it when it ends or stalls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from engine.client.transport import Streams, offer
from engine.environment import WORKER_VARIABLE
from engine.errors import printable
from engine.protocol.framing import Budget, Message, WireError, read_message, write_message
from engine.protocol.messages import Command, Ready, Result

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
        return self.process.pid

    async def read(self, budget: Budget) -> Message | None:
        return await read_message(self.streams[0], budget)

    def write(self, command: Command) -> None:
        if self.streams[1].is_closing() or self.process.returncode is not None:
            raise ConnectionResetError("the engine has ended")
        write_message(self.streams[1], command)

    def kill(self) -> None:
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


StartEngine: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Awaitable[EngineConnection]]
"""Command and environment → a running engine. Raises OSError or TimeoutError."""


@dataclass(frozen=True, slots=True)
class SupervisorTimeouts:
    """All in seconds, except *tries* and *stall_steps*."""

    backoff: tuple[float, float] = (0.5, 30.0)
    """Pause before the first restart, and the longest. It doubles while engines finish nothing."""
    tries: int = 4
    """The engine counts as unusable after this many processes in a row have ended before becoming ready."""
    start: float = 300.0
    """Until a process must be ready; importing torch from a slow disk takes long."""
    stall: float = 900.0
    """Silence that is always too long; it applies while models are loaded and before a job's first step."""
    stall_steps: float = 30.0
    """Silence is too long once it lasts this many times the slowest step of the jobs in progress."""
    stall_least: float = 60.0
    """But never before this. The engine shows a sign of life at least every 25 s while it works."""
    cancel: float = 10.0
    """Until a cancelled job counts as ended although the engine has not answered."""

    def silence(self, slowest_step: float) -> float:
        """The longest silence allowed where the slowest step took so long; 0 = not known yet."""
        if not slowest_step:
            return self.stall
        return min(max(self.stall_steps * slowest_step, self.stall_least), self.stall)


class EventReceiver(Protocol):
    """The receiver of a supervisor's reports. All methods are called on the event loop."""

    def frame_budget(self, kind: str, body: Any) -> int | None:
        """Bytes of blobs that a message may carry; None = skip the message."""
        ...

    def received(self, message: Message) -> bool:
        """Takes a message; true if it proves that work is progressing. May raise WireError, which ends the process."""
        ...

    def died(self) -> None:
        """The process has ended; nothing more comes from it."""
        ...

    def gave_up(self, why: str) -> None:
        """The engine seems unable to start, for this reason. It is still tried from time to time."""
        ...

    def slowest_step(self) -> float | None:
        """Seconds of the slowest step of the jobs in progress; 0 = not known yet, None = no work at hand."""
        ...


class Supervisor:
    """One process at a time, until `stop` (which lets it end by itself) or until the task of `run` is cancelled."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        client: EventReceiver,
        timeouts: SupervisorTimeouts,
        pid_file: Path | None = None,
        start: StartEngine | None = None,
    ) -> None:
        self.child: EngineConnection | None = None
        self._command, self._environ, self._start = command, environ, start
        worker = environ.get(WORKER_VARIABLE)
        self._name = f"[{worker}] " if worker else ""
        self._client, self._timeouts, self._pid_file = client, timeouts, pid_file
        self._ready = self._useful = self._stopping = False
        self._heard = 0.0
        self.ends = 0
        self.last_words = ""
        self._rests_until = 0.0

    @property
    def rest(self) -> float:
        """Seconds until the next process is started; 0 while there is one."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def stalled(self) -> float:
        """Seconds of silence with work at hand, once they are half of what is allowed; else 0."""
        allowed, silence = self._allowed_silence(), time.monotonic() - self._heard
        return silence if self.child is not None and allowed is not None and silence > allowed / 2 else 0.0

    def stop(self) -> None:
        """Starts no other process after this one."""
        self._stopping = True

    def touch(self) -> None:
        """Silence counts from now."""
        self._heard = time.monotonic()

    async def run(self) -> None:
        """Start the process again after each exit, with pauses that grow while starts fail, until `stop`."""
        failures, (pause, longest) = 0, self._timeouts.backoff
        while not self._stopping:
            started = time.monotonic()
            try:
                status, last_words = await self._live()
            except Exception as error:  # this task must go on, or there would never be an engine again
                log.exception("The supervisor crashed; the engine is restarted.")
                status, last_words = -1, f"the supervisor crashed: {error}"
            if self._stopping:
                return
            self.ends, self.last_words = self.ends + 1, last_words if status else ""
            failures = 0 if self._ready else failures + 1
            # An engine that finished a job is not broken. Jobs that wait behind one that crashes the engine must not
            # wait longer after each crash.
            if self._useful or (self._ready and time.monotonic() - started > longest):
                pause = self._timeouts.backoff[0]
            if status == UNUSABLE_STATUS or failures >= self._timeouts.tries:
                self._client.gave_up(last_words)
            log.warning("%sThe engine ended (status %s); it is started again in %.1f s.", self._name, status, pause)
            self._rests_until = time.monotonic() + pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _live(self) -> tuple[int, str]:
        """One process → (exit status, last words)."""
        self._ready = self._useful = False
        try:
            child = await (self._start or start_child)(self._command, self._environ)
        except (OSError, TimeoutError) as error:
            return -1, f"it could not be started: {error}"
        self.child = child
        watchdog = asyncio.create_task(self._watch(child), name="engine watchdog")
        try:
            self.touch()
            self._name_pid(child.pid)
            await self._read_all(child)
        finally:
            watchdog.cancel()
            self.child = None
            try:
                self._client.died()
            finally:
                status = await _uninterrupted(child.end())
                self._name_pid(None)
        return status, child.last_words[
            -1
        ] if child.last_words else f"it ended with status {status}, without any output"

    async def _read_all(self, child: EngineConnection) -> None:
        """Reads messages until the connection ends; kills a process that breaks the protocol."""
        try:
            while (message := await child.read(self._client.frame_budget)) is not None:
                if isinstance(message, Ready) and not self._ready:
                    self._ready = True
                    self.touch()
                    self._name_pid(child.pid, ".ready")
                self._useful = self._useful or isinstance(message, Result)
                if self._client.received(message):
                    self.touch()
        except ConnectionError as error:  # the process died with unread data
            log.info("%sThe engine's connection is gone: %s", self._name, error)
        except (WireError, OSError) as error:
            log.error("%sThe engine's connection broke: %s", self._name, error)
            child.kill()

    async def _watch(self, child: EngineConnection) -> None:
        """Kills *child* when its silence is too long. Time in which this process itself stood still does not count."""
        pause = min(self._timeouts.stall / 4, self._timeouts.stall_least / 4, 10.0)
        while True:
            before = time.monotonic()
            await asyncio.sleep(pause)
            if (lost := time.monotonic() - before - pause) > pause:
                self._heard += lost
            allowed = self._allowed_silence()
            if allowed is not None and time.monotonic() - self._heard > allowed:
                log.error("%sThe engine has shown no progress for %.0f s; it is killed.", self._name, allowed)
                child.kill()

    def _allowed_silence(self) -> float | None:
        """Seconds; None while there is no work at hand."""
        if not self._ready:
            return self._timeouts.start
        slowest = self._client.slowest_step()
        return None if slowest is None else self._timeouts.silence(slowest)

    def _name_pid(self, pid: int | None, suffix: str = ".pid") -> None:
        """Writes *pid* to `engine.pid`, and to `engine.ready` once it is ready; None removes both.

        A full disk costs these files and nothing else.
        """
        if self._pid_file is None:
            return
        try:
            if pid is None:
                self._pid_file.unlink(missing_ok=True)
                self._pid_file.with_suffix(".ready").unlink(missing_ok=True)
            else:
                _write(self._pid_file.with_suffix(suffix), pid)
        except OSError as error:
            log.warning("The file that names the engine's process could not be brought up to date: %s", error)


def _write(path: Path, pid: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.write_text(f"{pid}\n", encoding="ascii")
    fresh.replace(path)


async def _uninterrupted(ending: Coroutine[None, None, int]) -> int:
    """Waits for *ending* to the end, also while the waiting task is being cancelled."""
    task = asyncio.create_task(ending)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
