"""Hides author, prompt and labels of pictures while a blind vote on them is open, and shows them again at its end.

What is due follows from the open votes and running challenges alone, so that it does not matter how a vote ends: by
time, by the deletion of its pictures, or because its message is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import discord

from bot.delivery.renderer import MessageRenderer
from bot.interactions.message_api import FAILURES, Address, Post, Trouble, is_final, patience_for, trouble_of
from bot.models.job import Update
from bot.retry import failpoint
from bot.storage import Store
from bot.storage.community.covered_sheets import SheetChange

log = logging.getLogger(__name__)

ARCHIVED_SECONDS = 3600.0
"""Pause before the next attempt in an archived thread, which refuses edits."""
MOST_TRIES = 48
"""Attempts to show labels again in an archived thread."""


class CoveredSheets:
    """Edits the messages of jobs that are in a vote or a challenge. *clock* is unix seconds."""

    def __init__(
        self, client: discord.Client, store: Store, renderer: MessageRenderer, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._store = store
        self._renderer = renderer
        self._clock = clock

    async def work(self) -> None:
        """Cover and uncover what is due. Raises StoreError."""
        for change in await self._store.covered_sheets.due(self._clock()):
            await self._make(change)

    async def _make(self, change: SheetChange) -> None:
        rows = self._store.covered_sheets
        job = await self._store.jobs.find(change.job_id)
        if job is None or not job.state.over:  # until then its own edits hide and show it
            return
        if change.cover:
            await rows.begin(change)
        failpoint("sheet noted")
        guild_id = job.origin.guild_id if change.channel_id == job.origin.channel_id else None
        post = Post(self._client, Address(guild_id, change.channel_id, job.origin.user_id))
        try:
            await post.edit(change.message_id, await self._renderer.render(Update(job), post.upload_limit))
        except FAILURES as error:
            await self._failed(change, error)
        else:
            failpoint("sheet edited")
            await rows.done(change)

    async def _failed(self, change: SheetChange, error: BaseException) -> None:
        now, archived = self._clock(), trouble_of(error) is Trouble.ARCHIVED
        if not is_final(error):
            await self._store.covered_sheets.retry(change, now + patience_for(error, change.tries))
        elif archived and not change.cover and change.tries < MOST_TRIES:
            await self._store.covered_sheets.retry(change, now + ARCHIVED_SECONDS)
        else:
            log.info("the message %d of job %s cannot be edited: %s", change.message_id, change.job_id, error)
            await self._store.covered_sheets.done(change, "refused")
