"""The question before an expensive job, and its two buttons. They keep working after a restart."""

from __future__ import annotations

from discord import ButtonStyle

from bot.errors import Lapsed
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.views.base import IdButton, Press, view_of


class ConfirmButton(IdButton, action="yes", label="Paint", style=ButtonStyle.success):
    """Paint it. The custom id holds the id of the question in place of a job id."""

    async def act(self, press: Press) -> None:
        """Submit the job and remove the question. A refused job leaves the question open."""
        try:
            await press.services.job_actions.confirmed(self.job_id, press.caller, press.responder)
        except Lapsed as closed:
            await press.responder.send_private(str(closed))
        await press.responder.delete_ephemeral()


class DeclineButton(IdButton, action="no", label="Don't", private=True, access=Access.OPEN):
    """Do not paint it."""

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
    return EphemeralPayload(text, buttons=lambda: view_of(ConfirmButton(question_id), DeclineButton(question_id)))
