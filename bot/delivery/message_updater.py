"""Keeps one Discord message up to date with one job, until the final update has arrived.

    offered    a newer update replaces an older one that was not sent yet
    linked     the message is known: sent just now, stored, or found again after a crash
    delivered  the end is shown (`bot.delivery.final_update`), its outbox row is closed, a long wait ends with a ping

Failed progress edits are dropped; the final update is retried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.delivery.edit_limiter import EditLimiter, MessageKey, Urgency
from bot.delivery.final_update import FinalUpdate, Renderer, Route
from bot.errors import StoreError
from bot.failpoints import failpoint
from bot.interactions.message_api import FAILURES, Post, Trouble, asked_at, nonce, trouble_of
from bot.interactions.payload import MessagePayload
from bot.jobs.service import JobService
from bot.models.job import JobRow, JobState, Update
from bot.retry import patiently
from bot.storage import Store
from bot.storage.outbox import Purpose
from bot.text import mention

log = logging.getLogger(__name__)

ALREADY_ACKNOWLEDGED = 40060
"""Discord's error code for a second answer to an interaction."""


class MessageUpdater:
    """One message of one job; `run` it in a task. *clock* is unix seconds."""

    def __init__(
        self,
        update: Update,
        jobs: JobService,
        store: Store,
        renderer: Renderer,
        limiter: EditLimiter,
        clock: Callable[[], float],
    ) -> None:
        self.newest = update
        self.message_id = update.job.message_id
        self.parted = asyncio.Event()
        self._jobs = jobs
        self._store = store
        self._renderer = renderer
        self._limiter = limiter
        self._clock = clock
        self._news = asyncio.Event()
        self._linked = self.message_id is not None
        self._searched = False
        """Whether no other message of this job can exist."""
        self._by_token = False
        self._silent = False
        self._shown = ""
        self._news.set()

    @property
    def job(self) -> JobRow:
        return self.newest.job

    @property
    def key(self) -> MessageKey:
        return MessageKey(self.job.id, self.job.origin.channel_id)

    @property
    def urgency(self) -> Urgency:
        if self.job.state.over:
            return Urgency.FINAL
        if self.newest.parting:
            return Urgency.PARTING
        return Urgency.PLACE if self.job.state is JobState.QUEUED else Urgency.PROGRESS

    def offer(self, update: Update) -> None:
        """Take a newer update. Only another end replaces an end."""
        if update.job.state.over or not self.job.state.over:
            self.newest = update
            self._news.set()
            self._limiter.hurry(self.key, self.urgency)

    def moved(self) -> None:
        """The queue position has changed; the new one is read when the edit is allowed."""
        if self.job.state is JobState.QUEUED:
            self._news.set()
            self._limiter.hurry(self.key, self.urgency)

    def sent(self, message_id: int | None, payload: MessagePayload) -> None:
        """The first message was sent and shows *payload*; its id may be unknown."""
        self.message_id = message_id
        self._searched = message_id is not None
        self._shown = payload.fingerprint

    def not_sent(self, error: BaseException) -> None:
        """Sending the first message failed. It may exist all the same if only the response was lost.

        discord.py repeats a request after a 5xx, and Discord then says that the interaction is already acknowledged.
        """
        lost = trouble_of(error) is Trouble.LATER or getattr(error, "code", 0) == ALREADY_ACKNOWLEDGED
        self._searched = not lost

    async def run(self, post: Post) -> None:
        self._post = post
        if self.message_id is None and not self._searched:
            await self._find()
        if self.message_id is None and not self.job.state.over:
            await self._attempt(self._post_first)
        if not self._linked:
            await self._link()
        while await self._next_turn() is not Urgency.FINAL:
            if not self._silent:
                await self._attempt(self._edit)
            if self.newest.parting:
                self.parted.set()
        await self._finish()

    async def _next_turn(self) -> Urgency:
        """Wait for a newer update and for permission to edit; returns its urgency by then."""
        await self._news.wait()
        await self._limiter.turn(self.key, self.urgency)
        self._news.clear()
        return self.urgency

    async def _find(self) -> None:
        """Look for a message that was sent although its id never reached the store."""
        job = self.job
        self.message_id = await self._post.find(job.id, asked_at(job.created_at, job.origin.interaction_id))

    async def _attempt(self, send: Callable[[MessagePayload], Awaitable[None]]) -> None:
        """Show the newest update unless it looks like the last one; a failure is logged and not retried."""
        try:
            payload = await self._renderer.render(self._current(), self._post.upload_limit)
            if payload.fingerprint == self._shown:
                self._limiter.give_back(self.key)
                return
            await send(payload)
            self._shown = payload.fingerprint
        except FAILURES as error:
            trouble = trouble_of(error)
            log.info("job %s: an edit failed with %s: %s", self.job.id, trouble.name, error)
            if trouble is Trouble.NO_ACCESS and self._post.address.token and not self._by_token:
                self._by_token = True
                self._news.set()
            elif trouble is not Trouble.LATER:
                self._silent = True
        except StoreError as error:
            log.warning("job %s: an edit is skipped: %s", self.job.id, error)

    def _current(self) -> Update:
        if self.job.state is not JobState.QUEUED:
            return self.newest
        return replace(self.newest, place=self._jobs.registry.place(self.job.id) or self.newest.place)

    async def _edit(self, payload: MessagePayload) -> None:
        if self.message_id is not None:
            edit = self._post.edit_by_token if self._by_token else self._post.edit
            await edit(self.message_id, payload)

    async def _post_first(self, payload: MessagePayload) -> None:
        self.message_id = await self._post.send(payload, nonce(self.job.id, "first"))

    async def _link(self) -> None:
        if (message_id := self.message_id) is not None:
            channel_id = self._post.address.channel_id
            await patiently(lambda: self._jobs.link_message(self.job.id, channel_id, message_id))
            self._linked = True
            failpoint("posted")

    async def _finish(self) -> None:
        if await self._owed("result"):
            await self._deliver_end()
        if await self._owed("ping"):
            await self._ping()

    async def _deliver_end(self) -> None:
        route = Route.POST if self.message_id is None else Route.TOKEN if self._by_token else Route.EDIT
        final = FinalUpdate(self.newest, self._post, self._renderer, self.message_id, route, searched=self._searched)
        failpoint("sending end")
        await final.deliver()
        failpoint("end sent")
        if final.message_id != self.message_id:
            self.message_id = final.message_id
            await self._link()
        if direct := final.direct:
            await patiently(lambda: self._jobs.link_message(self.job.id, *direct))
        await self._close("result", final.failed)
        failpoint("delivered")

    async def _ping(self) -> None:
        """Ping a person who waited long, in one attempt: a lost ping is better than two."""
        job, why = self.job, "there is no message to reply to"
        what = "your picture is" if job.request.count == 1 else "your pictures are"
        if self.message_id is not None and not self._by_token:
            failpoint("pinging")
            try:
                words = f"{mention(job.origin.user_id)} {what} ready."
                ping = await self._post.reply(self.message_id, words, nonce(job.id, "ping"))
                channel_id = self._post.address.channel_id
                await patiently(lambda: self._store.calls.note(job.id, channel_id, ping))
                why = ""
            except FAILURES as error:
                why = str(error)
        failpoint("pinged")
        await self._close("ping", why)

    async def _owed(self, purpose: Purpose) -> bool:
        """Whether the outbox row is open; deleting the message on purpose closes it."""
        row = await patiently(lambda: self._store.deliveries.find(self.job.id, purpose))
        return row is not None and row.state == "pending"

    async def _close(self, purpose: Purpose, failed: str) -> None:
        """Close the outbox row and erase the interaction's token."""
        job_id, store, now = self.job.id, self._store, self._clock()
        if failed:
            log.warning("the %s of job %s could not be delivered: %s", purpose, job_id, failed)
            await patiently(lambda: store.deliveries.undeliverable(job_id, purpose, failed, now))
        else:
            await patiently(lambda: store.deliveries.delivered(job_id, purpose, now))
        await patiently(lambda: store.interactions.erase(job_id))
