"""Reactions on results do what the buttons do, also on uncached messages and after a restart.

What was reacted to while the bot was away is read again once it is back, for recent results. Which reactions have been
dealt with is kept in the store, so that nothing is done twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace

import discord
from discord.ext import commands

from bot.errors import Blocked
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access, report_errors
from bot.interactions.message_api import FAILURES
from bot.interactions.reaction_parser import Reaction, ReactionAction, read_reaction
from bot.interactions.responder import ReactionResponder
from bot.models.job import JobRow, JobState
from bot.policy.server_rules import check_revealed
from bot.retry import EVENT_TRIES, patiently, repeated
from bot.services import BotClient, BotCog
from engine.errors import DreamError

log = logging.getLogger(__name__)

RECENT_SECONDS = 24 * 3600.0
RECENT_MESSAGES = 50
REMEMBERED_SECONDS = 7 * 24 * 3600.0
"""How long a handled reaction is remembered; longer than `RECENT_SECONDS`."""
VOTE_SECONDS = 3600.0
"""How long a vote lasts that a reaction starts."""
PEOPLE = 25
"""Most people whose reactions with one emoji are read again."""


class ReactionEvents(BotCog):
    """Handles reactions, and reads missed ones after each start."""

    def __init__(self, bot: BotClient) -> None:
        super().__init__(bot)
        self._catching_up: dict[int, asyncio.Task[None]] = {}
        """By shard."""

    async def cog_unload(self) -> None:
        for task in self._catching_up.values():
            task.cancel()

    @commands.Cog.listener()
    @repeated
    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Handle a reaction; most are on messages of other people."""
        reaction = read_reaction(str(event.emoji))
        if reaction is None or event.user_id == self.bot.application_id or (event.member and event.member.bot):
            return
        if event.guild_id and self.bot.get_guild(event.guild_id) is None:  # its rules could not be applied
            return
        job = await self.services.jobs.find_by_message(event.channel_id, event.message_id)
        if job is None and reaction.wish is ReactionAction.STAR:
            await self._star_entry(event)
        elif job is not None:
            await self._seen(event.message_id, str(event.emoji), event.user_id)
            caller = Invocation.of_reaction(self.bot, event)
            if event.member is None and job.owned_by(caller.user_id):  # in a direct message the event has no member
                caller = replace(caller, user_name=job.origin.user_name)
            await self._grant(job, reaction, event.message_id, caller)

    @commands.Cog.listener()
    @repeated
    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """A person removed a star; other reactions cannot be taken back."""
        reaction = read_reaction(str(event.emoji))
        if reaction is None or reaction.wish is not ReactionAction.STAR:
            return
        store = self.services.store
        job_id = await store.messages.job_id(event.channel_id, event.message_id)
        entry = await store.starboard.find_message(event.channel_id, event.message_id) if job_id is None else None
        if picture := (job_id, None) if job_id is not None else entry:
            with self.services.handlers.running():
                await self.services.favorites.unreact(picture[0], picture[1], event.user_id)

    @commands.Cog.listener()
    @repeated
    async def on_raw_reaction_clear(self, event: discord.RawReactionClearEvent) -> None:
        await self._stars_cleared(event.channel_id, event.message_id)

    @commands.Cog.listener()
    @repeated
    async def on_raw_reaction_clear_emoji(self, event: discord.RawReactionClearEmojiEvent) -> None:
        reaction = read_reaction(str(event.emoji))
        if reaction is not None and reaction.wish is ReactionAction.STAR:
            await self._stars_cleared(event.channel_id, event.message_id)

    async def _stars_cleared(self, channel_id: int, message_id: int) -> None:
        job_id = await self.services.store.messages.job_id(channel_id, message_id)
        if job_id is not None:
            with self.services.handlers.running():
                await self._unstar(job_id)

    async def _star_entry(self, event: discord.RawReactionActionEvent) -> None:
        """A star on an entry of the starboard counts like one on the picture's own message."""
        entry = await self.services.store.starboard.find_message(event.channel_id, event.message_id)
        job = await self.services.jobs.find(entry[0]) if entry else None
        if entry is not None and job is not None:
            caller = Invocation.of_reaction(self.bot, event)
            responder = ReactionResponder(self.bot, event.channel_id, event.message_id, event.guild_id, event.user_id)
            async with report_errors(responder, "the reaction star"):
                with self.services.handlers.running():
                    await self.services.gate.admit(caller, Access.USUAL)
                    await self.services.favorites.star(job, (entry[1],), caller, by_reaction=True)

    @commands.Cog.listener()
    async def on_at_work(self, shard_id: int) -> None:
        """Read the reactions that the shard missed while it had no session."""
        if shard_id in self._catching_up:
            self._catching_up[shard_id].cancel()
        self._catching_up[shard_id] = asyncio.create_task(self._catch_up(shard_id))

    async def _grant(self, job: JobRow, reaction: Reaction, message_id: int, caller: Invocation) -> None:
        responder = ReactionResponder(self.bot, caller.channel_id, message_id, caller.guild_id, caller.user_id)
        async with report_errors(responder, f"the reaction {reaction.wish.value}"):
            with self.services.handlers.running():
                await self.services.gate.admit(caller, _access(reaction))
                await self._do(job, reaction, message_id, caller, responder)

    async def _do(
        self, job: JobRow, reaction: Reaction, message_id: int, caller: Invocation, responder: ReactionResponder
    ) -> None:
        job_actions = self.services.job_actions
        if reaction.wish in (ReactionAction.UPSCALE, ReactionAction.AGAIN):
            await check_revealed(self.services.store, job, caller.user_id)
        match reaction.wish:
            case ReactionAction.UPSCALE:
                await job_actions.upscale(job, reaction.index, caller, responder)
            case ReactionAction.AGAIN:
                await job_actions.again(job, caller, responder)
            case ReactionAction.STAR:
                await self.services.favorites.star(job, (), caller, by_reaction=True)
            case ReactionAction.VOTE:
                await self.services.votes.start_over(job, caller, VOTE_SECONDS)
            case ReactionAction.AWAY if job.state.over:
                await self.services.deletions.delete(job, message_id, caller)
            case ReactionAction.AWAY:
                await self.services.jobs.cancel(job.id, caller.user_id, caller.moderator)

    async def _seen(self, message_id: int, emoji: str, user_id: int) -> bool:
        """Whether this reaction is new; records it."""
        key = f"reaction:{message_id}:{emoji}:{user_id}"
        return await self.services.store.presses.first(key, self.services.clock(), REMEMBERED_SECONDS)

    async def _catch_up(self, shard_id: int) -> None:
        since = self.services.clock() - RECENT_SECONDS
        recent = await patiently(self.services.store.messages.recent, since, RECENT_MESSAGES)
        for channel_id, message_id, job_id in recent:
            job = await patiently(self.services.jobs.find, job_id)
            if job is None or job.state is not JobState.DONE:
                continue
            guild = self._guild_of(job, channel_id)
            if guild is None and channel_id == job.origin.channel_id and job.origin.guild_id:
                continue  # its server is not known, or was left
            if self.bot.shard_of(guild.id if guild else None) == shard_id:
                try:
                    await patiently(self._read_again, job, channel_id, message_id, tries=EVENT_TRIES)
                except (*FAILURES, DreamError) as error:
                    log.info("reactions to job %s cannot be read again: %s", job_id, error)

    async def _read_again(self, job: JobRow, channel_id: int, message_id: int) -> None:
        guild = self._guild_of(job, channel_id)
        channel = self.bot.get_partial_messageable(channel_id, guild_id=guild.id if guild else None)
        message = await channel.fetch_message(message_id)
        groups = [(group, read) for group in message.reactions if (read := read_reaction(str(group.emoji)))]
        stars = next((group for group, reaction in groups if reaction.wish is ReactionAction.STAR), None)
        if channel_id == job.origin.channel_id and (stars is None or stars.count <= PEOPLE):
            people = [person async for person in stars.users(limit=PEOPLE)] if stars else []
            await self._unstar(job.id, keep={person.id for person in people})  # removed in the meantime
        for group, reaction in groups:
            async for person in group.users(limit=PEOPLE):
                if not person.bot and await self._is_missed(job, reaction, message_id, str(group.emoji), person.id):
                    await self._grant_late(job, reaction, message_id, guild, channel_id, person)

    async def _unstar(self, job_id: str, keep: Collection[int] = ()) -> None:
        """Remove the stars that were given by reactions, other than those of the people to *keep*."""
        for star in await self.services.store.stars.of_job(job_id):
            if star.by_reaction and star.user_id not in keep:
                await self.services.favorites.unreact(job_id, star.index, star.user_id)

    async def _is_missed(self, job: JobRow, reaction: Reaction, message_id: int, emoji: str, user_id: int) -> bool:
        """Whether this reaction has had no effect yet. A star may be removed and given again."""
        if reaction.wish is ReactionAction.STAR:
            return all(star.user_id != user_id for star in await self.services.store.stars.of_job(job.id))
        return await self._seen(message_id, emoji, user_id)

    async def _grant_late(
        self,
        job: JobRow,
        reaction: Reaction,
        message_id: int,
        guild: discord.Guild | None,
        channel_id: int,
        person: discord.Member | discord.User,
    ) -> None:
        """Handle a missed reaction; one by a person who left the server is skipped."""
        try:
            member = await guild.fetch_member(person.id) if guild else person  # the list of reactions has no roles
            caller = Invocation.of_person(channel_id, guild, member)
            await self.services.gate.admit(caller, _access(reaction))
        except Blocked:  # told once, when the reaction came
            return
        except FAILURES as error:
            log.info("a reaction of %d to job %s is skipped: %s", person.id, job.id, error)
            return
        await self._grant(job, reaction, message_id, caller)

    def _guild_of(self, job: JobRow, channel_id: int) -> discord.Guild | None:
        """The server of a message of the job; a copy may be in another server or a direct message."""
        if channel_id == job.origin.channel_id:
            return self.bot.get_guild(job.origin.guild_id) if job.origin.guild_id else None
        return getattr(self.bot.get_channel(channel_id), "guild", None)


def _access(reaction: Reaction) -> Access:
    return Access.OPEN if reaction.wish is ReactionAction.AWAY else Access.USUAL
