"""The buttons under a finished picture."""

from __future__ import annotations

from functools import partial

import discord
from discord import ui

from bot.embeds.job import ranking_text
from bot.interactions.context import Invocation
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.pictures.ranking import best
from bot.views.base import AnyInteraction, PressButton, services_of, template
from bot.views.remix_modal import RemixForm
from bot.views.upscale_modal import UpscaleForm, is_choice


def has_choice(interaction: AnyInteraction) -> bool:
    """Whether `enlarge` asks first what to enlarge with."""
    return is_choice(services_of(interaction).job_actions.upscalers)


async def enlarge(
    interaction: AnyInteraction,
    responder: InteractionResponder,
    caller: Invocation,
    job: JobRow,
    index: int | None,
) -> None:
    """Order an upscale of one picture; where there is a choice of upscalers, ask for it first."""
    job_actions = services_of(interaction).job_actions
    if is_choice(upscalers := job_actions.upscalers):
        caller.check_place()
        await responder.open_modal(UpscaleForm(job, index, upscalers, job_actions.scales(job, index)))
        return
    await job_actions.upscale(job, index, caller, responder)


class UpscaleButton(PressButton, template=template("up")):
    """Enlarge this picture. Anybody may, at their own cost."""

    action = "up"
    label = "Upscale"
    style = discord.ButtonStyle.primary

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Where there is a choice."""
        return has_choice(interaction)

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Order the upscale."""
        await enlarge(interaction, responder, caller, job, self.index)


class AgainButton(PressButton, template=template("again")):
    """The same words with another seed."""

    action = "again"
    label = "Again"

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Order it."""
        await services_of(interaction).job_actions.again(job, caller, responder)


class VariationButton(PressButton, template=template("vary")):
    """Paint on from this picture with another seed."""

    action = "vary"
    label = "Variation"
    numbered = "Vary"

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Order it."""
        index = best(job.pictures).index if self.index is None and job.pictures else self.index or 0
        await services_of(interaction).job_actions.variation(job, index, caller, responder)


class RemixButton(PressButton, template=template("remix")):
    """A form with the words and settings, to be changed by anybody."""

    action = "remix"
    label = "Remix"
    private = True

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Always."""
        return True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Open the form; what comes of it arrives in `bot.cogs.modal_events`."""
        caller.check_place()
        await responder.open_modal(RemixForm(job))


class RankButton(PressButton, template=template("rank")):
    """Which of the pictures fits the words best, for the one who asks; with a button that enlarges it."""

    action = "rank"
    label = "Which is best?"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Ask the critic."""
        ranking = await services_of(interaction).critic.rank(job)
        await responder.send_private_payload(
            EphemeralPayload(ranking_text(ranking), buttons=partial(_one, UpscaleButton, job.id, ranking.order[0][0]))
        )


class DeleteButton(PressButton, template=template("delete")):
    """Remove the message. The owner and moderators may."""

    action = "delete"
    label = "Delete"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Remove it."""
        assert interaction.message is not None  # a button has one
        deletions = services_of(interaction).deletions
        if words := await deletions.delete(job, interaction.message.id, caller, responder, responder.delete):
            await responder.send_private(words)


def _one(kind: type[PressButton], job_id: str, index: int | None = None) -> ui.View:
    view = ui.View(timeout=None)
    view.add_item(kind(job_id, index))
    return view
