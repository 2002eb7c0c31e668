"""The engine as its clients see it, and `LocalEngine`: a child process that is started, watched and started again.

Every attempt that was handed over ends in exactly one `Result` or `Failure`, also when the child dies. No torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.client.child_process import DEFAULT_COMMAND, Child
from engine.client.event_queue import EventQueue
from engine.client.supervisor import Listener, Supervisor, SupervisorTimeouts
from engine.environment import MemoryRules, child_environment
from engine.errors import DreamError, EngineRestarting, EngineUnusable
from engine.protocol.framing import Message, WireError
from engine.protocol.messages import (
    Cancel,
    Command,
    Drain,
    Embed,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Result,
    Submit,
)

log = logging.getLogger(__name__)

RESTARTING = "The engine is restarting; the job can be tried again in a moment."


@dataclass(frozen=True, slots=True)
class Pulse:
    """How an engine's process is doing."""

    ends: int = 0
    """How often it has ended and was started again."""
    rest: float = 0.0
    """Seconds until the next start; 0 while it runs or is starting."""
    last_words: str = ""
    """What the last one that ended said at its end."""
    stalled: float = 0.0
    """Seconds for which it has been silent with work at hand, if that is longer than its steps explain; else 0."""


class Engine(Protocol):
    """Something that paints. Events have one reader."""

    @property
    def ready(self) -> Ready | None:
        """What it can do now; None while it is down."""
        ...

    @property
    def pulse(self) -> Pulse:
        """How its process is doing."""
        ...

    async def start(self) -> None:
        """Begin to start; `Ready` is the first event."""
        ...

    async def submit(self, job: Job, images: Mapping[str, bytes]) -> None:
        """Hand *job* over; raises EngineRestarting or EngineUnusable if that is not possible now."""
        ...

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Ask for the end of an attempt; its last event says how it ended."""
        ...

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = ""
    ) -> Embeddings:
        """CLIP embeddings of texts or images; raises DreamErrors in words."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """Everything that happens, until `close`."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let running attempts finish for at most that long; nothing more is accepted."""
        ...

    async def close(self) -> None:
        """Stop and leave no process behind."""
        ...


