"""Report: the button under a result, its modal, and the moderators' buttons under a report."""

from __future__ import annotations

from abc import abstractmethod

import discord
from discord import ui

from bot.actions.report import Reporting
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow
from bot.views.base import IdButton, JobButton, Press, custom_id, modal_values, template, view_of
from bot.views.remix_modal import MODAL_SECONDS

MAX_REASON = 300


class ReportModal(ui.Modal):
    """Asks why a result breaks the rules."""

    def __init__(self, job: JobRow) -> None:
        super().__init__(
            title="Report to the moderators", custom_id=custom_id("complaint", job.id), timeout=MODAL_SECONDS
        )
        self.add_item(
            ui.Label(
                text="What is wrong with it?",
                description="The moderators of this server see your text and your name.",
                component=ui.TextInput(
                    custom_id="reason", style=discord.TextStyle.paragraph, max_length=MAX_REASON, required=False
                ),
            )
        )


class ReportButton(JobButton, template=template("report")):
    """Reports a picture to the moderators."""

    action = "report"
    access = Access.OPEN | Access.BLIND
    label = "Report"
    private = True

    def opens_modal(self, interaction: AnyInteraction) -> bool:
        return True

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.reporting.check(job, press.caller)
        await press.responder.open_modal(ReportModal(job))


async def submit_report(press: Press, job_id: str, index: int | None) -> None:
    """Send the report to the moderators."""
    job = await press.job(job_id, blind=True)
    reason = modal_values(press.data).get("reason", "").strip()
    await press.services.reporting.report(job, press.caller, reason, press.message.id if press.message else None)
    await press.responder.send_private("Thank you. The moderators of this server have been notified.")


class ReportDecisionButton(IdButton, template=template("never")):
    """A moderator's decision about a report. `Reporting` checks that the moderator may decide about it."""

    access = Access.OPEN
    private = True

    async def act(self, press: Press) -> None:
        """Decide, then update the report's message."""
        job = await press.services.jobs.find(self.job_id)
        if job is None:
            raise Refused("This picture has already been deleted.")
        await press.responder.defer()
        await self.decide(press.services.reporting, job, press.caller)
        await press.services.reporting.refresh(job)

    @abstractmethod
    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        """Do what the button says."""


class ReportDeleteButton(ReportDecisionButton, template=template("rdelete")):
    """Deletes the reported picture."""

    action = "rdelete"
    label = "Delete the picture"
    style = discord.ButtonStyle.danger

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.delete(job, caller)


class ReportBlockButton(ReportDecisionButton, template=template("rblock")):
    """Deletes the reported picture and blocks its owner."""

    action = "rblock"
    label = "Delete it and block its owner"
    style = discord.ButtonStyle.danger

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.block(job, caller)


class ReportDismissButton(ReportDecisionButton, template=template("rdismiss")):
    """Dismisses the report."""

    action = "rdismiss"
    label = "Dismiss"

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.dismiss(job, caller)


def report_buttons(job_id: str) -> ui.View:
    """A fresh set for an open report."""
    kinds = (ReportDeleteButton, ReportBlockButton, ReportDismissButton)
    return view_of(*(kind(job_id, row=0) for kind in kinds))
