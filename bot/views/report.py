"""Report: the button under every result, the form behind it, and the buttons that moderators have."""

from __future__ import annotations

import re

import discord
from discord import ui

from bot.answers import InteractionAnswer
from bot.callers import Caller
from bot.jobs import JobRow
from bot.views.press import AnyInteraction, PressButton, client_of, custom_id, template

REPORT_ID = re.compile(r"dream:complaint:(?P<job>[0-9a-z]{1,12})")
FORM_SECONDS = 900.0
"""How long discord.py remembers that a form was shown; nothing depends on it."""
MAX_REASON = 300


class ReportForm(ui.Modal):
    """Why a result should not be here. What is sent back arrives in `bot.cogs.reports`, restarts or not."""

    def __init__(self, job: JobRow) -> None:
        super().__init__(
            title="Report to the moderators", custom_id=custom_id("complaint", job.id), timeout=FORM_SECONDS
        )
        self.add_item(
            ui.Label(
                text="What is wrong with it?",
                description="The moderators of this server read it, with your name.",
                component=ui.TextInput(
                    custom_id="reason", style=discord.TextStyle.paragraph, max_length=MAX_REASON, required=False
                ),
            )
        )


class ReportButton(PressButton, template=template("report")):
    """Tell the moderators about this picture."""

    action = "report"
    label = "Report"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, answer: InteractionAnswer, caller: Caller, job: JobRow
    ) -> None:
        """Ask why."""
        await client_of(interaction).reporting.check(job, caller)
        await answer.ask(ReportForm(job))


class ReportDeleteButton(PressButton, template=template("rdelete")):
    """Take the reported picture away."""

    action = "rdelete"
    label = "Delete the picture"
    style = discord.ButtonStyle.danger
    private = True

    async def pressed(
        self, interaction: AnyInteraction, answer: InteractionAnswer, caller: Caller, job: JobRow
    ) -> None:
        """Deal with the report; its message says so."""
        await answer.nod()
        await client_of(interaction).reporting.delete(job, caller)
        await client_of(interaction).reporting.refresh(job)


class ReportBlockButton(PressButton, template=template("rblock")):
    """Take it away, and block its owner."""

    action = "rblock"
    label = "Delete it and block its owner"
    style = discord.ButtonStyle.danger
    private = True

    async def pressed(
        self, interaction: AnyInteraction, answer: InteractionAnswer, caller: Caller, job: JobRow
    ) -> None:
        """Deal with the report; its message says so."""
        await answer.nod()
        await client_of(interaction).reporting.block(job, caller)
        await client_of(interaction).reporting.refresh(job)


class ReportDismissButton(PressButton, template=template("rdismiss")):
    """Nothing is wrong with it."""

    action = "rdismiss"
    label = "Dismiss"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, answer: InteractionAnswer, caller: Caller, job: JobRow
    ) -> None:
        """Deal with the report; its message says so."""
        await answer.nod()
        await client_of(interaction).reporting.dismiss(job, caller)
        await client_of(interaction).reporting.refresh(job)


def report_buttons(job_id: str) -> ui.View:
    """A fresh set for an open report."""
    view = ui.View(timeout=None)
    for kind in (ReportDeleteButton, ReportBlockButton, ReportDismissButton):
        view.add_item(kind(job_id, row=0))
    return view
