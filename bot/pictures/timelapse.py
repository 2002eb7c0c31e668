"""Stores the previews of finished jobs, and makes a timelapse of them on request.

Previews that cannot be stored are dropped; that never fails the job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from PIL import Image

from bot.errors import PictureGone, StoreError
from bot.models.job import JobRow, Update
from bot.pictures.uploads import ImageUpload
from bot.storage import Store, files
from bot.storage.pictures import Frame
from engine.errors import UnreadablePicture
from engine.images.opening import open_own
from engine.images.pictures import fit, grid, within
from engine.images.timelapse import MAX_BYTES, animate

log = logging.getLogger(__name__)

FEWEST = 3
"""Fewest frames of a timelapse."""
SIDE = 256
"""Pixels of one picture in the timelapse."""
DARK = (30, 31, 34)
"""Colour of a picture that has not begun."""
GONE = "The timelapse has expired."


class Timelapses:
    """Subscribe `hear` to the finished jobs of the registry. *has_room*: whether the disk has room for previews."""

    def __init__(self, store: Store, has_room: Callable[[], bool]) -> None:
        self._store, self._has_room = store, has_room
        self._keeping: set[asyncio.Task[None]] = set()

    def hear(self, update: Update) -> None:
        """Store the previews of a finished job, if it has enough for a timelapse."""
        if update.job.has_timelapse and len(update.frames) >= FEWEST:
            task = asyncio.create_task(self._keep(update.job.id, update.frames))
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

    async def _keep(self, job_id: str, frames: Sequence[Frame]) -> None:
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
