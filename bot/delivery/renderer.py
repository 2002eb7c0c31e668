"""Draws what a message shows: the embed of an update, its picture within the upload limit, the buttons that fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import discord

from bot.embeds.job import Parent, captions, embed_for
from bot.errors import PictureGone
from bot.interactions.payload import MessagePayload
from bot.jobs.service import JobService
from bot.models.comparison import Comparison
from bot.models.job import JobRow, JobState, Update
from bot.pictures.contact_sheet import thumbnail
from bot.pictures.ranking import ordered
from bot.pictures.uploads import Upload, batch_so_far, batch_upload, comparison_upload, result_upload, snapshot_upload
from bot.text import message_link
from engine.errors import UnreadablePicture
from engine.requests.request import DreamRequest

ANCESTORS = 20
"""Enlargements of enlargements that are followed back to the words."""


class MessageRenderer:
    """Draws faces; remembers only where the pictures of unfinished jobs come from."""

    def __init__(
        self,
        jobs: JobService,
        buttons: Callable[[JobRow], discord.ui.View],
        clock: Callable[[], float] = time.time,
        *,
        wary: bool = False,
        graded: Callable[[JobRow], Awaitable[JobRow]] | None = None,
    ) -> None:
        """*wary*: what nobody has looked at yet is covered. *graded*: asks how good the pictures of a batch are."""
        self._buttons = buttons
        self._wary = wary
        self._graded = graded
        self._thumbnails: dict[str, dict[int, bytes]] = {}
        self._jobs = jobs
        self._clock = clock
        self._parents: dict[str, Parent | None] = {}

    async def face(self, update: Update, upload_limit: int) -> MessagePayload:
        """The whole message for *update*; its file has at most *upload_limit* bytes."""
        job = update.job
        if job.is_batch and job.state is JobState.DONE and self._graded:
            job = await self._graded(job)
            update = replace(update, job=job)
        try:
            upload = await self._upload(update, upload_limit)
            notes = [upload.note] if upload and upload.note else []
        except (PictureGone, UnreadablePicture) as error:
            upload, notes = None, [str(error)]
        return await self._drawn(update, upload, notes, job)

    async def refusal(self, update: Update, why: str) -> MessagePayload:
        """The end of a job whose picture Discord does not take, in words."""
        note = f"Discord does not accept the picture: {why}. It is kept, and counts as painted."
        return await self._drawn(update, None, [note], update.job)

    async def _drawn(self, update: Update, upload: Upload | None, notes: list[str], job: JobRow) -> MessagePayload:
        covered = upload is not None and (job.origin.spoiler or (self._wary and not job.state.over))
        embed = embed_for(
            update,
            now=self._clock(),
            parent=await self._parent(job),
            picture="" if upload is None or covered else upload.name,  # an embed cannot cover its picture
            notes=notes,
        )
        if upload and covered:
            upload = replace(upload, name=f"SPOILER_{upload.name}")
        files = ((upload.name, upload.data),) if upload else ()
        return MessagePayload(embed, files, partial(self._buttons, job))

    async def _upload(self, update: Update, limit: int) -> Upload | None:
        job = update.job
        if job.in_parts:
            return await self._sheet_upload(job, limit)
        if job.state is JobState.DONE and job.pictures:
            pngs = [await self._jobs.picture(job.id, picture.index) for picture in job.pictures]
            return await result_upload(job.id, pngs, limit)
        if job.state is JobState.RUNNING and update.progress:
            return await snapshot_upload(job.id, update.progress.snapshots, job.request.count)
        return None

    async def _sheet_upload(self, job: JobRow, limit: int) -> Upload | None:
        """The sheet of a batch or a comparison; a picture is read once for all the sheets that show it on the way."""
        known = self._thumbnails.pop(job.id, {})
        for picture in job.pictures:
            if picture.index not in known:
                png = await self._jobs.picture(job.id, picture.index)
                known[picture.index] = await asyncio.to_thread(thumbnail, png)
        if not job.state.over:
            self._thumbnails[job.id] = known
        elif job.state is not JobState.DONE:
            return None
        if isinstance(job.request, Comparison):
            return await comparison_upload(job.id, known, captions(job), limit)
        if job.state.over:
            return await batch_upload(job.id, known, ordered(job), limit)
        return await batch_so_far(job.id, known, job.request.count)

    async def _parent(self, job: JobRow) -> Parent | None:
        """Where *job* comes from; asked once, for every edit of a message would ask again."""
        if not job.origin.parent_job:
            return None
        if job.id not in self._parents:
            self._parents[job.id] = await self._find_parent(job)
        return self._parents.pop(job.id) if job.state.over else self._parents[job.id]

    async def _find_parent(self, job: JobRow) -> Parent | None:
        parent = await self._jobs.job(job.origin.parent_job)
        if parent is None:
            return None
        where = parent.origin
        link = message_link(where.guild_id, where.channel_id, parent.message_id) if parent.message_id else ""
        words = await self._words_of(parent, job.origin.parent_index)
        sheet = "comparison" if isinstance(parent.request, Comparison) else "batch"
        return Parent(where.user_id, link, words, parent.request.count, sheet)

    async def _words_of(self, job: JobRow, index: int) -> DreamRequest | None:
        """The request from which everything came: enlargements are followed back to picture *index* of it."""
        row: JobRow | None = job
        for _ in range(ANCESTORS):
            if row is not None and isinstance(row.request, Comparison):
                return row.request.ways[index].request if index < row.request.count else None
            if row is None or isinstance(row.request, DreamRequest):
                return row.request if row and isinstance(row.request, DreamRequest) else None
            index = row.origin.parent_index
            row = await self._jobs.job(row.origin.parent_job)
        return None
