"""The button under a picture that is not finished."""

from __future__ import annotations

import discord

from bot.answers import InteractionAnswer
from bot.callers import Caller
from bot.jobs import JobRow
from bot.views.press import AnyInteraction, PressButton, client_of, template


class CancelButton(PressButton, template=template("cancel")):
    """Stop the job, waiting or running; its reservation is given back."""

    action = "cancel"
    label = "Cancel"
    style = discord.ButtonStyle.danger
    private = True

    async def pressed(
        self, interaction: AnyInteraction, answer: InteractionAnswer, caller: Caller, job: JobRow
    ) -> None:
        """Stop it; the message itself says that it is cancelled."""
        caller.check_owner(job, "cancel this")
        await client_of(interaction).dispatcher.cancel(job.id, caller.user_id, caller.moderator)
        await answer.nod()
