"""What comes back from the Remix form. Anybody may remix, at their own cost; the child names its parent."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord.ext import commands

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.error_reporting import report_errors
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.requests.derive import remix
from bot.services import Client
from bot.views.remix_modal import FORM_ID, form_values

SHOWN = 1000
"""Characters of somebody's words that stand in a message beside ours."""


class Remix(commands.Cog):
    """Reads forms by their custom id, so that one opened before a restart can be sent after it."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Every interaction passes here; only our forms are of interest."""
        data = cast(dict[str, Any], interaction.data or {})
        match = FORM_ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or not match:
            return
        responder, values = InteractionResponder.of(interaction), form_values(data)
        async with report_errors(_GivingBack(responder, values.get("prompt", "")), "a remix"):
            await self._remix(interaction, responder, match["job"], values)

    async def _remix(
        self,
        interaction: discord.Interaction[discord.Client],
        responder: InteractionResponder,
        job_id: str,
        values: dict[str, str],
    ) -> None:
        job = await self.services.jobs.find(job_id)
        if job is None:
            raise Refused("I no longer know the picture that you wanted to remix; its records are gone.")
        request = remix(job, values.get("prompt", ""), values.get("negative", ""), values.get("settings", ""))
        await self.services.job_actions.remix(job, request, Invocation.of_interaction(interaction), responder)


class _GivingBack:
    """Follows what is told by what was *typed*: the form is gone, and nobody likes to type twice."""

    def __init__(self, responder: InteractionResponder, typed: str) -> None:
        self._answer = responder
        self._typed = typed

    async def send_private(self, words: str) -> None:
        """To the person alone; what would not fit into a message comes as a file."""
        if len(self._typed) > SHOWN or "```" in self._typed:
            file = ("prompt.txt", self._typed.encode())
            await self._answer.send_private_payload(
                EphemeralPayload(f"{words}\nYour words are in the file.", files=(file,))
            )
        elif self._typed:
            await self._answer.send_private(f"{words}\nYour words, to be copied:\n```\n{self._typed}\n```")
        else:
            await self._answer.send_private(words)


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Remix(bot))
