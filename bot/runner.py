"""The two loops between queue and engine: hand jobs over as there is room, and book what the engine answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from bot.board import Board
from bot.books import Books
from bot.crashpoints import crashpoint
from bot.errors import PictureGone, StoreError
from bot.jobs import JobRow
from bot.patience import patiently
from bot.safety import Safety
from bot.store import Store, files
from engine.client import Engine
from engine.errors import Cancelled, EngineRestarting, EngineUnusable, error_from_code
from engine.messages import Event, Failure, Job, Picture, Progress, Ready, Result

log = logging.getLogger(__name__)


PICTURE_TRIES = 3
"""A picture that cannot be stored is tried again so often; then its job fails, for others must be able to go on."""


class Runner:
    """Keeps the engine busy in the queue's order."""

    def __init__(self, store: Store, engine: Engine, board: Board, books: Books, safety: Safety) -> None:
        self._store = store
        self._engine = engine
        self._board = board
        self._books = books
        self._safety = safety
        self._wake = asyncio.Event()
        self._stopping = False
        self._down = False
        self._last: Ready | None = None
        self._unseen: dict[str, int] = {}

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
        ticket = self._board.queue.next(self._engine.ready.slots - sum(self._unseen.values()))
        return None if ticket is None else self._board.row(ticket.job_id)

    async def _cross(self, job: JobRow) -> None:
        started = await patiently(lambda: self._books.start(job))
        if started is None:
            return
        images = await patiently(lambda: self._images(started))
        if images is None:
            gone = PictureGone(
                "The picture that this starts from is no longer kept, so nothing was painted or charged."
            )
            await patiently(lambda: self._books.failed(started, gone))
            return
        if self._board.row(job.id, job.attempt) is not None:  # else it was cancelled meanwhile
            await self._submit(started, images)

    async def _submit(self, job: JobRow, images: dict[str, bytes]) -> None:
        # The engine's free slots do not count this job until it has read it: we do, until we hear of it.
        self._unseen[job.id] = job.request.count
        try:
            await self._engine.submit(Job(job.id, job.attempt, job.owner, job.request), images)
        except (EngineRestarting, EngineUnusable) as error:
            log.info("job %s could not be handed over: %s", job.id, error)
            self._down = True  # until the engine says that it is ready
            self._unseen.pop(job.id, None)
            await patiently(lambda: self._books.hand_back(job))
            return
        crashpoint("handed over")
        if self._board.row(job.id, job.attempt) is None:  # cancelled while it crossed
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
            job = self._board.row(event.job_id, event.attempt)
            if job is None or job.started_at is None:
                log.debug("late: %s of %s, attempt %d", type(event).__name__, event.job_id, event.attempt)
            elif isinstance(event, Progress):
                self._board.advanced(job, event)
            elif isinstance(event, Picture):
                await self._keep(job, event)
            else:
                await patiently(lambda: self._end(job, event))
                self.wake()

    def _is_ready(self, ready: Ready) -> None:
        fresh = self._last is None or self._last.pid != ready.pid
        self._last, self._down = ready, False
        self._board.engine_has(ready, fresh)
        self.wake()

    def _seen(self, job_id: str) -> None:
        if self._unseen.pop(job_id, None) is not None:
            self.wake()

    async def _keep(self, job: JobRow, picture: Picture) -> None:
        """A picture that cannot be stored ends its job in words: the person must not wait for it for ever."""
        try:
            judged = await self._safety.judged(picture)
            await patiently(lambda: self._books.picture(job, judged), PICTURE_TRIES)
        except StoreError as error:
            log.error("picture %d of job %s is lost: %s", picture.index, job.id, error)
            lost = StoreError(
                "The picture is painted but could not be stored here; nothing was charged. Try again later."
            )
            await patiently(lambda: self._books.failed(job, lost))
            await self.cancel(job)

    async def _end(self, job: JobRow, event: Result | Failure) -> None:
        if isinstance(event, Result):
            await self._books.done(job, event)
        elif event.error == EngineRestarting.__name__ and self._stopping:  # we, or the machine, are being stopped
            await self._books.hand_back(job)
        elif event.error == EngineRestarting.__name__:
            await self._books.died(job)
        elif event.error == Cancelled.__name__:
            await self._books.cancelled(job)
        else:
            await self._books.failed(job, error_from_code(event.error, event.message))
