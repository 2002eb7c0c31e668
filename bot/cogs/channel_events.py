"""Fails waiting jobs of deleted servers, channels and threads, and forgets the messages of deleted channels."""

from __future__ import annotations

import logging

import discord
from discord.ext import commands

from bot.interactions.message_api import FAILURES, DeletionResult, removal_of
from bot.retry import repeated
from bot.services import BotCog

log = logging.getLogger(__name__)


class ChannelEvents(BotCog):
    """Listens to the gateway. An outage of Discord (`guild_unavailable`) is another event and fails no job."""

    @commands.Cog.listener()
    @repeated
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        lost = await self.services.jobs.abandon(guild_id=guild.id)
        log.warning("the bot is no longer in the server %d; %d waiting jobs ended", guild.id, lost)

    @commands.Cog.listener()
    @repeated
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was deleted with its threads, which may be archived and uncached."""
        await self._deleted(channel.id)

    @commands.Cog.listener()
    @repeated
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """A thread was deleted, which may be uncached."""
        await self._deleted(event.thread_id)

    @commands.Cog.listener()
    @repeated
    async def on_thread_remove(self, thread: discord.Thread) -> None:
        """The bot was removed from a thread; it can no longer see a private one."""
        if thread.is_private():
            await self._gone(thread.id)

    @commands.Cog.listener()
    @repeated
    async def on_at_work(self, shard_id: int) -> None:
        """Ask Discord about uncached channels of queued jobs, which may have been deleted during an outage."""
        for channel_id, guild_id in {
            (job.origin.channel_id, job.origin.guild_id) for job, _ in self.services.jobs.registry.waiting()
        }:
            guild = self.bot.get_guild(guild_id) if guild_id else None
            if guild is not None and guild.shard_id == shard_id and guild.get_channel_or_thread(channel_id) is None:
                await self._ask(channel_id)

    async def _ask(self, channel_id: int) -> None:
        try:
            await self.bot.fetch_channel(channel_id)
        except FAILURES as error:
            if removal_of(error) is DeletionResult.GONE:
                await self._deleted(channel_id)

    async def _deleted(self, channel_id: int) -> None:
        await self.services.jobs.takedowns.lost_channel(channel_id)
        await self._gone(channel_id)

    async def _gone(self, channel_id: int) -> None:
        lost = await self.services.jobs.abandon(channel_id=channel_id)
        await self.services.store.settings.clear("channel", str(channel_id))
        await self.services.challenges.place_gone(channel_id)
        if lost:
            log.info("the channel %d is gone; %d waiting jobs ended", channel_id, lost)
