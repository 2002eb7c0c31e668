"""`/history`: a person's jobs or saved pictures, shown privately."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.interactions.responder import InteractionResponder
from bot.services import BotClient
from bot.views.history import history_payload


class HistoryCog(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    @app_commands.command(name="history", description="Your pictures; open or post any of them again.")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    @app_commands.describe(kept="Only pictures you have saved, including other people's.")
    async def history(self, interaction: discord.Interaction[discord.Client], kept: bool = False) -> None:
        """Show the newest page privately."""
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await history_payload(self.services, interaction.user.id, only_saved=kept))


async def setup(bot: BotClient) -> None:
    await bot.add_cog(HistoryCog(bot))
