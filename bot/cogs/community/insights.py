"""`/insights`: which options and prompt parts win the votes of this server."""

from __future__ import annotations

from discord import app_commands

from bot.community.insights import insight_embed
from bot.errors import Refused
from bot.interactions.responder import AnyInteraction, begin
from bot.services import BotCog


class InsightsCog(BotCog):
    @app_commands.command(name="insights", description="Show which options and prompt parts win this server's votes.")
    @app_commands.describe(about="Only pairs with this word, for example ink.")
    @app_commands.guild_only()
    async def insights(self, interaction: AnyInteraction, about: app_commands.Range[str, 1, 100] | None = None) -> None:
        """Answer privately, because it counts votes of every channel that the reader can see."""
        responder, caller = begin(interaction, private=True)
        if caller.guild_id is None:
            raise Refused("Insights only exist for servers. Use this command in a server.")
        duels = await self.services.insights.duels(caller)
        await responder.send_private("", insight_embed(duels, about or ""))
