"""The two loops between queue and engine: one hands jobs over while there is room, one stores the answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, takewhile

from bot.errors import PictureGone, SetAside, StoreError
from bot.jobs.recovery import Recovery
from bot.jobs.registry import JobRegistry
from bot.jobs.transitions import JobTransitions
from bot.models.film import FilmRequest, frame_costs
from bot.models.job import PORTION, JobRow, JobState, Part, Update
from bot.pictures.nsfw_check import NsfwCheck
from bot.retry import failpoint, patiently
from bot.storage import Store, files
from bot.text import listed
from engine.client.local import Engine
from engine.errors import (
    Cancelled,
    EngineRestarting,
    EngineUnusable,
    NotFinite,
    UnreadablePicture,
    error_from_code,
)
from engine.protocol.messages import Event, Failure, Job, Picture, Progress, Ready, Result
from engine.requests.request import DreamRequest
from engine.weights.store.trained_models import TableReader, register_trained_models

log = logging.getLogger(__name__)


PICTURE_TRIES = 6
"""Attempts to store a picture, within 16 s; then its job fails, so that the loop can continue with other jobs."""
JobEvent = Progress | Picture | Result | Failure


@dataclass(eq=False, repr=False)
class EngineLoop:
    """Keeps the engine busy in the queue's order and stores what it answers."""

    _store: Store
    _engine: Engine
    _registry: JobRegistry
    _transitions: JobTransitions
    _recovery: Recovery
    _safety: NsfwCheck | None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _paused: bool = True
    _down: bool = False
    _leaving: int = 0
    """Pid of the single engine process that ends after its present jobs."""
    _last: Ready | None = None
    _trained: TableReader = field(default_factory=TableReader)
    _crossing: JobRow | None = None
    _handling: JobEvent | None = None
    _parts: dict[str, Portion] = field(default_factory=dict)
    """Job → the part that the engine has."""
    _failed_indices: dict[str, dict[int, str]] = field(default_factory=dict)
    """Job → index → error of pictures that failed; they are not tried again before a restart."""

    def __post_init__(self) -> None:
        self._registry.subscribe(self._forget, JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def ready(self) -> Ready | None:
        """What the engine can do, or why it cannot start; None while it restarts."""
        if self._engine.ready is not None:
            return self._registry.judged(self._engine.ready)
        return self._last if self._last is not None and "engine" in self._last.unavailable else None

    def wake(self) -> None:
        """Let `hand_over` look at the queue again."""
        self._wake.set()

    def resume(self) -> None:
        self._paused = False
        self._wake.set()

    def stop_handing_over(self) -> None:
        """Let running jobs finish, but hand over no more."""
        self._stopping = True

    async def restart(self) -> None:
        """Replace the engine's process after its present jobs, of several workers one at a time.

        Raises EngineRestarting, EngineUnusable.
        """
        ready = self._engine.ready
        await self._engine.restart()
        if ready is not None and len(ready.workers) < 2:
            self._leaving = ready.pid  # a router says itself which worker accepts no jobs

    async def hand_over(self) -> None:
        """Hand over jobs whenever there is room. Runs until cancelled; restarting it fails the job that broke it."""
        if (broken := self._crossing) is not None:
            await self._give_up(broken)
        while True:
            while (job := self._next()) is not None:
                self._crossing = job
                await self._cross(job)
                self._crossing = None
            self._wake.clear()
            await self._wake.wait()

    async def listen(self) -> None:
        """Handle the engine's events one by one until it is closed; restarting it fails the job that broke it."""
        broken, self._handling = self._handling, None
        if broken is not None and (job := self._registry.row(broken.job_id, broken.attempt)) is not None:
            await self._give_up(job)
        async for event in self._engine.events():
            self._handling = event if isinstance(event, JobEvent) else None
            await self._hear(event)
            self._handling = None

    async def cancel(self, job: JobRow) -> None:
        """Stop this attempt in the engine; an unavailable engine has lost it anyway."""
        with contextlib.suppress(EngineRestarting, EngineUnusable):
            await self._engine.cancel(job.id, job.attempt)

    async def _give_up(self, job: JobRow) -> None:
        self._crossing = None
        error = SetAside("Something went wrong inside the bot while it handled this job; the error has been logged.")
        await patiently(self._transitions.failed, job, error)
        await self.cancel(job)

    def _forget(self, ended: Update) -> None:
        self._parts.pop(ended.job.id, None)
        self._failed_indices.pop(ended.job.id, None)

    def _next(self) -> JobRow | None:
        if self._paused or self._stopping or self._down or not self._accepts:
            return None
        self._registry.look_at_lag()
        ticket = self._registry.queue.next()
        return None if ticket is None else self._registry.row(ticket.job_id)

    @property
    def _accepts(self) -> bool:
        ready = self._engine.ready
        return ready is not None and ready.pid != self._leaving

    async def _cross(self, job: JobRow) -> None:
        started = await patiently(self._transitions.start, job)
        if started is None:
            return
        images = await patiently(self._images, started)
        if images is None:
            gone = PictureGone("The starting picture has expired.")
            await patiently(self._transitions.failed, started, gone)
            return
        if self._registry.row(job.id, job.attempt) is not None:  # else it was cancelled in the meantime
            await self._submit(started, images)

    async def _submit(self, job: JobRow, images: dict[str, bytes]) -> None:
        worker = self._registry.workers.load_of(job.id)
        part = next_portion(job, worker.free if worker else 0, self._failed_indices.get(job.id, ()))
        if part is None:  # the previous run stored all pictures but crashed before it stored the end
            await patiently(self._transitions.done, job, Result(job.id, job.attempt, len(job.pictures)))
            return
        request = part.request
        if isinstance(job.request, FilmRequest) and part.first:
            try:
                request, own = await patiently(partial(self._frame, job, job.request, part.first))
            except (PictureGone, UnreadablePicture) as error:
                await patiently(partial(self._transitions.failed, job, error))
                return
            if self._registry.row(job.id, job.attempt) is None:  # cancelled in the meantime
                return
            images |= own
        self._parts[job.id] = part
        name = worker.state.name if worker else ""
        try:
            if not self._accepts:
                raise EngineRestarting("The engine is about to restart.")
            await self._engine.submit(Job(job.id, job.attempt, job.owner, request, job.in_background, name), images)
        except (EngineRestarting, EngineUnusable) as error:
            log.info("job %s could not be handed over: %s", job.id, error)
            self._down = True  # until the engine reports that it is ready
            await patiently(self._transitions.requeue, job)
            return
        failpoint("handed over")
        if self._registry.row(job.id, job.attempt) is None:  # cancelled during the hand-over
            await self.cancel(job)

    async def _frame(self, job: JobRow, film: FilmRequest, index: int) -> tuple[DreamRequest, dict[str, bytes]]:
        """Frame *index*, and the moved frame before it. Raises PictureGone or UnreadablePicture."""
        before = await self._store.pictures.png(job.id, index - 1)
        return await asyncio.to_thread(film.film.request, index, before)

    async def _images(self, job: JobRow) -> dict[str, bytes] | None:
        """SHA-256 → bytes of every image that the request names; None if one is gone."""
        found: dict[str, bytes] = {}
        for sha256 in job.request.images:
            data = await self._store.attachments.read(sha256)
            if data is None and (picture := await self._store.pictures.by_sha(sha256)) and picture.path:
                data = await files.read(picture.path)
            if data is None:
                return None
            found[sha256] = data
        return found

    async def _hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            await self._is_ready(event)
        elif isinstance(event, JobEvent):
            if self._registry.workers.seen(event.job_id):
                self.wake()
            job, part = self._registry.row(event.job_id, event.attempt), self._parts.get(event.job_id)
            if job is None or job.started_at is None or part is None:
                log.debug("late: %s of %s, attempt %d", type(event).__name__, event.job_id, event.attempt)
            else:
                await self._take(job, part, of_the_whole(event, job, part))

    async def _take(self, job: JobRow, part: Portion, event: JobEvent) -> None:
        if isinstance(event, Progress):
            self._registry.advanced(job, event)
            if self._registry.look_at_lag():
                self.wake()
        elif isinstance(event, Picture):
            await self._keep(job, event)
        else:
            await patiently(self._end, job, part, event)
            self.wake()

    async def _is_ready(self, ready: Ready) -> None:
        if ready.trained is not None and (self._last is None or ready.trained != self._last.trained):
            register_trained_models(await asyncio.to_thread(self._trained.models, ready.trained))
        self._last, self._down = ready, False
        self._registry.set_capacity(ready)
        self.wake()

    async def _keep(self, job: JobRow, picture: Picture) -> None:
        """Store a picture; if that fails for good, the job fails."""
        try:
            judged = await self._safety.judged(picture) if self._safety else picture
            await patiently(self._transitions.picture, job, judged, tries=PICTURE_TRIES)
        except StoreError as error:
            log.error("picture %d of job %s cannot be stored: %s", picture.index, job.id, error)
            lost = StoreError("The picture was painted but could not be stored. Try again later.")
            await patiently(self._transitions.failed, job, lost)
            await self.cancel(job)

    async def _end(self, job: JobRow, part: Portion, event: Result | Failure) -> None:
        self._parts.pop(job.id, None)
        finite = isinstance(event, Result) or (
            event.error == NotFinite.__name__ and not isinstance(job.request, FilmRequest)
        )
        if job.in_parts and finite:
            await self._go_on(job, part, event)
        elif isinstance(event, Result):
            await self._transitions.done(job, event)
        elif event.error == EngineUnusable.__name__ or (event.error == EngineRestarting.__name__ and self._stopping):
            await self._transitions.requeue(job)  # its worker had ended before it came, or the bot is stopping
        elif event.error == EngineRestarting.__name__:
            got_on = job.in_parts and len(job.pictures) > part.before
            await self._recovery.after_engine_crash(replace(job, crash_count=0) if got_on else job)
        elif event.error == Cancelled.__name__:
            await self._transitions.cancelled(job)
        else:
            await self._transitions.failed(job, error_from_code(event.error, event.message))

    async def _go_on(self, job: JobRow, part: Portion, event: Result | Failure) -> None:
        """After a part: queue the next one, or end the job when nothing more can be rendered."""
        said = event.notes[0].partition("failed: ")[2] if isinstance(event, Result) and event.notes else ""
        why = event.message if isinstance(event, Failure) else said
        failed = self._failed_indices.setdefault(job.id, {})
        failed.update({index: why for index in part.indices if index in job.missing})
        if set(job.missing) - set(failed):
            await self._transitions.requeue_part(job, part.request.count / handed_out(job, part))
            return
        if not job.pictures:
            await self._transitions.failed(job, NotFinite(why))
            return
        seconds = event.seconds if isinstance(event, Result) else {}
        notes = (_failures(failed),) if failed else ()
        await self._transitions.done(job, Result(job.id, job.attempt, len(job.pictures), seconds, notes))


def _failures(failed: Mapping[int, str]) -> str:
    """``Pictures 3 and 7 failed and do not count: …``"""
    numbers = listed([str(index + 1) for index in sorted(failed)])
    what = "Picture {} failed and does not" if len(failed) == 1 else "Pictures {} failed and do not"
    return f"{what.format(numbers)} count: {next(iter(failed.values()))}"


@dataclass(frozen=True, slots=True)
class Portion(Part):
    """What the engine gets of a job at a time: *request* renders its pictures from index *first* on.

    Picture *i* of a batch equals the single picture of its prompt with seed + *i*, so a portion of a batch is the same
    request with another seed and fewer pictures; of a comparison it is the next way, of a film the next frame.
    Finished pictures are durable and are not rendered again after a crash. *before*: number of pictures that were
    stored already.
    """

    before: int = 0


def next_portion(job: JobRow, room: int, failed: Collection[int] = ()) -> Portion | None:
    """What to hand over of *job* to an engine with *room* for so many pictures; None if nothing is missing.

    *failed*: indices of pictures that are not tried again.
    """
    if not job.in_parts:
        return Portion(job.parts[0].request)
    missing = set(job.missing) - set(failed)
    if not missing:
        return None
    first = min(missing)
    request = job.part(first).request
    if job.is_batch and isinstance(request, DreamRequest):
        together = sum(1 for _ in takewhile(missing.__contains__, count(first)))
        request = request.model_copy(update={"count": min(together, PORTION, max(room, 1))})
    return Portion(request, first, before=len(job.pictures))


def handed_out(job: JobRow, part: Portion) -> int:
    """For how many pictures *part* was counted when the queue handed it out."""
    return min(PORTION, job.request.count - part.before) if job.is_batch else part.request.count


def of_the_whole(event: JobEvent, job: JobRow, part: Portion) -> JobEvent:
    """Translate an event about *part* into one about the whole job."""
    if not job.in_parts:
        return event
    if isinstance(event, Picture):
        return replace(event, index=part.first + event.index)
    if isinstance(event, Progress):
        before, painted, wanted = _amounts(job, part)
        return replace(
            event,
            step=round(before * event.steps + painted * event.step),
            steps=round(wanted * event.steps),
            seconds_per_step=event.seconds_per_step / painted,
            snapshots={},
        )
    return event


def _amounts(job: JobRow, part: Portion) -> tuple[float, float, float]:
    """Pictures of *job* that were finished before, are in *part*, and are wanted; of a film in frames like *part*."""
    if not isinstance(job.request, FilmRequest):
        return part.before, part.request.count, job.request.count
    first, later = frame_costs(job.request)  # the first frame takes more steps than the others
    each = later if part.first else first
    finished = first + (part.first - 1) * later if part.first else 0.0
    return finished / each, 1, job.request.cost / each
