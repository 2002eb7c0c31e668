"""The question before everything of a person is deleted, and the button that answers it."""

from __future__ import annotations

import discord
from discord import ui

from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.history import Belongings
from bot.text import count
from bot.views.base import AnyInteraction, IdButton, services_of, template

ME = "me"
"""Stands in the custom id: the button forgets whoever presses it, and nobody else."""


class ForgetButton(IdButton, template=template("forget")):
    """Delete everything of whoever presses."""

    action = "forget"
    label = "Forget all of it"
    style = discord.ButtonStyle.danger
    private = True

    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Delete it, and take the question away."""
        await responder.defer()
        services = services_of(interaction)
        await services.farewell.forget(interaction.user.id)
        services.deletion_queue.wake()
        await responder.replace(
            EphemeralPayload("You are forgotten. The messages that showed your pictures are being deleted now.")
        )


def forget_sheet(there_is: Belongings) -> EphemeralPayload:
    """What will be deleted, what will not, and the button."""
    unfinished = (
        f" {count(there_is.unfinished, 'job')} that {'is' if there_is.unfinished == 1 else 'are'} not finished "
        f"{'is' if there_is.unfinished == 1 else 'are'} cancelled first."
        if there_is.unfinished
        else ""
    )
    words = (
        f"**This deletes everything that I keep about you**: {count(there_is.jobs, 'job')} with their prompts, "
        f"{count(there_is.pictures, 'picture')}, the messages that show them and those that called you, "
        "what moderators were shown of them, your settings, "
        f"what you keep, units that were granted to you, and your name in the ledger.{unfinished}\n"
        "What others made from your pictures stays theirs, and what moderators decided stays on their record. What you "
        "have spent lately counts until its window is over; then that goes too.\n"
        "It cannot be undone. /mydata gives you a copy first."
    )
    return EphemeralPayload(words, buttons=_buttons)


def _buttons() -> ui.View:
    view = ui.View(timeout=None)
    view.add_item(ForgetButton(ME))
    return view
