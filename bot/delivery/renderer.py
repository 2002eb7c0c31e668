"""Renders messages: the embed of an update, its picture within the upload limit, the buttons for its state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import discord

from bot.embeds.entry import entry_embed
from bot.embeds.job import Parent, captions, embed_for
from bot.errors import PictureGone
from bot.interactions.message_api import MessagePayload
from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState, Update, parts_of
from bot.models.vote import Blindness, Vote
from bot.pictures.contact_sheet import thumbnail
from bot.pictures.films import film_upload, newest_frame
from bot.pictures.ranking import ordered
from bot.pictures.uploads import (
    ImageUpload,
    batch_so_far,
    batch_upload,
    blind_upload,
    comparison_upload,
    result_upload,
    separate_uploads,
    snapshot_upload,
    without_record,
)
from bot.policy.server_rules import ServerRules
from bot.storage import Store
from bot.storage.community.challenges import BlindEntry
from bot.text import message_link
from engine.errors import InvalidRequest, UnreadablePicture
from engine.requests.request import DreamRequest

ANCESTORS = 20
"""Upscales of upscales that are followed back to the prompt."""


class MessageRenderer:
    """Renders updates; caches thumbnails and parents of unfinished jobs until `forget`.

    *buttons*: a fresh view for a job, with whether its server takes reports, whether a challenge takes entries, and
    what a blind vote or a challenge hides.
    *wary*: previews are spoilers until the NSFW check has seen the picture.
    *graded*: adds scores to the pictures of a finished batch. *clock* is unix seconds.
    """

    def __init__(
        self,
        store: Store,
        buttons: Callable[[JobRow, bool, bool, Blindness], discord.ui.View],
        clock: Callable[[], float] = time.time,
        *,
        wary: bool = False,
        graded: Callable[[JobRow], Awaitable[JobRow]] | None = None,
    ) -> None:
        self._store = store
        self._buttons = buttons
        self._clock = clock
        self._wary = wary
        self._graded = graded
        self._thumbnails: dict[str, dict[int, bytes]] = {}
        self._parents: dict[str, Parent | None] = {}

    def forget(self, job_id: str) -> None:
        self._thumbnails.pop(job_id, None)
        self._parents.pop(job_id, None)

    async def render(self, update: Update, upload_limit: int, *, in_full: bool = False) -> MessagePayload:
        """The message for *update*; its file has at most *upload_limit* bytes.

        *in_full*: its readers may see what a vote or a challenge hides.
        """
        if not in_full and (entry := await self._blind_entry(update.job)) is not None:
            return await self._entry_payload(update, entry, upload_limit)
        job = update.job
        if job.is_batch and job.state is JobState.DONE and self._graded:
            job = await self._graded(job)
            update = replace(update, job=job)
        vote = await self._store.votes.blind_over(job.id) if job.on_disk > 1 and not in_full else None
        try:
            uploads = await self._uploads(update, upload_limit, vote)
            notes = list(dict.fromkeys(upload.note for upload in uploads if upload.note))
        except (PictureGone, UnreadablePicture, InvalidRequest) as error:  # invalid: no encoder for videos any more
            uploads, notes = (), [str(error)]
        return await self._payload(update, uploads, notes, job, vote)

    async def _blind_entry(self, job: JobRow) -> BlindEntry | None:
        """What its message hides during a challenge. Only a finished picture can be entered after it was asked for."""
        if job.origin.kind != "entry" and job.state is not JobState.DONE:
            return None
        return await self._store.blind_pictures.entry(job.id)

    async def _entry_payload(self, update: Update, entry: BlindEntry, limit: int | None) -> MessagePayload:
        """An entry of a challenge before its vote has ended: the picture without author, prompt and record.

        *limit*: None leaves the picture out.
        """
        job, upload = update.job, None
        try:
            if limit is not None and job.state is JobState.DONE:
                pngs = [await self._store.pictures.png(job.id, index) for index in entry.numbers]
                upload = await without_record(await result_upload(job.id, pngs, limit))
            elif limit is not None and not job.in_parts:
                upload = await self._upload(update, limit)
        except (PictureGone, UnreadablePicture):
            upload = None
        covered = job.origin.spoiler or (self._wary and not job.state.over)
        shown = upload.name if upload and not covered else ""
        embed = entry_embed(update, entry.theme, list(entry.numbers.values()), self._clock(), shown)
        files = ((f"{'SPOILER_' * covered}{upload.name}", upload.data),) if upload else ()
        rules = await ServerRules.of(self._store, job.origin.guild_id)
        reports = job.state is JobState.DONE and bool(rules.report_channel)
        blindness = Blindness.OPEN_ENTRY if entry.takes_entries else Blindness.ENTRY
        return MessagePayload(embed, files, partial(self._buttons, job, reports, False, blindness))

    async def render_refusal(self, update: Update, why: str) -> MessagePayload:
        if (entry := await self._blind_entry(update.job)) is not None:
            return await self._entry_payload(update, entry, None)
        note = f"Discord does not accept this picture: {why}. It is stored in your history and was charged."
        return await self._payload(update, (), [note], update.job)

    async def _payload(
        self, update: Update, uploads: Sequence[ImageUpload], notes: list[str], job: JobRow, vote: Vote | None = None
    ) -> MessagePayload:
        covered = job.origin.spoiler or (self._wary and not job.state.over)
        # An embed has one picture, cannot cover it, and shows no video.
        alone = len(uploads) == 1 and not covered and not uploads[0].name.endswith(".mp4")
        embed = embed_for(
            update,
            now=self._clock(),
            parent=await self._parent(job),
            picture=uploads[0].name if alone else "",
            notes=notes,
            vote=vote,
        )
        files = tuple((f"{'SPOILER_' * covered}{upload.name}", upload.data) for upload in uploads)
        server, reports, entries = job.origin.guild_id, False, False
        if job.state is JobState.DONE and server is not None:
            reports = bool((await ServerRules.of(self._store, server)).report_channel)
            entries = await self._store.challenges.open_in(server) is not None
        blindness = Blindness.VOTE if vote else Blindness.NONE
        return MessagePayload(embed, files, partial(self._buttons, job, reports, entries, blindness))

    async def _uploads(self, update: Update, limit: int, vote: Vote | None) -> tuple[ImageUpload, ...]:
        job = update.job
        if job.in_parts and vote:
            return (await self._blind_upload(job, vote, limit),)
        if job.state is JobState.DONE and isinstance(job.request, Comparison) and job.request.separate:
            pngs = {one.index: await self._store.pictures.png(job.id, one.index) for one in job.pictures}
            return await separate_uploads(job.id, pngs, limit)
        upload = await self._upload(update, limit)
        return (upload,) if upload else ()

    async def _upload(self, update: Update, limit: int) -> ImageUpload | None:
        job = update.job
        if isinstance(job.request, FilmRequest):
            return await self._film_upload(job, job.request, limit)
        if job.in_parts:
            return await self._sheet_upload(job, limit)
        if job.state is JobState.DONE and job.pictures:
            pngs = [await self._store.pictures.png(job.id, picture.index) for picture in job.pictures]
            return await result_upload(job.id, pngs, limit)
        if job.state is JobState.RUNNING and update.progress:
            return await snapshot_upload(job.id, update.progress.snapshots, job.request.count)
        return None

    async def _blind_upload(self, job: JobRow, vote: Vote, limit: int) -> ImageUpload:
        """The pictures of a vote in the order of its letters: the order of a comparison would tell their labels."""
        pngs = {one: await self._store.pictures.png(one.job_id, one.index) for one in vote.candidates}
        cells = [await asyncio.to_thread(thumbnail, png) for png in pngs.values()]
        return await blind_upload(job.id, cells, [one.letter for one in pngs], limit)

    async def _film_upload(self, job: JobRow, film: FilmRequest, limit: int) -> ImageUpload | None:
        """The film as far as it is painted, once the job is over; until then its newest frame."""
        if not job.pictures or job.state in (JobState.FAILED, JobState.CANCELLED):
            return None
        if job.state is JobState.DONE and len(job.pictures) > 1:
            return await film_upload(job.id, film, job.pictures, limit)
        png = await self._store.pictures.png(job.id, job.pictures[-1].index)
        return await (result_upload(job.id, [png], limit) if job.state is JobState.DONE else newest_frame(job.id, png))

    async def _sheet_upload(self, job: JobRow, limit: int) -> ImageUpload | None:
        """The contact sheet of a batch or a comparison; thumbnails are cached until the job ends."""
        known = self._thumbnails.pop(job.id, {})
        for picture in job.pictures:
            if picture.index not in known:
                png = await self._store.pictures.png(job.id, picture.index)
                known[picture.index] = await asyncio.to_thread(thumbnail, png)
        if not job.state.over:
            self._thumbnails[job.id] = known
        elif job.state is not JobState.DONE:
            return None
        if isinstance(job.request, Comparison):
            return await comparison_upload(job.id, known, captions(job), job.request.grid, limit)
        if job.state.over:
            return await batch_upload(job.id, known, ordered(job), limit)
        return await batch_so_far(job.id, known, job.request.count)

    async def _parent(self, job: JobRow) -> Parent | None:
        """The job that *job* comes from; cached because every edit needs it."""
        if not job.origin.parent_job:
            return None
        if job.id not in self._parents:
            self._parents[job.id] = await self._find_parent(job)
        return self._parents.pop(job.id, None) if job.state.over else self._parents[job.id]

    async def _find_parent(self, job: JobRow) -> Parent | None:
        parent = await self._store.jobs.find(job.origin.parent_job)
        if parent is None:
            return None
        where = parent.origin
        link = message_link(where.guild_id, where.channel_id, parent.message_id)
        words = await self._words_of(parent, job.origin.parent_index)
        kinds = {Comparison: "comparison", FilmRequest: "film"}
        sheet = next((name for kind, name in kinds.items() if isinstance(parent.request, kind)), "batch")
        return Parent(where.user_id, link, words, parent.request.count, sheet)

    async def _words_of(self, job: JobRow, index: int) -> DreamRequest | None:
        """The dream request behind picture *index* of *job*; upscales are followed back."""
        row: JobRow | None = job
        for _ in range(ANCESTORS):
            parts = parts_of(row.request) if row else ()
            if row is None or index >= max(len(parts), row.request.count):
                return None
            request = parts[index if len(parts) > 1 else 0].request
            if isinstance(request, DreamRequest):
                return request
            index = row.origin.parent_index
            row = await self._store.jobs.find(row.origin.parent_job)
        return None
