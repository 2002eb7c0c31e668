"""The two loops between queue and engine: hand jobs over as there is room, and book what the engine answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace

from bot.errors import PictureGone, StoreError
from bot.failpoints import crashpoint
from bot.jobs.registry import JobRegistry
from bot.jobs.transitions import JobTransitions
from bot.models.job import JobRow
from bot.pictures.nsfw_check import Safety
from bot.requests.batches import Part, handed_out, next_part, of_the_whole
from bot.retry import patiently
from bot.storage import Store, files
from bot.text import listed
from engine.client.local import Engine
from engine.errors import Cancelled, EngineRestarting, EngineUnusable, NotFinite, error_from_code
from engine.protocol.messages import Event, Failure, Job, Picture, Progress, Ready, Result

log = logging.getLogger(__name__)


PICTURE_TRIES = 3
"""A picture that cannot be stored is tried again so often; then its job fails, for others must be able to go on."""


class EngineLoop:
    """Keeps the engine busy in the queue's order."""

    def __init__(self, store: Store, engine: Engine, board: JobRegistry, books: JobTransitions, safety: Safety) -> None:
        self._store = store
        self._engine = engine
        self._registry = board
        self._transitions = books
        self._safety = safety
        self._wake = asyncio.Event()
        self._stopping = False
        self._down = False
        self._last: Ready | None = None
        self._unseen: dict[str, int] = {}
        self._parts: dict[str, Part] = {}
        """What the engine has of every running job."""
        self._hopeless: dict[str, dict[int, str]] = {}
        """Job → its pictures that have failed, and why; until the bot is started again they are not tried again."""

    @property
    def ready(self) -> Ready | None:
        """What the engine can do, or why it cannot start; None while it is down for a moment."""
        if self._engine.ready is not None:
            return self._engine.ready
        return self._last if self._last is not None and "engine" in self._last.unavailable else None

    def wake(self) -> None:
        """There may be something to hand over."""
        self._wake.set()

    def stop_handing_over(self) -> None:
        """What runs goes on; nothing more crosses."""
        self._stopping = True

    async def hand_over(self) -> None:
        """For ever: wait until something changes, then hand over all that there is room for."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (job := self._next()) is not None:
                await self._cross(job)

    async def listen(self) -> None:
        """Book everything that the engine says, one after the other, until it is closed."""
        async for event in self._engine.events():
            await self._hear(event)

    async def cancel(self, job: JobRow) -> None:
        """Tell the engine that nobody waits for this attempt any more; if it is gone, so is the attempt."""
        with contextlib.suppress(EngineRestarting, EngineUnusable):
            await self._engine.cancel(job.id, job.attempt)

    def _next(self) -> JobRow | None:
        if self._stopping or self._down or self._engine.ready is None:
            return None
        ticket = self._registry.queue.next(self._room)
        return None if ticket is None else self._registry.row(ticket.job_id)

    @property
    def _room(self) -> int:
        """How many more pictures the engine can take."""
        return self._engine.ready.slots - sum(self._unseen.values()) if self._engine.ready else 0

    async def _cross(self, job: JobRow) -> None:
        started = await patiently(lambda: self._transitions.start(job))
        if started is None:
            return
        images = await patiently(lambda: self._images(started))
        if images is None:
            gone = PictureGone("The picture that this starts from is no longer kept.")
            await patiently(lambda: self._transitions.failed(started, gone))
            return
        if self._registry.row(job.id, job.attempt) is not None:  # else it was cancelled meanwhile
            await self._submit(started, images)

    async def _submit(self, job: JobRow, images: dict[str, bytes]) -> None:
        part = next_part(job, self._room, self._hopeless.get(job.id, ()))
        if part is None:  # the last life has painted all of it, and not lived to say so
            await patiently(lambda: self._transitions.done(job, Result(job.id, job.attempt, len(job.pictures))))
            return
        self._parts[job.id] = part
        if not job.is_batch:  # The engine's free slots do not count this job until it has read it: we do until then.
            self._unseen[job.id] = part.request.count
        try:
            await self._engine.submit(Job(job.id, job.attempt, job.owner, part.request, job.is_batch), images)
        except (EngineRestarting, EngineUnusable) as error:
            log.info("job %s could not be handed over: %s", job.id, error)
            self._down = True  # until the engine says that it is ready
            self._unseen.pop(job.id, None)
            await patiently(lambda: self._transitions.hand_back(job))
            return
        crashpoint("handed over")
        if self._registry.row(job.id, job.attempt) is None:  # cancelled while it crossed
            await self.cancel(job)

    async def _images(self, job: JobRow) -> dict[str, bytes] | None:
        """The bytes of every picture that the request names; None if one of them is gone."""
        found: dict[str, bytes] = {}
        for sha256 in job.request.images:
            data = await self._store.inputs.read(sha256)
            if data is None and (picture := await self._store.pictures.by_sha(sha256)) and picture.path:
                data = await files.read(picture.path)
            if data is None:
                return None
            found[sha256] = data
        return found

    async def _hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._is_ready(event)
        elif isinstance(event, Progress | Picture | Result | Failure):
            self._seen(event.job_id)
            job, part = self._registry.row(event.job_id, event.attempt), self._parts.get(event.job_id)
            if job is None or job.started_at is None or part is None:
                if self._registry.row(event.job_id) is None:
                    self._parts.pop(event.job_id, None)
                log.debug("late: %s of %s, attempt %d", type(event).__name__, event.job_id, event.attempt)
            else:
                await self._take(job, part, of_the_whole(event, job, part))

    async def _take(self, job: JobRow, part: Part, event: Progress | Picture | Result | Failure) -> None:
        if isinstance(event, Progress):
            self._registry.advanced(job, event)
        elif isinstance(event, Picture):
            await self._keep(job, event)
        else:
            await patiently(lambda: self._end(job, part, event))
            self.wake()

    def _is_ready(self, ready: Ready) -> None:
        fresh = self._last is None or self._last.pid != ready.pid
        self._last, self._down = ready, False
        self._registry.engine_has(ready, fresh)
        self.wake()

    def _seen(self, job_id: str) -> None:
        if self._unseen.pop(job_id, None) is not None:
            self.wake()

    async def _keep(self, job: JobRow, picture: Picture) -> None:
        """A picture that cannot be stored ends its job in words: the person must not wait for it for ever."""
        try:
            judged = await self._safety.judged(picture)
            await patiently(lambda: self._transitions.picture(job, judged), PICTURE_TRIES)
        except StoreError as error:
            log.error("picture %d of job %s is lost: %s", picture.index, job.id, error)
            lost = StoreError("The picture is painted but could not be stored here. Try again later.")
            await patiently(lambda: self._transitions.failed(job, lost))
            await self.cancel(job)

    async def _end(self, job: JobRow, part: Part, event: Result | Failure) -> None:
        self._parts.pop(job.id, None)
        if job.in_parts and (isinstance(event, Result) or event.error == NotFinite.__name__):
            await self._go_on(job, part, event)
        elif isinstance(event, Result):
            await self._transitions.done(job, event)
        elif event.error == EngineRestarting.__name__ and self._stopping:  # we, or the machine, are being stopped
            await self._transitions.hand_back(job)
        elif event.error == EngineRestarting.__name__:
            got_on = job.in_parts and len(job.pictures) > part.before
            await self._transitions.died(replace(job, deaths=0) if got_on else job)
        elif event.error == Cancelled.__name__:
            await self._transitions.cancelled(job)
        else:
            await self._transitions.failed(job, error_from_code(event.error, event.message))

    async def _go_on(self, job: JobRow, part: Part, event: Result | Failure) -> None:
        """A part has ended: the next one waits for its turn, or all is done that can be."""
        said = event.notes[0].partition("failed: ")[2] if isinstance(event, Result) and event.notes else ""
        why = event.message if isinstance(event, Failure) else said
        failed = self._hopeless.setdefault(job.id, {})
        failed.update({index: why for index in part.indices if index in job.missing})
        if set(job.missing) - set(failed):
            await self._transitions.went_on(job, part.request.count / handed_out(job, part))
            return
        self._hopeless.pop(job.id)
        if not job.pictures:
            await self._transitions.failed(job, NotFinite(why))
            return
        seconds = event.seconds if isinstance(event, Result) else {}
        notes = (_failures(failed),) if failed else ()
        await self._transitions.done(job, Result(job.id, job.attempt, len(job.pictures), seconds, notes))


def _failures(failed: Mapping[int, str]) -> str:
    """``Pictures 3 and 7 failed, and do not count: …``"""
    numbers = listed([str(index + 1) for index in sorted(failed)])
    what = "Picture {} failed, and does not" if len(failed) == 1 else "Pictures {} failed, and do not"
    return f"{what.format(numbers)} count: {next(iter(failed.values()))}"
