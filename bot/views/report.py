"""Report: the button under every result, the form behind it, and the buttons that moderators have."""

from __future__ import annotations

import re
from abc import abstractmethod

import discord
from discord import ui

from bot.actions.report import Reporting
from bot.interactions.context import Invocation
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.views.base import AnyInteraction, PressButton, custom_id, services_of, template

REPORT_ID = re.compile(r"dream:complaint:(?P<job>[0-9a-z]{1,12})")
FORM_SECONDS = 900.0
"""How long discord.py remembers that a form was shown; nothing depends on it."""
MAX_REASON = 300


class ReportForm(ui.Modal):
    """Why a result should not be here. What is sent back arrives in `bot.cogs.modal_reports`, restarts or not."""

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

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Why, is asked."""
        return True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Ask why."""
        await services_of(interaction).reporting.check(job, caller)
        await responder.open_modal(ReportForm(job))


class DecideButton(PressButton, template=template("never")):
    """One thing that a moderator can do about a report."""

    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Deal with the report; its message says so."""
        reporting = services_of(interaction).reporting
        await responder.defer()
        await self.decide(reporting, job, caller)
        await reporting.refresh(job)

    @abstractmethod
    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        """Do what the button says."""


class ReportDeleteButton(DecideButton, template=template("rdelete")):
    """Take the reported picture away."""

    action = "rdelete"
    label = "Delete the picture"
    style = discord.ButtonStyle.danger

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        """Delete it."""
        await reporting.delete(job, caller)


class ReportBlockButton(DecideButton, template=template("rblock")):
    """Take it away, and block its owner."""

    action = "rblock"
    label = "Delete it and block its owner"
    style = discord.ButtonStyle.danger

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        """Delete it, and block."""
        await reporting.block(job, caller)


class ReportDismissButton(DecideButton, template=template("rdismiss")):
    """Nothing is wrong with it."""

    action = "rdismiss"
    label = "Dismiss"

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        """Leave it as it is."""
        await reporting.dismiss(job, caller)


def report_buttons(job_id: str) -> ui.View:
    """A fresh set for an open report."""
    view = ui.View(timeout=None)
    for kind in (ReportDeleteButton, ReportBlockButton, ReportDismissButton):
        view.add_item(kind(job_id, row=0))
    return view
