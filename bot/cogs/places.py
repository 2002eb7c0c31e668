"""Servers and channels that go away while somebody waits there: nobody paints for a place that is gone."""

from __future__ import annotations

import logging

import discord
from discord.ext import commands

from bot.bot import DreamBot

log = logging.getLogger(__name__)


class Places(commands.Cog):
    """Listens to the gateway. An outage of Discord's (`guild_unavailable`) is no removal and comes elsewhere."""

    def __init__(self, bot: DreamBot) -> None:
        self.bot = bot

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was thrown out, or the server was deleted."""
        lost = await self.bot.dispatcher.abandon(guild_id=guild.id)
        log.warning("the bot is no longer in the server %d; %d waiting jobs ended", guild.id, lost)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """With a channel go its threads."""
        lost = await self.bot.dispatcher.abandon(channel_id=channel.id)
        if lost:
            log.info("the channel %d was deleted; %d waiting jobs ended", channel.id, lost)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """Threads that nobody has cached, too."""
        await self.bot.dispatcher.abandon(channel_id=event.thread_id)


async def setup(bot: DreamBot) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Places(bot))
