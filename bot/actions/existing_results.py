"""What has been made already: where whoever asks for it again can see it, or what can be shown to them once more.

The gateway tells this bot of no deleted messages, and a message may be in a place that others do not see. So nobody is
sent to a message but in the channel where they ask, or to their own, and not before it was looked for.
"""

from __future__ import annotations

import logging

import discord

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import FAILURES, Removal, removal_of
from bot.jobs.service import JobService
from bot.models.job import JobRow, JobState
from bot.text import message_link
from engine.requests.request import UpscaleRequest

log = logging.getLogger(__name__)


class ExistingResults:
    """Finds them. One per bot."""

    def __init__(self, client: discord.Client, jobs: JobService) -> None:
        self._client = client
        self._jobs = jobs

    async def enlarged(self, job_id: str, index: int, request: UpscaleRequest, caller: Invocation) -> JobRow | None:
        """An enlargement of that picture that can be shown once more; None: it has to be made.

        Raises Refused where the caller can see one, and while one is being made.
        """
        kept = None
        for child in await self._jobs.children(job_id):
            if child.request != request or child.origin.parent_index != index:
                continue
            if not child.state.over:
                raise Refused(_being_made(child, caller))
            if child.state is JobState.DONE:
                if link := await self.seen(child, caller):
                    raise Refused(f"That picture has been enlarged already: {link}")
                kept = kept or (child if child.on_disk else None)
        return kept

    async def picked(self, job: JobRow, index: int, caller: Invocation) -> str:
        """Where the caller can see that picture of a batch by itself, as a link; empty: nowhere."""
        for child in await self._jobs.children(job.id):
            picked = child.origin.kind == "pick" and child.origin.parent_index == index
            if picked and (link := await self.seen(child, caller)):
                return link
        return ""

    async def seen(self, job: JobRow, caller: Invocation) -> str:
        """Where the caller can see the job, as a link; empty: nowhere."""
        for channel_id, message_id in await self._jobs.takedowns.of(job):
            guild_id = _guild_of(job, channel_id, caller)
            if _can_see(job, channel_id, caller) and await self._is_there(guild_id, channel_id, message_id, caller):
                return message_link(guild_id, channel_id, message_id)
        return ""

    async def _is_there(self, guild_id: int | None, channel_id: int, message_id: int, caller: Invocation) -> bool:
        """Look for the message; one that has gone is forgotten. Where nobody may look, a member's word is taken."""
        try:
            await self._client.get_partial_messageable(channel_id, guild_id=guild_id).fetch_message(message_id)
        except FAILURES as error:
            log.info("a message cannot be looked for: %s", error)
            if removal_of(error) is not Removal.GONE:
                return caller.resident
            await self._jobs.takedowns.lost(channel_id, message_id)
            return False
        return True


def _can_see(job: JobRow, channel_id: int, caller: Invocation) -> bool:
    """Whether the caller sees a message of the job there: it is where they are, or where they had asked for it."""
    return channel_id == caller.channel_id or (job.owned_by(caller.user_id) and channel_id == job.origin.channel_id)


def _guild_of(job: JobRow, channel_id: int, caller: Invocation) -> int | None:
    """The server of such a message."""
    return caller.guild_id if channel_id == caller.channel_id else job.origin.guild_id


def _being_made(child: JobRow, caller: Invocation) -> str:
    channel_id = child.origin.channel_id
    if not _can_see(child, channel_id, caller):
        return "That picture is being enlarged for somebody elsewhere. Press again in a while: then it is shown here."
    if child.message_id is None:
        return "That picture is being enlarged already; the result is on its way."
    link = message_link(_guild_of(child, channel_id, caller), channel_id, child.message_id)
    return f"That picture is being enlarged already: {link}"
