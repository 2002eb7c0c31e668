"""Reports of pictures, and moderators' decisions about them: one message per reported job for all reports of it.

reported     the voice is kept, the moderators' channel shows job, place and reasons
dealt with   exactly once: deleted, its owner blocked, or dismissed; the message names the moderator
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import discord

from bot.actions.moderate import Moderation
from bot.delivery.renderer import MessageRenderer
from bot.delivery.service import Delivery
from bot.embeds.job import headline
from bot.errors import NotAllowed, Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import (
    FAILURES,
    Address,
    DeletionResult,
    MessagePayload,
    Post,
    Trouble,
    nonce,
    trouble_of,
)
from bot.jobs.service import JobService
from bot.models.job import JobRow, Update, owner_of
from bot.policy.server_rules import ServerRules
from bot.storage import Store
from bot.storage.moderation import Report, ReportState, Voice
from bot.text import because, mention, message_link, relative, shorten

PER_HOUR = 10
"""Reports that one person may make."""
_HOUR = 3600.0
_REASONS = 900
"""Characters."""
_COLOURS = {"open": 0xC1554A, "deleted": 0x6C757D, "blocked": 0x6C757D, "dismissed": 0x6C757D}
_DEALT = {
    "deleted": "Deleted by {who}",
    "blocked": "Deleted, and its owner blocked, by {who}",
    "dismissed": "Dismissed by {who}",
}


class Reporting:
    """Takes reports and applies decisions. *buttons* builds the buttons of an open report from a job id."""

    def __init__(
        self,
        client: discord.Client,
        store: Store,
        jobs: JobService,
        moderation: Moderation,
        delivery: Delivery,
        renderer: MessageRenderer,
        buttons: Callable[[str], discord.ui.View],
    ) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._moderation = moderation
        self._delivery = delivery
        self._renderer = renderer
        self._buttons = buttons
        self._posting = asyncio.Lock()

    async def check(self, job: JobRow, caller: Invocation) -> int:
        """The channel for a report from here. Raises Refused."""
        if caller.guild_id is None or not caller.resident:
            raise Refused("Reports go to the moderators of a server, and I am not a member of one here.")
        if job.origin.server_id != caller.guild_id and not await self._is_shown(job, caller.channel_id):
            raise Refused("This picture is from another server. A moderator can delete it here.")
        channel = (await ServerRules.of(self._store, caller.guild_id)).report_channel
        if not channel:
            raise Refused(
                "This server does not accept reports through me. Please contact a moderator. "
                "Moderators can choose a channel for reports in /settings server."
            )
        return channel

    async def _is_shown(self, job: JobRow, channel_id: int) -> bool:
        """Whether a message of the job is in that channel."""
        return any(channel == channel_id for channel, _ in await self._store.messages.of_job(job.id))

    async def report(self, job: JobRow, caller: Invocation, reason: str, message_id: int | None) -> None:
        """Report a job to the moderators, once per person. Raises Refused."""
        channel = await self.check(job, caller)
        assert caller.guild_id is not None
        now = self._delivery.now()
        shown = message_link(caller.guild_id, caller.channel_id, message_id or job.message_id or 0)
        async with self._store.transaction() as session:
            if await self._store.reports.voices_since(session, caller.user_id, now - _HOUR) >= PER_HOUR:
                raise Refused("You have sent many reports in the last hour. Please contact a moderator directly.")
            await self._store.reports.open(session, job.id, caller.guild_id, channel, shown, now)
            before = await self._store.reports.find(job.id, session)
            if before is not None and before.server_id != caller.guild_id:
                raise Refused("This picture is reported in another server. A moderator can delete it here.")
            if before is not None and before.state != "open":
                raise Refused("Moderators have already reviewed this picture.")
            if not await self._store.reports.add_voice(session, job.id, Voice(caller.user_id, reason, now)):
                raise Refused("You have already reported this picture.")
        async with self._posting:  # so that simultaneous reports share one message
            try:
                await self._show(job)
            except FAILURES as error:
                await self._store.reports.drop_voice(job.id, caller.user_id)
                raise Refused(
                    "I cannot post in the moderators' channel right now. Please contact a moderator."
                ) from error

    async def dismiss(self, job: JobRow, caller: Invocation) -> None:
        await self._deal(job, caller, "dismissed")

    async def delete(self, job: JobRow, caller: Invocation) -> None:
        """Delete the picture where these moderators may, and announce that in the channel."""
        if await self._deal(job, caller, "deleted"):
            await self._take_away(job, caller)

    async def block(self, job: JobRow, caller: Invocation) -> None:
        """Delete the picture and block its owner. Raises NotAllowed for people who cannot manage the server."""
        if not caller.manager:
            raise NotAllowed("Only people who can manage this server can block others.")
        self._moderation.check_may_be_blocked(job.origin.user_id)
        if await self._deal(job, caller, "blocked"):
            await self._take_away(job, caller)
            reason = "for a reported picture"
            await self._moderation.block(caller.guild_id, job.origin.user_id, caller.user_id, reason)

    async def refresh(self, job: JobRow) -> None:
        async with self._posting:
            await self._show(job)

    async def _deal(self, job: JobRow, caller: Invocation, state: ReportState) -> bool:
        """Close the report with an audit row. A moderator may repeat the same decision after a crash."""
        report = await self._store.reports.find(job.id)
        if report is None or report.server_id != caller.guild_id:
            raise Refused("There is no report about this picture in this server.")
        if not (caller.moderator or caller.manager):
            raise NotAllowed("Only moderators can decide about reports.")
        now, by = self._delivery.now(), owner_of(caller.user_id)
        async with self._store.transaction() as session:
            fresh = await self._store.reports.close(session, job.id, state, by, now)
            if fresh and state == "dismissed":
                await self._store.audit.add(
                    by, "dismiss report", job.id, now, session, server_id=caller.guild_id, owner=job.owner
                )
        if not fresh and (report.closed_by != by or report.state != state):
            raise Refused("Another moderator has already decided about this report.")
        return fresh or bool(await self._store.messages.of_job(job.id))

    async def _take_away(self, job: JobRow, caller: Invocation) -> None:
        """Delete all messages of a job from this server; of a job from elsewhere only the messages in this server."""
        messages = await self._store.messages.of_job(job.id)
        if job.origin.server_id == caller.guild_id:
            await self._jobs.discard(job.id, caller.user_id, moderator=True, server_id=caller.guild_id)
            await self._delivery.take_down(job, messages)
        else:
            messages = [place for place in messages if self._server_of(place[0]) == caller.guild_id]
            for channel_id, message_id in messages:
                later = await self._delivery.erase(job, channel_id, message_id) is not DeletionResult.GONE
                await self._jobs.takedowns.taken_down(
                    job, channel_id, message_id, caller.user_id, caller.guild_id, later=later
                )

    def _server_of(self, channel_id: int) -> int | None:
        channel = self._client.get_channel(channel_id)
        return channel.guild.id if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None

    async def _show(self, job: JobRow) -> None:
        report = await self._store.reports.find(job.id)
        if report is None:
            return
        place = self._post(report.server_id, report.channel_id, job)
        face = await self._face(report, job, place.upload_limit)
        if report.message_id is None:
            await self._send(report, job, face)
            return
        try:
            await place.edit(report.message_id, face)
        except FAILURES as error:
            if trouble_of(error) not in (Trouble.GONE, Trouble.NO_ACCESS):
                raise
            if report.state == "open":
                await self._send(report, job, face)

    async def _send(self, report: Report, job: JobRow, face: MessagePayload) -> None:
        """Post the report in the server's present report channel."""
        channel_id = (await ServerRules.of(self._store, report.server_id)).report_channel or report.channel_id
        key = nonce(job.id, f"report after {report.message_id}" if report.message_id else "report")
        message_id = await self._post(report.server_id, channel_id, job).send(face, key)
        await self._store.reports.posted(job.id, channel_id, message_id)

    def _post(self, server_id: int | None, channel_id: int, job: JobRow) -> Post:
        return Post(self._client, Address(server_id, channel_id, job.origin.user_id))

    async def _face(self, report: Report, job: JobRow, upload_limit: int) -> MessagePayload:
        """The report: job, channel, reasons. The picture is a spoiler, and removed when the report is closed."""
        embed = report_embed(report, job)
        if report.state != "open":
            return MessagePayload(embed)
        painted = await self._renderer.render(Update(job), upload_limit, in_full=True)
        files = tuple((f"SPOILER_{name.removeprefix('SPOILER_')}", data) for name, data in painted.files)
        return MessagePayload(embed, files, lambda: self._buttons(job.id))


def report_embed(report: Report, job: JobRow) -> discord.Embed:
    times = "once" if len(report.voices) == 1 else f"by {len(report.voices)} people"
    embed = discord.Embed(
        title=f"Reported {times}",
        colour=_COLOURS[report.state],
        description=f"**{headline(job, None)}**\n{report.shown_at}",
    )
    embed.add_field(name="Painted by", value=mention(job.origin.user_id))
    embed.add_field(name="Job", value=job.id)
    lines = [f"{mention(one.user_id)} {relative(one.at)}{because(shorten(one.reason, 200))}" for one in report.voices]
    embed.add_field(name="Reported by", value=shorten("\n".join(lines), _REASONS), inline=False)
    if report.state != "open":
        who = mention(int(report.closed_by.partition(":")[2] or 0))
        embed.add_field(name="Decision", value=_DEALT[report.state].format(who=who), inline=False)
    return embed
