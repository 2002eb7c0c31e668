"""Paints entries of challenges: posted in the challenge's thread, without a trace of their author."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import discord

from bot.actions.create import JobActions
from bot.delivery.service import Delivery
from bot.interactions.context import Invocation
from bot.interactions.message_api import Address, EphemeralPayload, MessagePayload, Post, nonce
from bot.interactions.responder import Responder
from bot.jobs.admission import Submission, delivered_once
from bot.jobs.service import JobService
from bot.models.job import Applied, JobRow
from bot.policy.server_rules import Preferences
from bot.storage import Store
from bot.storage.database import Session
from engine.requests.request import DreamRequest


class ThreadPoster:
    """Posts the job's message by *post* under the nonce *key*, after *answer* has sent *confirmation* to the person."""

    def __init__(self, post: Post, key: str, answer: Responder, confirmation: EphemeralPayload) -> None:
        self._answer = answer
        self._post = post
        self._key = key
        self._confirmation = confirmation

    @property
    def upload_limit(self) -> int:
        return self._post.upload_limit

    async def send_public(self, face: MessagePayload) -> int | None:
        """Confirm to the person, then post in the thread. Raises what Discord raises."""
        await self._answer.send_private_payload(self._confirmation)
        return await self._post.send(face, self._key)


@dataclass(frozen=True, slots=True)
class EntryPlace:
    """Where a challenge shows its entries. *above*: the parent channel, or None outside of a thread.

    *enter* stores the entry in the job's transaction; *confirm* is sent to the author alone.
    """

    channel_id: int
    above: int | None
    enter: Callable[[Session, JobRow], Awaitable[None]]
    confirm: Callable[[JobRow], EphemeralPayload]


class EntryActions:
    """One per bot."""

    def __init__(
        self, client: discord.Client, store: Store, jobs: JobService, delivery: Delivery, actions: JobActions
    ) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._delivery = delivery
        self._actions = actions

    async def paint(
        self,
        request: DreamRequest,
        caller: Invocation,
        responder: Responder,
        place: EntryPlace,
        applied: tuple[Applied, ...] = (),
    ) -> None:
        """Render an entry, which costs no quota. Results that come by direct message are shown in the vote only.

        The bot posts by its own token: an answer to the interaction would name the person.
        """
        if (await Preferences.of(self._store, caller.user_id)).private:
            await self._actions.enter(request, caller, responder, place.enter, applied)
            return
        origin = replace(
            caller.origin("entry"),
            channel_id=place.channel_id,
            thread_of=place.above,
            applied=applied,
            interaction_id=None,
            interaction_token="",
        )
        submission = Submission(
            request, origin, roles=caller.roles, location=caller.location, free=True, also=place.enter
        )
        job = await self._jobs.submit(delivered_once(submission, caller.interaction_id))
        post = Post(self._client, Address(origin.guild_id, origin.channel_id, origin.user_id))
        await self._delivery.follow(job, ThreadPoster(post, nonce(job.id, "first"), responder, place.confirm(job)))
