"""The buttons under an unfinished job."""

from __future__ import annotations

import discord

from bot.community.gate import Access
from bot.models.job import JobRow
from bot.views.base import JobButton, Press, template
from bot.views.history import open_private, refresh_private, refresh_public


class CancelButton(JobButton, template=template("cancel")):
    """Cancels a queued or running job and returns its reservation."""

    action = "cancel"
    access = Access.OPEN
    label = "Cancel"
    style = discord.ButtonStyle.danger
    private = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        """Cancel the job. Its own message then shows that.

        A message with this button whose job has ended is out of date, and this press updates it. Ephemeral
        copies are only updated by a press, so they show the result at once.
        """
        if await press.shows_copy(job):
            if not job.state.over:
                await press.services.jobs.cancel(job.id, press.caller.user_id, press.caller.moderator)
                job = await press.job(job.id)
            await refresh_private(press, job)
            return
        shown, messages = press.message, press.services.store.messages
        if job.state.over and shown and await messages.job_id(shown.channel.id, shown.id) == job.id:
            await refresh_public(press, job)
        await press.services.jobs.cancel(job.id, press.caller.user_id, press.caller.moderator)
        await press.responder.defer()


class RefreshButton(JobButton, template=template("refresh")):
    """Updates an ephemeral copy of a job."""

    action = "refresh"
    access = Access.OPEN
    label = "Refresh"
    private = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        show = refresh_private if await press.shows_copy(job) else open_private
        await show(press, job)
