"""`/insights`: which options and prompt parts win the votes of this server."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.community.insight_embed import insight_embed
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.vote import VotePlace
from bot.services import BotClient


class InsightsCog(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    @app_commands.command(name="insights", description="Show which options and prompt parts win this server's votes.")
    @app_commands.describe(about="Only pairs with this word, for example ink.")
    @app_commands.guild_only()
    async def insights(self, interaction: AnyInteraction, about: app_commands.Range[str, 1, 100] | None = None) -> None:
        """Answer privately, because it counts votes of every channel that the reader can see."""
        responder, caller = InteractionResponder.of(interaction, private=True), Invocation.of_interaction(interaction)
        if caller.guild_id is None:
            raise Refused("Insights are about a server. Use this command in one.")
        duels = await self.services.insights.duels(
            caller.guild_id, lambda place: _can_see(interaction, place), mature=caller.restricted
        )
        await responder.send_private("", insight_embed(duels, about or ""))


def _can_see(interaction: AnyInteraction, place: VotePlace) -> bool:
    """Whether the person can see a channel now; a thread that is unknown counts as its parent channel."""
    if place.channel_id == interaction.channel_id:
        return True
    guild, person = interaction.guild, interaction.user
    if guild is None or not isinstance(person, discord.Member):
        return False
    channel = guild.get_channel_or_thread(place.channel_id)
    if isinstance(channel, discord.Thread) and channel.is_private():
        return False
    shown = channel or (guild.get_channel(place.thread_of) if place.thread_of else None)
    return shown is not None and shown.permissions_for(person).view_channel


async def setup(bot: BotClient) -> None:
    await bot.add_cog(InsightsCog(bot))
