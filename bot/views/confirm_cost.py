"""The question before an expensive job, and its two buttons. They keep working after a restart."""

from __future__ import annotations

from functools import partial

import discord
from discord import ui

from bot.errors import Lapsed
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.views.base import IdButton, Press, template, view_of


class ConfirmButton(IdButton, template=template("yes")):
    """Paint it. The custom id holds the id of the question in place of a job id."""

    action = "yes"
    label = "Paint"
    style = discord.ButtonStyle.success

    async def act(self, press: Press) -> None:
        """Submit the job and remove the question. A refused job leaves the question open."""
        try:
            await press.services.job_actions.confirmed(self.job_id, press.caller, press.responder)
        except Lapsed as closed:
            await press.responder.send_private(str(closed))
        await press.responder.delete_ephemeral()


class DeclineButton(IdButton, template=template("no")):
    """Do not paint it."""

    action = "no"
    access = Access.OPEN
    label = "Don't"
    private = True

    async def act(self, press: Press) -> None:
        """Replace the question by the outcome."""
        await press.responder.defer()
        text = "OK, nothing was painted and nothing was charged."
        try:
            await press.services.jobs.confirmation.decline(self.job_id, press.caller.user_id)
        except Lapsed as closed:
            text = str(closed)
        await press.responder.replace(EphemeralPayload(text))


def question_payload(question_id: str, text: str) -> EphemeralPayload:
    """The question with its buttons."""
    return EphemeralPayload(text, buttons=partial(_buttons, question_id))


def _buttons(question_id: str) -> ui.View:
    return view_of(ConfirmButton(question_id), DeclineButton(question_id))
