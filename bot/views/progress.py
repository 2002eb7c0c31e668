"""The buttons under a picture that is not finished."""

from __future__ import annotations

import discord

from bot.interactions.context import Invocation
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.views.base import AnyInteraction, PressButton, find_job, services_of, template
from bot.views.history import bring_up_to_date, is_sheet, show_again, show_as_it_is_now


class CancelButton(PressButton, template=template("cancel")):
    """Stop the job, waiting or running; its reservation is given back."""

    action = "cancel"
    label = "Cancel"
    style = discord.ButtonStyle.danger
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Stop it; the message itself says that it is cancelled.

        Who presses this when the job is over looks at a message that could not be brought up to date. Where the bot is
        a guest, nothing but a press lets it write there again. Only the job's own message may be, whatever id was sent.
        What one person alone sees is never updated but by a press, so that it shows at once what came of this one.
        """
        if await is_sheet(interaction, job):
            await self._pressed_in_private(interaction, responder, caller, job)
            return
        services, shown = services_of(interaction), interaction.message
        if job.state.over and shown and await services.store.messages.job_id(shown.channel.id, shown.id) == job.id:
            await bring_up_to_date(interaction, responder, job)
        caller.check_owner(job, "cancel this")
        await services.jobs.cancel(job.id, caller.user_id, caller.moderator)
        await responder.defer()

    @staticmethod
    async def _pressed_in_private(
        interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        if not job.state.over:
            await services_of(interaction).job_actions.cancel(job, caller)
            job = await find_job(interaction, job.id)
        await show_as_it_is_now(interaction, responder, job)


class RefreshButton(PressButton, template=template("refresh")):
    """Show what has become of the job since; only where one person alone sees it, for nothing else changes that."""

    action = "refresh"
    label = "Refresh"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Show it."""
        show = show_as_it_is_now if await is_sheet(interaction, job) else show_again
        await show(interaction, responder, job)
