"""Report: the button under a result, its modal, and the moderators' buttons under a report."""

from __future__ import annotations

from abc import abstractmethod

from discord import ButtonStyle, ui

from bot.actions.report import Reporting
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.models.job import JobRow
from bot.views.base import IdButton, JobButton, Press, view_of
from bot.views.forms import Modal, modal_values, submits

MAX_REASON = 300


class ReportButton(
    JobButton, action="report", label="Report", private=True, modal=True, access=Access.OPEN | Access.BLIND
):
    """Reports a picture to the moderators."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.reporting.check(job, press.caller)
        form = Modal("Report to the moderators", "complaint", job.id)
        seen = "The moderators of this server see your text and your name."
        form.add_text("reason", "What is wrong with it?", seen, most=MAX_REASON, long=True)
        await press.responder.open_modal(form)


@submits("complaint", access=Access.OPEN)
async def submit_report(press: Press, job_id: str, index: int | None) -> None:
    job = await press.job(job_id, blind=True)
    reason = modal_values(press.data).get("reason", "").strip()
    await press.services.reporting.report(job, press.caller, reason, press.message.id if press.message else None)
    await press.responder.send_private("Thank you. The moderators of this server have been notified.")


class ReportDecisionButton(IdButton, private=True, access=Access.OPEN):
    """A moderator's decision about a report. `Reporting` checks that the moderator may decide about it."""

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


class ReportDeleteButton(ReportDecisionButton, action="rdelete", label="Delete the picture", style=ButtonStyle.danger):
    """Deletes the reported picture."""

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.delete(job, caller)


class ReportBlockButton(
    ReportDecisionButton, action="rblock", label="Delete it and block its owner", style=ButtonStyle.danger
):
    """Deletes the reported picture and blocks its owner."""

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.block(job, caller)


class ReportDismissButton(ReportDecisionButton, action="rdismiss", label="Dismiss"):
    """Dismisses the report."""

    async def decide(self, reporting: Reporting, job: JobRow, caller: Invocation) -> None:
        await reporting.dismiss(job, caller)


def report_buttons(job_id: str) -> ui.View:
    """A fresh set for an open report."""
    kinds = (ReportDeleteButton, ReportBlockButton, ReportDismissButton)
    return view_of(*(kind(job_id, row=0) for kind in kinds))
