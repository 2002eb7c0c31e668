"""`/history`: a person's jobs, shown privately."""

from __future__ import annotations

from discord import app_commands

from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotCog
from bot.views.history import history_payload


class HistoryCog(BotCog):
    @app_commands.command(name="history", description="Your pictures; open or post any of them again.")
    @everywhere
    async def history(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await history_payload(self.services, interaction.user.id))
