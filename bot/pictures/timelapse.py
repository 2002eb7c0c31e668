"""Collects the snapshots of running jobs, stores them when a job is done, and makes a timelapse on request.

A snapshot that cannot be stored is dropped; it never fails the job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from PIL import Image

from bot.errors import PictureGone, StoreError
from bot.models.job import JobRow, JobState, Update
from bot.pictures.uploads import ImageUpload
from bot.storage import Store, files
from bot.storage.pictures import Frame
from engine.errors import UnreadablePicture
from engine.images.opening import open_own
from engine.images.pictures import fit, grid, within
from engine.images.timelapse import MAX_BYTES, MOST_FRAMES, animate
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)

FEWEST = 3
"""Fewest frames of a timelapse."""
SIDE = 256
"""Pixels of one picture in the timelapse."""
DARK = (30, 31, 34)
"""Colour of a picture that has not begun."""
GONE = "The timelapse has expired."


class Timelapses:
    """Subscribe `hear` to the job registry. *has_room*: whether the disk has room for snapshots."""

    def __init__(self, store: Store, has_room: Callable[[], bool]) -> None:
        self._store, self._has_room = store, has_room
        self._frames: dict[str, list[Frame]] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    def hear(self, update: Update) -> None:
        """Collect the snapshots of a running job with one picture; encode the film once it is done."""
        job, progress = update.job, update.progress
        if not isinstance(job.request, DreamRequest) or job.is_batch:
            return
        if job.state is JobState.RUNNING and progress and progress.snapshots:
            frames = self._frames.setdefault(job.id, [])
            if not frames or frames[-1] != progress.snapshots:
                frames.append(dict(progress.snapshots))
            if len(frames) > 2 * MOST_FRAMES:
                del frames[1::2]
        elif job.state is not JobState.RUNNING:
            frames = self._frames.pop(job.id, [])
            if job.state is JobState.DONE and len(frames) >= FEWEST:
                task = asyncio.create_task(self._keep(job.id, frames))
                self._keeping.add(task)
                task.add_done_callback(self._keeping.discard)

    async def has(self, job: JobRow) -> bool:
        return await self._store.frames.has(job.id)

    async def film(self, job: JobRow, limit: int) -> ImageUpload:
        """The timelapse of a job as a GIF of at most *limit* bytes. Raises PictureGone."""
        frames = await self._store.frames.read(job.id)
        pngs = [png for picture in job.pictures if picture.path and (png := await files.read(picture.path))]
        if len(frames) < FEWEST or len(pngs) < len(job.pictures) or not pngs:
            raise PictureGone(GONE)
        try:
            data = await asyncio.to_thread(_film, frames, pngs, min(limit, MAX_BYTES))
        except UnreadablePicture as error:  # damaged on disk
            raise PictureGone(GONE) from error
        return ImageUpload(f"{'SPOILER_' if job.origin.spoiler else ''}{job.id}-evolution.gif", data)

    async def close(self) -> None:
        """Wait until pending frames are written."""
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def _keep(self, job_id: str, frames: list[Frame]) -> None:
        try:
            if self._has_room():
                await self._store.frames.keep(job_id, frames)
                if await self._store.jobs.find(job_id) is None:  # its owner's data was erased
                    await files.remove(self._store.frames.path(job_id))
        except StoreError as error:
            log.info("the timelapse of job %s was not stored: %s", job_id, error)


def _film(frames: Sequence[Frame], pngs: Sequence[bytes], limit: int) -> bytes:
    finished = [within(open_own(png), SIDE) for png in pngs]
    dark = [Image.new("RGB", picture.size, DARK) for picture in finished]
    way = [
        [fit(open_own(frame[i]), *last.size) if i in frame else dark[i] for i, last in enumerate(finished)]
        for frame in frames
    ]
    return animate([grid(pictures) for pictures in (*way, finished)], ".gif", limit)
