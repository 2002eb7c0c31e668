"""`/engine`: available models and speed; a host also sees the state of the bot."""

from __future__ import annotations

from discord import app_commands

from bot.embeds.engine import engine_embed
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotCog


class EngineCog(BotCog):
    @app_commands.command(name="engine", description="Show the available models and the speed.")
    @everywhere
    async def engine(self, interaction: AnyInteraction) -> None:
        host = interaction.user.id in self.services.config.discord.owner_ids
        embed = engine_embed(await self.bot.look(), host)
        await InteractionResponder.of(interaction, private=True).send_private("", embed)
