"""What comes back from the Remix form. Anybody may remix, at their own cost; the child names its parent."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord.ext import commands

from bot.answers import InteractionAnswer
from bot.bot import DreamBot
from bot.callers import Caller
from bot.derived import remix
from bot.errors import Refused
from bot.speak import in_words
from bot.views.remix import FORM_ID, form_values
from bot.wording import shorten


class Remix(commands.Cog):
    """Reads forms by their custom id, so that one opened before a restart can be sent after it."""

    def __init__(self, bot: DreamBot) -> None:
        self.bot = bot

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Every interaction passes here; only our forms are of interest."""
        data = cast(dict[str, Any], interaction.data or {})
        match = FORM_ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or not match:
            return
        answer, values = InteractionAnswer.of(interaction), form_values(data)
        async with in_words(answer, "a remix", _given_back(values)):
            await self._remix(interaction, answer, match["job"], values)

    async def _remix(
        self,
        interaction: discord.Interaction[discord.Client],
        answer: InteractionAnswer,
        job_id: str,
        values: dict[str, str],
    ) -> None:
        job = await self.bot.dispatcher.job(job_id)
        if job is None:
            raise Refused("I no longer know the picture that you wanted to remix; its records are gone.")
        request = remix(job, values.get("prompt", ""), values.get("negative", ""), values.get("settings", ""))
        await self.bot.orders.remix(job, request, Caller.of_interaction(interaction), answer)


def _given_back(values: dict[str, str]) -> str:
    """What was typed: the form is gone, and nobody likes to type twice."""
    words = shorten(values.get("prompt", "").replace("`", "ˋ"), 1000)
    return f"\nYour words, to be copied:\n```\n{words}\n```" if words else ""


async def setup(bot: DreamBot) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Remix(bot))
