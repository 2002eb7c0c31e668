"""`/engine`: what can be painted here and how fast; the host also sees how everything is doing."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.embeds.engine import engine_embed
from bot.interactions.responder import InteractionResponder
from bot.services import Client


class EngineCommand(commands.Cog):
    """The command."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @app_commands.command(name="engine", description="Show the available models and the speed.")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def engine(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Show it to the one who asks."""
        host = interaction.user.id in self.services.config.discord.owner_ids
        embed = engine_embed(await self.services.look(), host)
        await InteractionResponder.of(interaction, private=True).send_private("", embed)


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(EngineCommand(bot))
