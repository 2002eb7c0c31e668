"""The engine in this very process: ask for pictures and wait for them. What the shell uses, and Python may.

studio = InProcessEngine()
painted = studio.paint(build_request("a red circle", seed=7))
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import error_from_code
from engine.protocol.messages import Event, Failure, Job, Picture, Progress, Ready, Request, Result
from engine.protocol.step_log import ReplayPlan
from engine.runtime.compiler import make_compiler
from engine.runtime.runtime import Runtime
from engine.worker.event_loop import Loop
from engine.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Painted:
    """What came of a request: its pictures by index, how long the phases took, sentences for the person."""

    pictures: Mapping[int, Picture]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]


class InProcessEngine:
    """One runtime and one worker, without a child process. *device* and *threads* as in `Runtime` and `Threads`.

    *compiled*: the folder for compiled networks; None = nothing is compiled.
    """

    def __init__(self, device: str = "auto", threads: str = "auto", compiled: Path | None = None) -> None:
        self.runtime = Runtime.open(device, compiler=make_compiler(compiled))
        self._loop = Loop()
        self._events: list[Event] = []
        self._tell: Callable[[Progress], None] | None = None
        self._keep: Callable[[Picture], None] | None = None
        self._worker = Worker(self.runtime, self._loop, self._hear, threads=threads)

    @property
    def ready(self) -> Ready:
        """What can be painted here, and why not the rest."""
        return self._worker.ready

    @property
    def compiles(self) -> bool:
        """Whether the first step of a kind may wait for minutes."""
        return self.runtime.compiler.takes

    def paint(
        self,
        request: Request,
        images: Mapping[str, bytes] | None = None,
        *,
        tell: Callable[[Progress], None] | None = None,
        keep: Callable[[Picture], None] | None = None,
        script: ReplayPlan | None = None,
        only: Collection[int] = (),
        closely: bool = False,
    ) -> Painted:
        """Paint *request*; raises DreamErrors in words. *images*: SHA-256 → bytes.

        *tell* is called with progress, *keep* with every picture as soon as it is finished. *only* are the indices of
        the pictures that are wanted, if not all; *closely* asks for a snapshot of every step. A replay has a *script*.
        """
        self._events, self._tell, self._keep = [], tell, keep
        job = Job(secrets.token_hex(6), 1, "studio", request)
        self._worker.submit(job, images or {}, script, only=only, closely=closely)
        self._loop.run(self._worker)
        end = self._events[-1]
        if isinstance(end, Failure):
            raise error_from_code(end.error, end.message)
        assert isinstance(end, Result)
        pictures = {event.index: event for event in self._events if isinstance(event, Picture)}
        return Painted(pictures, end.seconds, end.notes)

    def close(self) -> None:
        """Start nothing more."""
        self._worker.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Picture | Result | Failure):
            self._events.append(event)
        if isinstance(event, Picture) and self._keep:
            self._keep(event)
        if isinstance(event, Result | Failure):
            self._loop.stop()
        elif isinstance(event, Progress) and self._tell:
            self._tell(event)