class LocalEngine:
    """An engine in a child process of its own.

    *data*: the folder in which `engine.pid` names the child. *threads*: a number, or "auto". *nets_megabytes* and
    *idle_minutes* as in `engine.environment.MemoryRules`. *compiled*: nets are compiled, and kept in this folder.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        data: Path | None = None,
        environ: Mapping[str, str] | None = None,
        threads: int | str = "auto",
        device: str = "auto",
        nets_megabytes: int = 0,
        idle_minutes: float = 0.0,
        compiled: Path | None = None,
        timeouts: SupervisorTimeouts | None = None,
    ) -> None:
        self.ready: Ready | None = None
        self._keeper = Supervisor(
            tuple(command or DEFAULT_COMMAND),
            child_environment(
                os.environ if environ is None else environ,
                device=device,
                threads=str(threads),
                memory=MemoryRules(nets_megabytes, idle_minutes),
                compiled=compiled,
            ),
            Listener(self._receive, self._bury, self._give_up, lambda: bool(self._attempts or self._questions)),
            timeouts or SupervisorTimeouts(),
            data / "engine.pid" if data else None,
        )
        self._keeping: asyncio.Task[None] | None = None
        self._mailbox = EventQueue()
        self._attempts: dict[str, int] = {}
        self._questions: dict[str, asyncio.Future[Embeddings]] = {}
        self._numbers = itertools.count(1)
        self._unusable = ""
        self._closing = False

    @property
    def pulse(self) -> Pulse:
        """How the child is doing."""
        return Pulse(self._keeper.ends, self._keeper.rest, self._keeper.last_words)

    async def start(self) -> None:
        """Start the child and keep one running from now on."""
        self._keeping = asyncio.create_task(self._keeper.run(), name="engine keeper")

    def events(self) -> AsyncIterator[Event]:
        """Everything that happens, until `close`; one reader."""
        return aiter(self._mailbox)

    async def submit(self, job: Job, images: Mapping[str, bytes]) -> None:
        """Hand *job* over; from here on it ends in one `Result` or `Failure`. The same attempt again is no news."""
        child = self._usable_child()
        if self._attempts.get(job.id) != job.attempt:
            self._write(child, Submit(job, images))
            self._attempts[job.id] = job.attempt
            await self._flush(child)

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Ask for the end of that attempt, if it is under way."""
        if self._attempts.get(job_id) == attempt:
            child = self._usable_child()
            self._write(child, Cancel(job_id, attempt))
            await self._flush(child)

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = ""
    ) -> Embeddings:
        """Ask, and wait for the answer; raises EngineRestarting if the child dies, DreamError for a refusal."""
        child = self._usable_child()
        number = str(next(self._numbers))
        answer: asyncio.Future[Embeddings] = asyncio.get_running_loop().create_future()
        self._write(child, Embed(number, tuple(texts), tuple(images), perceptor))
        self._questions[number] = answer
        try:
            await self._flush(child)
            embeddings = await answer
        finally:
            del self._questions[number]
        if embeddings.error:
            raise DreamError(embeddings.error)
        return embeddings

    async def drain(self, seconds: float) -> None:
        """Accept nothing more and let attempts finish for at most *seconds*; `close` comes after."""
        self._closing = True
        self._keeper.stop()
        if self._keeping and (child := self._keeper.child):
            with contextlib.suppress(EngineRestarting):
                self._write(child, Drain())
            await asyncio.wait([self._keeping], timeout=seconds)

    async def close(self) -> None:
        """End the child; attempts under way end as EngineRestarting, then the events end."""
        self._closing = True
        self._keeper.stop()
        if self._keeping:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        self._mailbox.close()

    def _usable_child(self) -> Child:
        if self._unusable:
            raise EngineUnusable(self._unusable)
        child = self._keeper.child
        if child is None or self.ready is None or self._closing:
            raise EngineRestarting(RESTARTING)
        return child

    def _write(self, child: Child, command: Command) -> None:
        try:
            child.write(command)
        except ConnectionError as error:
            raise EngineRestarting(RESTARTING) from error
        self._keeper.touch()

    async def _flush(self, child: Child) -> None:
        try:
            await child.flush()
        except ConnectionError:  # the keeper sees the end of the connection too, and `_bury` answers
            log.info("The engine ended while something was handed over.")

    def _receive(self, message: Message) -> None:
        match message:
            case Ready():
                self.ready, self._unusable = message, ""
                self._mailbox.put(message)
            case Progress() | Picture() | Result() | Failure():
                self._report(message)
            case Embeddings():
                question = self._questions.get(message.id)
                if question and not question.done():
                    question.set_result(message)
            case _:
                raise WireError(f"An engine does not send {type(message).__name__}.")

    def _report(self, event: Progress | Picture | Result | Failure) -> None:
        """Pass on what belongs to the attempt under way; what belongs to an older one came too late."""
        if self._attempts.get(event.job_id) != event.attempt:
            log.debug("Late: %s of %s, attempt %d.", type(event).__name__, event.job_id, event.attempt)
            return
        if isinstance(event, Result | Failure):
            del self._attempts[event.job_id]
        self._mailbox.put(event)

    def _bury(self) -> None:
        """The child is dead: answer for it."""
        self.ready = None
        for job_id, attempt in self._attempts.items():
            self._mailbox.put(Failure(job_id, attempt, EngineRestarting.__name__, RESTARTING))
        self._attempts.clear()
        for question in self._questions.values():
            if not question.done():
                question.set_exception(EngineRestarting(RESTARTING))

    def _give_up(self, why: str) -> None:
        """Say in words, once, why nothing can be painted."""
        if not self._unusable:
            self._unusable = f"The engine cannot start: {why}"
            log.error("%s", self._unusable)
            self._mailbox.put(Ready("local", 0, "none", 0, (), (), (), {"engine": self._unusable}))
