"""What comes back from the Upscale form. Anybody may enlarge, at their own cost."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord.ext import commands

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.responder import InteractionResponder
from bot.services import Client
from bot.views.base import find_job, guarded
from bot.views.remix_modal import form_values
from bot.views.upscale_modal import UPSCALE_ID, WORDS
from engine.requests.request import AUTO


class Upscale(commands.Cog):
    """Reads forms by their custom id, so that one opened before a restart can be sent after it."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Every interaction passes here; only our forms are of interest."""
        data = cast(dict[str, Any], interaction.data or {})
        match = UPSCALE_ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or not match:
            return
        values, index = form_values(data), match["index"]

        async def enlarge(responder: InteractionResponder) -> None:
            job, caller = await find_job(interaction, match["job"]), Invocation.of_interaction(interaction)
            upscaler, scale = values.get("upscaler", AUTO), _scale(values.get("scale", ""))
            chosen = "" if upscaler == AUTO else upscaler
            await self.services.job_actions.upscale(
                job, None if index is None else int(index), caller, responder, chosen, scale
            )

        await guarded(interaction, enlarge, private=False, doing="an upscale")


def _scale(text: str) -> int:
    """As the form offers them. Raises Refused: what is sent need not come from the form."""
    if text not in map(str, WORDS):
        raise Refused(f"A picture can be enlarged {', '.join(map(str, WORDS))} times; that form says “{text[:20]}”.")
    return int(text)


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Upscale(bot))
