"""The last word about a job: its ways to Discord are tried in turn until one of them arrives.

    EDIT      the bot edits its message                 → gone, too old, archived: POST · no access: TOKEN, else DIRECT
    TOKEN     the interaction edits it, while it lives  → gone: POST · expired: DIRECT
    POST      a new message under a nonce               → no access, a locked thread: DIRECT
    DIRECT    to the person alone, finished pictures only

Bad weather is waited out on the way where it is met; files that are too large are made smaller; a picture that Discord
does not want is replaced by words.
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
"""Files are not made smaller than this many bytes."""


class Renderer(Protocol):
    """Who draws faces."""

    async def face(self, update: Update, upload_limit: int) -> MessagePayload:
        """What the message shows; its files stay within *upload_limit* bytes."""
        ...

    async def refusal(self, update: Update, why: str) -> MessagePayload:
        """The end of a job whose picture Discord does not take, in words."""
        ...


class Route(Enum):
    """How the end may reach its person."""

    EDIT = auto()
    TOKEN = auto()
    POST = auto()
    DIRECT = auto()


@dataclass(slots=True)
class FinalUpdate:
    """One end on its way. *searched*: there can be no other message of this job than the one we know."""

    update: Update
    post: Post
    renderer: Renderer
    message_id: int | None
    way: Route
    searched: bool
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    failed: str = ""
    """Why it could not be delivered at all; empty otherwise."""
    direct: tuple[int, int] | None = None
    """(channel, message) of the direct message, if it came by one."""
    _limit: int = 0
    _tries: int = 0
    _face: MessagePayload | None = None
    _outdated: int | None = None

    async def deliver(self) -> None:
        """Return when the end has arrived, or has *failed* on every way."""
        while not self.failed:
            try:
                await self._send()
                break
            except FAILURES as error:
                log.info("job %s: its end met %s by %s: %s", self._id, trouble_of(error).name, self.way.name, error)
                await self._learn(error)
            except StoreError as error:  # a picture that cannot be read for the moment
                log.error("job %s: its end has to wait: %s", self._id, error)
                await self.sleep(pause_after(self._tries))
                self._tries += 1
        if self._outdated is not None and not self.failed:
            with contextlib.suppress(*FAILURES):
                await self.post.delete(self._outdated)

    async def _send(self) -> None:
        self._face = self._face or await self.renderer.face(self.update, self._limit or self.post.upload_limit)
        match self.way:
            case Route.EDIT if self.message_id is not None:
                await self.post.edit(self.message_id, self._face)
            case Route.TOKEN if self.message_id is not None:
                await self.post.edit_by_token(self.message_id, self._face)
            case Route.DIRECT:
                self.direct = await self.post.send_directly(self._face, nonce(self._id, "direct"))
            case _:
                self.message_id = await self.post.send(self._face, nonce(self._id, "final"))

    async def _learn(self, error: BaseException) -> None:
        """Choose what to try next."""
        limit = self._limit or self.post.upload_limit
        match trouble_of(error):
            case Trouble.LATER | Trouble.TOO_OLD as trouble if not (trouble is Trouble.TOO_OLD and self._edits):
                await self.sleep(patience_for(error, self._tries))
                self._tries += 1
            case Trouble.TOO_LARGE if limit > SMALLEST_LIMIT:
                self._limit, self._face = max(SMALLEST_LIMIT, limit // 2), None
            case Trouble.TOO_LARGE | Trouble.REFUSED if self._face and self._face.files:
                self._face = await self.renderer.refusal(self.update, _reason(error))
            case Trouble.GONE | Trouble.TOO_OLD | Trouble.ARCHIVED as trouble if self._edits:
                await self._replace(trouble)
            case Trouble.NO_ACCESS if self.way is Route.EDIT and self.post.address.token:
                self.way = Route.TOKEN
            case _ if self.way is not Route.DIRECT and self.update.job.state is JobState.DONE:
                self.way = Route.DIRECT
            case _:
                self.failed = _reason(error) or type(error).__name__

    async def _replace(self, trouble: Trouble) -> None:
        """The message cannot be edited: an earlier life may have posted another one, else post one now."""
        lost, found = self.message_id, None
        if not self.searched:
            self.searched = True
            job = self.update.job
            since = asked_at(job.created_at, job.origin.interaction_id)
            found = await self.post.find(self._id, since, without=lost)
        self.message_id, self.way = found, Route.POST if found is None else Route.EDIT
        if trouble is not Trouble.GONE:
            self._outdated = lost

    @property
    def _edits(self) -> bool:
        return self.way in (Route.EDIT, Route.TOKEN)

    @property
    def _id(self) -> str:
        return self.update.job.id


def _reason(error: BaseException) -> str:
    """What Discord says, with its code."""
    if isinstance(error, discord.HTTPException):
        return f"{error.text or 'no reason given'} ({error.code or error.status})"
    return str(error)
