"""Results that exist: a person's history, and showing an existing result instead of rendering it again."""

from __future__ import annotations

import logging

import discord

from bot.config.sections import RetentionSection
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import FAILURES, DeletionResult, removal_of
from bot.jobs.takedown import Takedowns
from bot.models.history import HistoryLine, HistoryPage
from bot.models.job import JobRow, JobState, owner_of
from bot.pictures.ranking import best
from bot.policy.server_rules import check_revealed
from bot.storage import Store
from bot.text import message_link
from engine.requests.request import UpscaleRequest

PAGE = 5
"""Jobs on one page."""


class HistoryActions:
    def __init__(self, store: Store, retention: RetentionSection) -> None:
        self._store = store
        self._retention = retention

    async def page(self, user_id: int, beside: str = "", *, older: bool = True) -> HistoryPage:
        """The newest jobs, or those next to the job *beside*; an unknown *beside* gives the newest."""
        owner, jobs = owner_of(user_id), self._store.jobs
        rows = await jobs.page(owner, PAGE, beside, older=older) or await jobs.page(owner, PAGE)
        stars, most = await self._store.stars.pictures_of(user_id), self._retention.keep_pictures
        if not rows:
            return HistoryPage(stars=stars, most_stars=most)
        starred = await self._store.stars.among(user_id, [job.id for job in rows])
        return HistoryPage(
            tuple([await self._line(job, starred[job.id]) for job in rows]),
            await jobs.count_of(owner),
            newer=bool(await jobs.page(owner, 1, rows[0].id, older=False)),
            older=bool(await jobs.page(owner, 1, rows[-1].id)),
            stars=stars,
            most_stars=most,
        )

    async def visible(self, job_id: str, caller: Invocation, *, blind: bool = False) -> JobRow:
        """Return the job, if the caller may see it: their own, a starred one, or one that they can read here.

        They can read it if it is shown in this channel, or in another channel of this server that they can read.

        A custom id can be forged, so every button, menu and modal asks. Raises Refused; an unknown job reads the same.
        *blind*: a blind vote over its pictures is no obstacle.
        """
        job = await self._store.jobs.find(job_id)
        if job is None or not await self._may_see(job, caller):
            raise Refused("This picture is not available here. It may have been deleted.")
        if not blind:
            await check_revealed(self._store, job, caller.user_id)
        return job

    async def _may_see(self, job: JobRow, caller: Invocation) -> bool:
        if job.owned_by(caller.user_id):
            return True
        if job.message_id is None and job.origin.channel_id == caller.channel_id:  # its message is being posted
            return True
        shown = {channel_id for channel_id, _ in await self._store.messages.of_job(job.id)}
        if caller.channel_id in shown:
            return True
        where = job.origin
        here = where.guild_id is not None and where.guild_id == caller.guild_id and not where.guest
        if here and where.channel_id in shown and caller.sees(where.channel_id):
            return True
        if await self._store.starboard.is_in(job.id, caller.channel_id):
            return True
        return any(star.user_id == caller.user_id for star in await self._store.stars.of_job(job.id))

    async def _line(self, job: JobRow, stars: int) -> HistoryLine:
        kept = best(job.stored) if job.on_disk else None
        delivery = await self._store.deliveries.find(job.id) if job.state.over else None
        undelivered = delivery.error if delivery and delivery.state == "undeliverable" else ""
        return HistoryLine(job, undelivered, stars, kept)


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
