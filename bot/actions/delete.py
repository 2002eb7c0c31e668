"""Deletes one message of a job. A message counts as deleted once it is gone or queued for deletion."""

from __future__ import annotations

from collections.abc import Collection

import discord

from bot.actions.moderate import tell_moderators
from bot.delivery.service import Delivery
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import DeletionResult, Erase
from bot.jobs.service import JobService
from bot.models.job import JobRow
from bot.policy.server_rules import ServerRules
from bot.storage import Store
from bot.text import mention, mention_channel, message_link

_LINKS = 5
"""Links in one answer."""


class Deletions:
    """Deletes messages for owners and moderators."""

    def __init__(self, client: discord.Client, store: Store, jobs: JobService, delivery: Delivery) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._delivery = delivery

    async def delete(self, job: JobRow, message_id: int, caller: Invocation, erase: Erase | None = None) -> str:
        """Delete one message of a job and return what to tell the caller.

        An unfinished job is cancelled and loses all messages. *erase* is tried before the bot's own request.
        A deletion by a moderator is reported to the moderators' channel. Raises NotAllowed, or Refused if Discord
        forbids it.
        """
        caller.check_owner(job)
        gone = await (self._remove(job, message_id, caller, erase) if job.state.over else self._stop(job, caller))
        if not job.owned_by(caller.user_id):
            await self._report(job, caller)
        if not gone:
            return "Discord does not allow this deletion right now. I will delete it as soon as possible."
        if not job.owned_by(caller.user_id):
            return "Deleted."
        return self._deleted(await self._store.messages.of_job(job.id), job)

    async def _report(self, job: JobRow, caller: Invocation) -> None:
        who, owner = mention(caller.user_id), mention(job.origin.user_id)
        text = f"{who} deleted a picture by {owner} in {mention_channel(caller.channel_id)}."
        rules = await ServerRules.of(self._store, caller.guild_id)
        await tell_moderators(self._client, caller.guild_id, rules, text)

    async def _remove(self, job: JobRow, message_id: int, caller: Invocation, erase: Erase | None) -> bool:
        """Return False if the message has to be deleted later. Raises Refused."""
        removal = await self._delivery.erase(job, caller.channel_id, message_id, erase)
        if removal is DeletionResult.REFUSED:
            raise Refused("Discord does not let me delete this here. A person who can manage messages can delete it.")
        later = removal is DeletionResult.LATER
        if await self._jobs.takedowns.taken_down(
            job, caller.channel_id, message_id, caller.user_id, caller.guild_id, later=later
        ):
            await self._delivery.remove_calls(job)
        return not later

    async def _stop(self, job: JobRow, caller: Invocation) -> bool:
        messages = await self._store.messages.of_job(job.id)
        await self._jobs.discard(job.id, caller.user_id, caller.moderator, caller.guild_id)
        return await self._delivery.take_down(job, messages)

    def _deleted(self, left: Collection[tuple[int, int]], job: JobRow) -> str:
        if not left:
            return "Deleted. You can still find the picture in /history."
        links = " ".join(self._link(job, *place) for place in list(left)[:_LINKS])
        return f"Deleted here. It is still shown in other places; delete it there too: {links}"

    def _link(self, job: JobRow, channel_id: int, message_id: int) -> str:
        """The URL of a message of *job*, which may be in another server than the job's origin."""
        guild = getattr(self._client.get_channel(channel_id), "guild", None)
        own = job.origin.guild_id if channel_id == job.origin.channel_id else None
        return message_link(guild.id if guild else own, channel_id, message_id)
