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
        """Stop it; the message itself says that it is cancelled.

        Who presses this when the job is over looks at a message that could not be brought up to date. Where the bot is
        a guest, nothing but a press lets it write there again. Only the job's own message may be, whatever id was sent.
        """
        shown = interaction.message
        if job.state.over and shown and await client_of(interaction).dispatcher.shows(shown.channel.id, shown.id, job):
            await client_of(interaction).orders.bring_up_to_date(job, answer)
        caller.check_owner(job, "cancel this")
        await client_of(interaction).dispatcher.cancel(job.id, caller.user_id, caller.moderator)
        await answer.nod()
