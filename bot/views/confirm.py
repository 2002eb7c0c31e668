"""Questions with their buttons: before an expensive job, and before all data of a person is deleted."""

from __future__ import annotations

from discord import ButtonStyle

from bot.errors import Lapsed
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.history import StoredCounts
from bot.text import count
from bot.views.base import IdButton, Press, view_of

ME = "me"
"""In place of an id: the button erases the data of the person who presses it."""


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


class ForgetButton(
    IdButton,
    action="forget",
    label="Delete all my data",
    style=ButtonStyle.danger,
    private=True,
    access=Access.OPEN,
):
    """Delete everything about the person who presses."""

    async def act(self, press: Press) -> None:
        """Delete the data and replace the question."""
        await press.responder.defer()
        await press.services.privacy.forget(press.caller.user_id)
        press.services.deletion_queue.wake()
        press.services.rounds.wake()
        text = "Your data is deleted. The messages that show your pictures are being deleted now."
        await press.responder.replace(EphemeralPayload(text))


def erasure_payload(stored: StoredCounts) -> EphemeralPayload:
    """What will be deleted, what stays, and the button."""
    verb = "is" if stored.unfinished == 1 else "are"
    unfinished = f" {count(stored.unfinished, 'unfinished job')} {verb} cancelled first." if stored.unfinished else ""
    text = (
        f"**This deletes everything stored about you**: {count(stored.jobs, 'job')} with prompts, "
        f"{count(stored.pictures, 'picture')}, the messages that show them or mention you, copies in reports, your "
        f"settings, stars, votes, challenge entries and granted units, and your name in the ledger.{unfinished}\n"
        "Styles that you saved and challenges that you started stay without your name. Pictures that others made from "
        "yours stay theirs, and the moderation log stays. Recent spending keeps "
        "counting until its time window ends, then it is deleted too.\n"
        "This cannot be undone. Use /mydata to get a copy first."
    )
    return EphemeralPayload(text, buttons=lambda: view_of(ForgetButton(ME)))
