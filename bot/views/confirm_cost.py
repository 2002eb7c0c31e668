"""The question before much is spent, and its two buttons; they work after a restart, too, as long as it is open."""

from __future__ import annotations

from functools import partial

import discord
from discord import ui

from bot.errors import Lapsed
from bot.interactions.context import Invocation
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.views.base import AnyInteraction, IdButton, services_of, template


class PaintButton(IdButton, template=template("yes")):
    """Yes: paint it. The question's id stands where others have a job's."""

    action = "yes"
    label = "Paint"
    style = discord.ButtonStyle.success

    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Order it, and take the question away; while it is refused, the question stays."""
        try:
            await services_of(interaction).job_actions.confirmed(
                self.job_id, Invocation.of_interaction(interaction), responder
            )
        except Lapsed as closed:
            await responder.send_private(str(closed))
        await responder.delete_ephemeral()


class DontButton(IdButton, template=template("no")):
    """No: leave it."""

    action = "no"
    label = "Don't"
    private = True

    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Put what has become of it in the place of the question."""
        await responder.defer()
        words = "All right: nothing is painted, and nothing was charged."
        try:
            await services_of(interaction).jobs.confirmation.decline(self.job_id, interaction.user.id)
        except Lapsed as closed:
            words = str(closed)
        await responder.replace(EphemeralPayload(words))


def question_sheet(question_id: str, words: str) -> EphemeralPayload:
    """The question, in *words*."""
    return EphemeralPayload(words, buttons=partial(_buttons, question_id))


def _buttons(question_id: str) -> ui.View:
    view = ui.View(timeout=None)
    for kind in (PaintButton, DontButton):
        view.add_item(kind(question_id))
    return view
