"""One job, one message: a letter carries the newest state of its job to Discord until the end has arrived there.

    offered      a newer update replaces an older one that was not sent yet
    addressed    the message is known: answered just now, stored, or found again after a crash
    delivered    the end is shown (`bot.delivery.final_update`), its outbox row is closed, a long wait ends with a
    short reply

Progress that meets an obstacle is dropped; the end is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.delivery.edit_limiter import EditLimiter, MessageKey, Urgency
from bot.delivery.final_update import FinalUpdate, Renderer, Route
from bot.errors import StoreError
from bot.failpoints import crashpoint
from bot.interactions.message_api import FAILURES, Post, Trouble, asked_at, nonce, trouble_of
from bot.interactions.payload import MessagePayload
from bot.models.job import JobRow, JobState, Update
from bot.retry import patiently
from bot.storage.outbox import Purpose
from bot.text import mention

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long the message of a fresh job may take to be answered; then it is posted instead."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all letters share."""

    renderer: Renderer
    edit_limiter: EditLimiter
    posted: Callable[[str, int, int], Awaitable[None]]
    """Job, channel, message: write down that this message shows that job."""
    owed: Callable[[str, Purpose], Awaitable[bool]]
    """Whether this still has to be said about that job: not once its message was deleted on purpose."""
    called: Callable[[str, int, int], Awaitable[None]]
    """Job, channel, message: write down that this reply called the job's owner."""
    closed: Callable[[str, Purpose, str], Awaitable[None]]
    """Job, purpose, and why it could not be said (empty: it was): it is no longer owed."""


class MessageUpdater:
    """Keeps one message in step with one job; `run` it in a task of its own."""

    def __init__(self, update: Update, desk: Desk) -> None:
        self.newest = update
        self.message_id = update.job.message_id
        self._desk = desk
        self._news = asyncio.Event()
        self._addressed = asyncio.Event()
        self.parted = asyncio.Event()
        self._by_token = False
        self._silent = False
        self._noted = True
        self._shown = ""
        self._news.set()

    @property
    def job(self) -> JobRow:
        """The job, as far as it is known here."""
        return self.newest.job

    @property
    def spot(self) -> MessageKey:
        """Whose limits its edits count against."""
        return MessageKey(self.job.id, self.job.origin.channel_id)

    @property
    def urgency(self) -> Urgency:
        """How urgent the newest update is."""
        if self.job.state.over:
            return Urgency.FINAL
        if self.newest.parting:
            return Urgency.PARTING
        return Urgency.PLACE if self.job.state is JobState.QUEUED else Urgency.PROGRESS

    def offer(self, update: Update) -> None:
        """Take note of something newer. Nothing but another end follows an end."""
        if update.job.state.over or not self.job.state.over:
            self.newest = update
            self._news.set()
            self._desk.edit_limiter.hurry(self.spot, self.urgency)

    def address(self, message_id: int | None, face: MessagePayload | None = None, *, noted: bool = True) -> None:
        """The message has been posted and shows *face*, or (None) could not be: another one is posted then.

        *noted*: the store knows it already; otherwise it is told when it can be.
        """
        self.message_id = message_id
        self._noted = noted
        self._shown = face.fingerprint if face else ""
        self._addressed.set()

    async def run(self, post: Post, *, fresh: bool) -> None:
        """Carry updates until the end has been delivered. *fresh*: somebody is just answering with the message."""
        self._post = post
        if fresh:
            await self._wait_for_answer()
        elif self.message_id is None:
            await self._find()
        if self.message_id is None and not self.job.state.over:
            await self._attempt(self._post_first)
        while await self._next_turn() is not Urgency.FINAL:
            if not self._silent:
                await self._attempt(self._edit)
            if self.newest.parting:
                self.parted.set()
        await self._finish(searched=fresh)

    async def _next_turn(self) -> Urgency:
        """Wait for news and for permission to send them; how urgent they are by then."""
        await self._news.wait()
        await self._desk.edit_limiter.turn(self.spot, self.urgency)
        self._news.clear()
        return self.urgency

    async def _wait_for_answer(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._addressed.wait()
        except TimeoutError:
            log.info("job %s: nobody has answered with its message", self.job.id)

    async def _find(self) -> None:
        job = self.job
        self.message_id = await self._post.find(job.id, asked_at(job.created_at, job.origin.interaction_id))
        await self._remember()

    async def _attempt(self, send: Callable[[MessagePayload], Awaitable[None]]) -> None:
        """Show the newest state, unless it looks like the last one; an obstacle is noted, not fought."""
        try:
            face = await self._desk.renderer.face(self.newest, self._post.upload_limit)
            if face.fingerprint == self._shown:
                self._desk.edit_limiter.give_back(self.spot)
                return
            await send(face)
            self._shown = face.fingerprint
        except FAILURES as error:
            trouble = trouble_of(error)
            log.info("job %s: an edit met %s: %s", self.job.id, trouble.name, error)
            if trouble is Trouble.NO_ACCESS and self._post.address.token and not self._by_token:
                self._by_token = True
                self._news.set()
            elif trouble is not Trouble.LATER:
                self._silent = True
        except StoreError as error:
            log.warning("job %s: an edit is left out: %s", self.job.id, error)

    async def _edit(self, face: MessagePayload) -> None:
        if self.message_id is not None:
            edit = self._post.edit_by_token if self._by_token else self._post.edit
            await edit(self.message_id, face)

    async def _post_first(self, face: MessagePayload) -> None:
        self.message_id = await self._post.send(face, nonce(self.job.id, "first"))
        await self._remember()

    async def _remember(self) -> None:
        message_id = self.message_id
        if message_id is not None:
            await patiently(lambda: self._desk.posted(self.job.id, self._post.address.channel_id, message_id))
            self._noted = True

    async def _finish(self, *, searched: bool) -> None:
        if not self._noted:
            await self._remember()
        if await patiently(lambda: self._desk.owed(self.job.id, "result")):
            await self._say_the_end(searched)
        if await patiently(lambda: self._desk.owed(self.job.id, "ping")):
            await self._ping()

    async def _say_the_end(self, searched: bool) -> None:
        way = Route.POST if self.message_id is None else Route.TOKEN if self._by_token else Route.EDIT
        ending = FinalUpdate(self.newest, self._post, self._desk.renderer, self.message_id, way, searched)
        crashpoint("sending end")
        await ending.deliver()
        crashpoint("end sent")
        if ending.message_id != self.message_id:
            self.message_id = ending.message_id
            await self._remember()
        if direct := ending.direct:
            await patiently(lambda: self._desk.posted(self.job.id, *direct))
        await patiently(lambda: self._desk.closed(self.job.id, "result", ending.failed))
        crashpoint("delivered")

    async def _ping(self) -> None:
        """Call whoever has waited long, with one try: a lost call is better than two."""
        job, why = self.job, "there is no message to reply to"
        what = "your picture is" if job.request.count == 1 else "your pictures are"
        if self.message_id is not None and not self._by_token:
            crashpoint("pinging")
            try:
                words = f"{mention(job.origin.user_id)} {what} ready."
                call = await self._post.reply(self.message_id, words, nonce(job.id, "ping"))
                await patiently(lambda: self._desk.called(job.id, self._post.address.channel_id, call))
                why = ""
            except FAILURES as error:
                why = str(error)
        crashpoint("pinged")
        await patiently(lambda: self._desk.closed(job.id, "ping", why))
