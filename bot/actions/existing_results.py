"""Finds an existing result instead of rendering it again."""

from __future__ import annotations

import logging

import discord

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import FAILURES, DeletionResult, removal_of
from bot.jobs.takedown import Takedowns
from bot.models.job import JobRow, JobState
from bot.storage import Store
from bot.text import message_link
from engine.requests.request import UpscaleRequest

log = logging.getLogger(__name__)


class ExistingResults:
    """Links only to messages that the caller can see: in the same channel, or their own.

    Discord does not report deleted messages to this bot, so every link is checked first.
    """

    def __init__(self, client: discord.Client, store: Store, takedowns: Takedowns) -> None:
        self._client = client
        self._store = store
        self._takedowns = takedowns

    async def upscaled(self, job_id: str, index: int, request: UpscaleRequest, caller: Invocation) -> JobRow | None:
        """A finished upscale of that picture that can be posted again, or None.

        Raises Refused if the caller can see one already, or while one is being rendered.
        """
        kept = None
        for child in await self._store.jobs.children(job_id):
            if child.request != request or child.origin.parent_index != index:
                continue
            if not child.state.over:
                raise Refused(_being_made(child, caller))
            if child.state is JobState.DONE:
                if link := await self.seen(child, caller):
                    raise Refused(f"This picture is already upscaled: {link}")
                kept = kept or (child if child.on_disk else None)
        return kept

    async def picked(self, job: JobRow, index: int, caller: Invocation) -> str:
        """A link to a message in which the caller can see that picture of a batch by itself, or empty."""
        for child in await self._store.jobs.children(job.id):
            picked = child.origin.kind == "pick" and child.origin.parent_index == index
            if picked and (link := await self.seen(child, caller)):
                return link
        return ""

    async def seen(self, job: JobRow, caller: Invocation) -> str:
        """A link to a message of the job that the caller can see, or empty."""
        for channel_id, message_id in await self._store.messages.of_job(job.id):
            guild_id = _guild_of(job, channel_id, caller)
            if _can_see(job, channel_id, caller) and await self._is_there(guild_id, channel_id, message_id, caller):
                return message_link(guild_id, channel_id, message_id)
        return ""

    async def _is_there(self, guild_id: int | None, channel_id: int, message_id: int, caller: Invocation) -> bool:
        """Whether the message exists; a deleted one is forgotten. Without access, it is assumed to for members."""
        try:
            await self._client.get_partial_messageable(channel_id, guild_id=guild_id).fetch_message(message_id)
        except FAILURES as error:
            log.info("a message cannot be fetched: %s", error)
            if removal_of(error) is not DeletionResult.GONE:
                return caller.resident
            await self._takedowns.lost(channel_id, message_id)
            return False
        return True


def _can_see(job: JobRow, channel_id: int, caller: Invocation) -> bool:
    """Whether the caller can see a message of the job there: in their channel, or where they asked for it."""
    return channel_id == caller.channel_id or (job.owned_by(caller.user_id) and channel_id == job.origin.channel_id)


def _guild_of(job: JobRow, channel_id: int, caller: Invocation) -> int | None:
    """The server of a message that the caller can see."""
    return caller.guild_id if channel_id == caller.channel_id else job.origin.guild_id


def _being_made(child: JobRow, caller: Invocation) -> str:
    channel_id = child.origin.channel_id
    if not _can_see(child, channel_id, caller):
        return "This picture is being upscaled in another channel. Press again later to show it here."
    if child.message_id is None:
        return "This picture is already being upscaled; the result will follow."
    link = message_link(_guild_of(child, channel_id, caller), channel_id, child.message_id)
    return f"This picture is already being upscaled: {link}"
