"""The engine in the calling process: `paint` blocks until the images are finished.

studio = InProcessEngine()
painted = studio.paint(build_request("a red circle", seed=7))
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidRequest, error_from_code
from engine.protocol.messages import (
    Cancel,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Request,
    Result,
)
from engine.protocol.replay_record import ReplayPlan
from engine.runtime.runtime import Runtime
from engine.runtime.tuning import make_compiler
from engine.worker.event_loop import Loop
from engine.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Painted:
    """*pictures*: index → image. *seconds*: phase → duration. *notes*: sentences for the user."""

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
        self._painting = threading.Lock()
        self._job_id = ""
        self._events: list[Event] = []
        self._tell: Callable[[Progress], None] | None = None
        self._keep: Callable[[Picture], None] | None = None
        self._worker = Worker(self.runtime, self._loop, self._hear, threads=threads)

    @property
    def ready(self) -> Ready:
        """Usable methods, models and upscalers, and why others are unavailable."""
        return self._worker.ready

    @property
    def compiles(self) -> bool:
        """Whether networks are compiled; the first step of a kind may then take minutes."""
        return self.runtime.compiler.takes

    def paint(
        self,
        request: Request,
        images: Mapping[str, bytes] | None = None,
        *,
        tell: Callable[[Progress], None] | None = None,
        keep: Callable[[Picture], None] | None = None,
        replay_plan: ReplayPlan | None = None,
        only: Collection[int] = (),
        closely: bool = False,
    ) -> Painted:
        """Paints *request*. *images*: SHA-256 → bytes. Raises DreamErrors, InvalidRequest while another one is painted.

        *tell* receives progress, *keep* every finished image. *only*: indices of the images to paint; empty = all.
        *closely*: a preview of every step. *replay_plan*: recorded conditions of the steps.
        """
        if not self._painting.acquire(blocking=False):
            raise InvalidRequest("A Studio paints one request at a time: wait for its end, or make another Studio.")
        job = Job(secrets.token_hex(6), 1, "studio", request)
        events: list[Event] = []
        self._job_id, self._events, self._tell, self._keep = job.id, events, tell, keep
        try:
            self._worker.submit(job, images or {}, replay_plan, only=only, closely=closely)
            self._loop.run(self._worker)
        finally:  # Ctrl-C and errors of *tell* and *keep* leave it unfinished
            self._job_id = ""
            self._worker.handle(Cancel(job.id, job.attempt))
            self._painting.release()
        end = events[-1]
        if isinstance(end, Failure):
            raise error_from_code(end.error, end.message)
        assert isinstance(end, Result)
        pictures = {event.index: event for event in events if isinstance(event, Picture)}
        return Painted(pictures, end.seconds, end.notes)

    def close(self) -> None:
        self._worker.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Ready | Embeddings) or event.job_id != self._job_id:
            return
        if isinstance(event, Picture | Result | Failure):
            self._events.append(event)
        if isinstance(event, Picture) and self._keep:
            self._keep(event)
        if isinstance(event, Result | Failure):
            self._loop.stop()
        elif isinstance(event, Progress) and self._tell:
            self._tell(event)
