"""Keeps one Discord message up to date with one job, until the final update has arrived.

    offered    a newer update replaces an older one that was not sent yet
    linked     the message is known: sent just now, stored, or found again after a crash
    delivered  the end is shown (`bot.delivery.message_updater`), its outbox row is closed, a long wait ends with a ping

Failed progress edits are dropped; the final update is retried.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

import discord

from bot.delivery.edit_limiter import EditLimiter, MessageKey, Urgency
from bot.errors import StoreError
from bot.interactions.message_api import (
    FAILURES,
    MessagePayload,
    Post,
    Trouble,
    asked_at,
    nonce,
    patience_for,
    trouble_of,
)
from bot.jobs.service import JobService
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState, Update
from bot.retry import failpoint, patiently, pause_after
from bot.storage import Store
from bot.storage.messages import Purpose
from bot.text import mention

SMALLEST_LIMIT = 256 * 1024
"""Bytes below which files are not shrunk further."""


class Renderer(Protocol):
    async def render(self, update: Update, upload_limit: int) -> MessagePayload:
        """The message for *update*; its files stay within *upload_limit* bytes."""
        ...

    async def render_refusal(self, update: Update, why: str) -> MessagePayload: ...


class DeliveryRoute(Enum):
    EDIT = auto()
    TOKEN = auto()
    POST = auto()
    DIRECT = auto()


@dataclass(slots=True)
class FinalUpdate:
    """One final update. *searched*: no other message of this job can exist."""

    update: Update
    post: Post
    renderer: Renderer
    message_id: int | None
    route: DeliveryRoute
    searched: bool
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    failed: str = ""
    """Why every route failed; empty otherwise."""
    direct: tuple[int, int] | None = None
    """(channel, message) of the direct message, if one was sent."""
    _limit: int = 0
    _tries: int = 0
    _payload: MessagePayload | None = None
    _outdated: int | None = None

    async def deliver(self) -> None:
        """Return when the update has arrived, or has *failed* on every route."""
        while not self.failed:
            try:
                await self._send()
                break
            except FAILURES as error:
                log.info(
                    "job %s: its final update failed with %s by %s: %s",
                    self._id,
                    trouble_of(error).name,
                    self.route.name,
                    error,
                )
                await self._learn(error)
            except StoreError as error:  # a picture cannot be read at the moment
                log.error("job %s: its final update has to wait: %s", self._id, error)
                await self.sleep(pause_after(self._tries))
                self._tries += 1
        if self._outdated is not None and not self.failed:
            with contextlib.suppress(*FAILURES):
                await self.post.delete(self._outdated)

    async def _send(self) -> None:
        self._payload = self._payload or await self.renderer.render(self.update, self._limit or self.post.upload_limit)
        match self.route:
            case DeliveryRoute.EDIT if self.message_id is not None:
                await self.post.edit(self.message_id, self._payload)
            case DeliveryRoute.TOKEN if self.message_id is not None:
                await self.post.edit_by_token(self.message_id, self._payload)
            case DeliveryRoute.DIRECT:
                self.direct = await self.post.send_directly(self._payload, nonce(self._id, "direct"))
            case _:
                self.message_id = await self.post.send(self._payload, nonce(self._id, "final"))

    async def _learn(self, error: BaseException) -> None:
        limit = self._limit or self.post.upload_limit
        match trouble_of(error):
            case Trouble.LATER | Trouble.TOO_OLD as trouble if not (trouble is Trouble.TOO_OLD and self._edits):
                await self.sleep(patience_for(error, self._tries))
                self._tries += 1
            case Trouble.TOO_LARGE if limit > SMALLEST_LIMIT:
                self._limit, self._payload = max(SMALLEST_LIMIT, limit // 2), None
            case Trouble.TOO_LARGE | Trouble.REFUSED if self._payload and self._payload.files:
                self._payload = await self.renderer.render_refusal(self.update, _reason(error))
            case Trouble.GONE | Trouble.TOO_OLD | Trouble.ARCHIVED as trouble if self._edits:
                await self._replace(trouble)
            case Trouble.NO_ACCESS if self.route is DeliveryRoute.EDIT and self.post.address.token:
                self.route = DeliveryRoute.TOKEN
            case _ if self.route is not DeliveryRoute.DIRECT and self.update.job.state is JobState.DONE:
                self.route = DeliveryRoute.DIRECT
            case _:
                self.failed = _reason(error) or type(error).__name__

    async def _replace(self, trouble: Trouble) -> None:
        """The message cannot be edited: look for another one that an earlier run posted, else post one."""
        lost, found = self.message_id, None
        if not self.searched:
            self.searched = True
            job = self.update.job
            since = asked_at(job.created_at, job.origin.interaction_id)
            found = await self.post.find(self._id, since, without=lost)
        self.message_id, self.route = found, DeliveryRoute.POST if found is None else DeliveryRoute.EDIT
        if trouble is not Trouble.GONE:
            self._outdated = lost

    @property
    def _edits(self) -> bool:
        return self.route in (DeliveryRoute.EDIT, DeliveryRoute.TOKEN)

    @property
    def _id(self) -> str:
        return self.update.job.id


def _reason(error: BaseException) -> str:
    if isinstance(error, discord.HTTPException):
        return f"{error.text or 'no reason given'} ({error.code or error.status})"
    return str(error)


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
        self.key = MessageKey(update.job.id, update.job.origin.channel_id)
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
    def urgency(self) -> Urgency:
        if self.job.state.over:
            return Urgency.FINAL
        if self.newest.parting:
            return Urgency.SHUTDOWN
        return Urgency.QUEUE_POSITION if self.job.state is JobState.QUEUED else Urgency.PROGRESS

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
        self._shown = payload.fingerprint()

    def not_sent(self, error: BaseException) -> None:
        """Sending the first message failed. It may exist all the same if only the response was lost.

        discord.py repeats a request after a 5xx, and Discord then says that the interaction is already acknowledged.
        """
        lost = trouble_of(error) is Trouble.LATER or getattr(error, "code", 0) == ALREADY_ACKNOWLEDGED
        self._searched = not lost

    async def run(self, post: Post) -> None:
        """Keep the message up to date until the job is over; then deliver its result and the owed ping."""
        self._post = post
        if self.message_id is None and not self._searched:
            await self._find()
        if self.message_id is None and not self.job.state.over:
            await self._attempt(self._post_first)
        if not self._linked:
            await self._link()
        while True:
            await self._news.wait()
            await self._limiter.turn(self.key, self.urgency)
            self._news.clear()
            if self.job.state.over:
                break
            if not self._silent:
                await self._attempt(self._edit)
            if self.newest.parting:
                self.parted.set()
        if await self._owed("result"):
            await self._deliver_end()
        if await self._owed("ping"):
            await self._ping()

    async def _find(self) -> None:
        """Look for a message that was sent although its id never reached the store."""
        job = self.job
        self.message_id = await self._post.find(job.id, asked_at(job.created_at, job.origin.interaction_id))

    async def _attempt(self, send: Callable[[MessagePayload], Awaitable[None]]) -> None:
        """Show the newest update unless it looks like the last one; a failure is logged and not retried."""
        try:
            update = self.newest
            if self.job.state is JobState.QUEUED:
                update = replace(update, place=self._jobs.registry.place(self.job.id) or update.place)
            payload = await self._renderer.render(update, self._post.upload_limit)
            if (looks := payload.fingerprint()) == self._shown:
                self._limiter.give_back(self.key)
                return
            await send(payload)
            self._shown = looks
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

    async def _edit(self, payload: MessagePayload) -> None:
        if self.message_id is not None:
            edit = self._post.edit_by_token if self._by_token else self._post.edit
            await edit(self.message_id, payload)

    async def _post_first(self, payload: MessagePayload) -> None:
        self.message_id = await self._post.send(payload, nonce(self.job.id, "first"))

    async def _link(self) -> None:
        if (message_id := self.message_id) is not None:
            channel_id = self._post.address.channel_id
            await patiently(self._jobs.link_message, self.job.id, channel_id, message_id)
            self._linked = True
            failpoint("posted")

    async def _deliver_end(self) -> None:
        route = (
            DeliveryRoute.POST
            if self.message_id is None
            else DeliveryRoute.TOKEN
            if self._by_token
            else DeliveryRoute.EDIT
        )
        final = FinalUpdate(self.newest, self._post, self._renderer, self.message_id, route, searched=self._searched)
        failpoint("sending end")
        await final.deliver()
        failpoint("end sent")
        if final.message_id != self.message_id:
            self.message_id = final.message_id
            await self._link()
        if direct := final.direct:
            await patiently(self._jobs.link_message, self.job.id, *direct)
        await self._close("result", final.failed)
        failpoint("delivered")

    async def _ping(self) -> None:
        """Ping a person who waited long, in one attempt: a lost ping is better than two."""
        job, why = self.job, "there is no message to reply to"
        what = "your picture is" if job.request.count == 1 else "your pictures are"
        if isinstance(job.request, FilmRequest):
            what = "your film is"
        if await patiently(self._store.blind_pictures.entry, job.id):
            why = "the author of an entry is not named before the vote has ended"
        elif self.message_id is not None and not self._by_token:
            failpoint("pinging")
            try:
                words = f"{mention(job.origin.user_id)} {what} ready."
                ping = await self._post.reply(self.message_id, words, nonce(job.id, "ping"))
                channel_id = self._post.address.channel_id
                await patiently(self._store.pings.note, job.id, channel_id, ping)
                why = ""
            except FAILURES as error:
                why = str(error)
        failpoint("pinged")
        await self._close("ping", why)

    async def _owed(self, purpose: Purpose) -> bool:
        """Whether the outbox row is open; deleting the message on purpose closes it."""
        row = await patiently(self._store.deliveries.find, self.job.id, purpose)
        return row is not None and row.state == "pending"

    async def _close(self, purpose: Purpose, failed: str) -> None:
        if failed:
            log.warning("the %s of job %s could not be delivered: %s", purpose, self.job.id, failed)
        await patiently(self._store.deliveries.close, self.job.id, purpose, self._clock(), failed)
