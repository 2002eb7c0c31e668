"""Keeps one engine child running: starts it, notices its end or its silence, and starts it again. Knows no jobs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.client.child_process import UNUSABLE_STATUS, Child, start_child
from engine.protocol.framing import Message, WireError
from engine.protocol.messages import Ready, Result

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SupervisorTimeouts:
    """How long a keeper waits for what. *stall* must outlast one step of a huge picture on a CPU."""

    backoff: tuple[float, float] = (0.5, 30.0)
    """Seconds before the first restart, and at most; doubling between for children that finish nothing."""
    tries: int = 4
    """So many children in a row that ended before they were ready make the engine unusable."""
    start: float = 300.0
    """Seconds until a child must be ready; importing torch from a slow disk takes long."""
    stall: float = 900.0
    """Seconds of silence with work at hand after which a child counts as hung."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom a keeper tells what; all are called on the event loop."""

    receive: Callable[[Message], None]
    """A message came; may raise WireError, which ends the child."""
    died: Callable[[], None]
    """The child has ended; nothing more comes from it."""
    gave_up: Callable[[str], None]
    """It seems that it cannot start, and why in words; it is still tried from time to time."""
    busy: Callable[[], bool]
    """Whether the child has work at hand."""


class Supervisor:
    """One child at a time, until `stop` (which lets it go) or until the task of `run` is cancelled (which ends it)."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        listener: Listener,
        timeouts: SupervisorTimeouts,
        pid_file: Path | None = None,
    ) -> None:
        self.child: Child | None = None
        self._command, self._environ = command, environ
        self._listener, self._timeouts, self._pid_file = listener, timeouts, pid_file
        self._ready = self._useful = self._stopping = False
        self._heard = 0.0
        self.ends = 0
        self.last_words = ""
        self._rests_until = 0.0

    @property
    def rest(self) -> float:
        """Seconds until the next child is started; 0 while there is one."""
        return max(0.0, self._rests_until - time.monotonic())

    def stop(self) -> None:
        """Start no other child after this one."""
        self._stopping = True

    def touch(self) -> None:
        """The child has just got work: its silence counts from now."""
        self._heard = time.monotonic()

    async def run(self) -> None:
        """Children, one after the other."""
        failures, (pause, longest) = 0, self._timeouts.backoff
        while not self._stopping:
            started = time.monotonic()
            status, last_words = await self._live()
            if self._stopping:
                return
            self.ends, self.last_words = self.ends + 1, last_words
            failures = 0 if self._ready else failures + 1
            # A child that painted something is no broken installation: whoever waits behind jobs that kill engines
            # must not wait ever longer too. One that never finishes anything is tried more and more rarely.
            if self._useful or (self._ready and time.monotonic() - started > longest):
                pause = self._timeouts.backoff[0]
            if status == UNUSABLE_STATUS or failures >= self._timeouts.tries:
                self._listener.gave_up(last_words)
            log.warning("The engine ended (status %s); it is started again in %.1f s.", status, pause)
            self._rests_until = time.monotonic() + pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _live(self) -> tuple[int, str]:
        """One child, whatever happens → (its exit status, its last words)."""
        try:
            return await self._live_once()
        except Exception as error:  # nobody watches the task of `run`: without it there would be no child ever again
            log.exception("Something broke while the engine was looked after.")
            return -1, f"something broke while it was looked after: {error}"

    async def _live_once(self) -> tuple[int, str]:
        """One child from start to end → (its exit status, its last words)."""
        self._ready = self._useful = False
        try:
            child = await start_child(self._command, self._environ)
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
                self._listener.died()
            finally:
                status = await _unhurried(child.end())
                self._name_pid(None)
        return status, child.last_words[-1] if child.last_words else f"it ended with status {status}, without a word"

    async def _read_all(self, child: Child) -> None:
        """Messages until the connection ends; a child that speaks another language is ended."""
        try:
            while (message := await child.read()) is not None:
                self.touch()
                if isinstance(message, Ready) and not self._ready:
                    self._ready = True
                    self._name_pid(child.pid, ".ready")
                self._useful = self._useful or isinstance(message, Result)
                self._listener.receive(message)
        except ConnectionError as error:  # it died with something unread: an end like any other
            log.info("The engine's connection is gone: %s", error)
        except (WireError, OSError) as error:
            log.error("The engine's connection broke: %s", error)
            child.kill()

    async def _watch(self, child: Child) -> None:
        while True:
            await asyncio.sleep(min(self._timeouts.stall / 4, 10))
            limit = self._timeouts.stall if self._ready else self._timeouts.start
            if (self._listener.busy() or not self._ready) and time.monotonic() - self._heard > limit:
                log.error("The engine has said nothing for %.0f s; it is ended.", limit)
                child.kill()

    def _name_pid(self, pid: int | None, suffix: str = ".pid") -> None:
        """Tell who looks on: `engine.pid` names the child, `engine.ready` too once it can paint.

        A full disk costs these files, and nothing else.
        """
        if self._pid_file is None:
            return
        try:
            if pid is None:
                _forget(self._pid_file)
            else:
                _write(self._pid_file.with_suffix(suffix), pid)
        except OSError as error:
            log.warning("The file that names the engine's process could not be brought up to date: %s", error)


def _write(path: Path, pid: int) -> None:
    """Whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.write_text(f"{pid}\n", encoding="ascii")
    fresh.replace(path)


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".ready").unlink(missing_ok=True)


async def _unhurried(ending: Coroutine[None, None, int]) -> int:
    """Wait for *ending* to the end, also while the task that waits is being cancelled."""
    task = asyncio.create_task(ending)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
