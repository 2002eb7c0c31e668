"""The final update of a job: its routes to Discord are tried in turn until one succeeds.

    EDIT      the bot edits its message                 → gone, too old, archived: POST · no access: TOKEN, else DIRECT
    TOKEN     the interaction's token edits it          → gone: POST · expired: DIRECT
    POST      a new message under a nonce               → no access, a locked thread: DIRECT
    DIRECT    a direct message, finished pictures only

Transient errors are retried on the same route. Files that are too large are shrunk; a picture that Discord refuses is
replaced by text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import discord

from bot.errors import StoreError
from bot.interactions.message_api import FAILURES, Post, Trouble, asked_at, nonce, patience_for, trouble_of
from bot.interactions.payload import MessagePayload
from bot.models.job import JobState, Update
from bot.retry import pause_after

log = logging.getLogger(__name__)

SMALLEST_LIMIT = 256 * 1024
"""Bytes below which files are not shrunk further."""


class Renderer(Protocol):
    async def render(self, update: Update, upload_limit: int) -> MessagePayload:
        """The message for *update*; its files stay within *upload_limit* bytes."""
        ...

    async def render_refusal(self, update: Update, why: str) -> MessagePayload: ...


class Route(Enum):
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
    route: Route
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
            case Route.EDIT if self.message_id is not None:
                await self.post.edit(self.message_id, self._payload)
            case Route.TOKEN if self.message_id is not None:
                await self.post.edit_by_token(self.message_id, self._payload)
            case Route.DIRECT:
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
            case Trouble.NO_ACCESS if self.route is Route.EDIT and self.post.address.token:
                self.route = Route.TOKEN
            case _ if self.route is not Route.DIRECT and self.update.job.state is JobState.DONE:
                self.route = Route.DIRECT
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
        self.message_id, self.route = found, Route.POST if found is None else Route.EDIT
        if trouble is not Trouble.GONE:
            self._outdated = lost

    @property
    def _edits(self) -> bool:
        return self.route in (Route.EDIT, Route.TOKEN)

    @property
    def _id(self) -> str:
        return self.update.job.id


def _reason(error: BaseException) -> str:
    if isinstance(error, discord.HTTPException):
        return f"{error.text or 'no reason given'} ({error.code or error.status})"
    return str(error)
