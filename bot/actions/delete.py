"""Delete: one message of a picture goes, and only what has gone, or is sure to go, counts as deleted."""

from __future__ import annotations

from collections.abc import Collection

import discord

from bot.delivery.service import Delivery
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import Erase, Removal
from bot.interactions.responder import Responder
from bot.jobs.service import JobService
from bot.models.job import JobRow
from bot.storage import Store
from bot.text import mention, message_link

_LINKS = 5
"""Places that are named at most."""


class Deletions:
    """Takes messages away for their owners and for moderators. One per bot."""

    def __init__(self, client: discord.Client, store: Store, jobs: JobService, delivery: Delivery) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._delivery = delivery

    async def delete(
        self, job: JobRow, message_id: int, caller: Invocation, responder: Responder, erase: Erase | None = None
    ) -> str:
        """Remove one message of a job, in the way *erase* first; what still runs is cancelled, and loses all of them.

        A moderator's deletion is announced, so that nobody has to wonder; else what there is to say about it is
        returned. Raises NotAllowed, or Refused where Discord does not let us.
        """
        caller.check_owner(job, "delete this")
        gone = await (self._remove(job, message_id, caller, erase) if job.state.over else self._stop(job, caller))
        if not gone:
            await responder.send_private("Discord does not let me delete this just now; it goes as soon as I may.")
            return ""
        if not job.owned_by(caller.user_id):
            await responder.announce(f"{mention(caller.user_id)} deleted a picture of {mention(job.origin.user_id)}.")
            return ""
        return self._deleted(await self._store.messages.of_job(job.id), job)

    async def _remove(self, job: JobRow, message_id: int, caller: Invocation, erase: Erase | None) -> bool:
        """False if it has to be done later. Raises Refused."""
        removal = await self._delivery.erase(job, caller.channel_id, message_id, erase)
        if removal is Removal.REFUSED:
            raise Refused("Discord does not let me delete this here; whoever may manage messages in this channel can.")
        later = removal is Removal.LATER
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
        """What the owner reads, who may have posted it in several places."""
        if not left:
            return "Deleted. The picture stays in your history, but nowhere in this channel."
        links = " ".join(self._link(job, *place) for place in list(left)[:_LINKS])
        return f"Deleted here. It is still shown elsewhere, until you delete it there too: {links}"

    def _link(self, job: JobRow, channel_id: int, message_id: int) -> str:
        """Where a message of *job* is, which need not be where the job is."""
        guild = getattr(self._client.get_channel(channel_id), "guild", None)
        own = job.origin.guild_id if channel_id == job.origin.channel_id else None
        return message_link(guild.id if guild else own, channel_id, message_id)
