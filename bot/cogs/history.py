"""`/history`: what one has painted, or keeps, for oneself to see; any of it can be shown again."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.interactions.responder import InteractionResponder
from bot.services import Client
from bot.views.history import history_payload


class History(commands.Cog):
    """The command."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @app_commands.command(name="history", description="Your pictures; open or post any of them again.")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    @app_commands.describe(kept="Only pictures you have saved, including other people's.")
    async def history(self, interaction: discord.Interaction[discord.Client], kept: bool = False) -> None:
        """Show the newest page to the one who asks."""
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await history_payload(self.services, interaction.user.id, only_saved=kept))


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(History(bot))
