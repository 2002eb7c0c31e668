"""What comes back from the Report form."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord.ext import commands

from bot.interactions.context import Invocation
from bot.interactions.responder import InteractionResponder
from bot.services import Client
from bot.views.base import find_job, guarded
from bot.views.remix_modal import form_values
from bot.views.report import REPORT_ID


class Reports(commands.Cog):
    """Reads forms by their custom id, so that one opened before a restart can be sent after it."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Every interaction passes here; only our forms are of interest."""
        data = cast(dict[str, Any], interaction.data or {})
        match = REPORT_ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or not match:
            return

        async def report(responder: InteractionResponder) -> None:
            job = await find_job(interaction, match["job"])
            message_id = interaction.message.id if interaction.message else None
            reason = form_values(data).get("reason", "").strip()
            await self.services.reporting.report(job, Invocation.of_interaction(interaction), reason, message_id)
            await responder.send_private("Thank you: the moderators of this server know about it now.")

        await guarded(interaction, report, doing="a report")


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Reports(bot))
