"""Requests to Discord about one message: edit, post, find, delete; and what each failure means for the next attempt.

A `MessagePayload` is what a job's message shows; an `EphemeralPayload` is what one person alone sees. Both keep bytes
and ids, so that they can be sent any number of times. discord.File and discord.ui.View are single-use: a second send of
a File uploads nothing, and a View sent twice can unregister its buttons for the whole process. So both are made anew
for every request.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Literal, TypeAlias

import aiohttp
import discord

from bot.interactions.unreadable import UnreadableAnswer, readable


class _Sendable:
    """What both payloads share."""

    __slots__ = ()
    files: tuple[tuple[str, bytes], ...]
    """Name and bytes."""
    buttons: Callable[[], discord.ui.View] | None

    def new_files(self) -> list[discord.File]:
        return [discord.File(io.BytesIO(data), name) for name, data in self.files]

    def new_view(self) -> discord.ui.View | None:
        """A fresh set of buttons, for one request; None where there is nothing to press."""
        view = self.buttons() if self.buttons else None
        return view if view and view.children else None


@dataclass(frozen=True, slots=True)
class MessagePayload(_Sendable):
    """The whole of a message, ready to be sent, edited into place, and sent again."""

    embed: discord.Embed
    files: tuple[tuple[str, bytes], ...] = ()
    buttons: Callable[[], discord.ui.View] | None = None

    def fingerprint(self) -> str:
        """Equal for faces that look the same: an edit that changes nothing is not worth a request."""
        view = self.new_view()
        shown = json.dumps([self.embed.to_dict(), view.to_components() if view else []], sort_keys=True, default=str)
        digest = hashlib.blake2b(shown.encode(), digest_size=16)
        for name, data in self.files:
            digest.update(name.encode() + b"\0" + data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class EphemeralPayload(_Sendable):
    """The whole of an answer that one person alone sees."""

    words: str = ""
    embeds: tuple[discord.Embed, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    buttons: Callable[[], discord.ui.View] | None = None


log = logging.getLogger(__name__)

WEEK: Literal[10080] = 10080
"""Minutes without a message after which a thread is archived."""
HAS_THREAD = 160004
HISTORY = 100
"""Most messages of a channel that are searched for a lost one."""
LONGEST_WAIT = 3600.0
"""Seconds; a rate limit that is said to last longer is tried again then."""
FOREIGN = (
    "A second process answers interactions with this bot's token (seen in channel %d). It renders and charges every "
    "job again: stop it, or reset the token."
)
SLACK = 30.0
"""Tolerated difference of clocks in seconds."""


class Trouble(Enum):
    """Classes of failed requests, by the remedy."""

    GONE = auto()
    """The message was deleted: post another."""
    TOO_OLD = auto()
    """Too many edits of an old message (30046): post another."""
    ARCHIVED = auto()
    """The thread is archived: a new message reopens it unless it is locked."""
    TOO_LARGE = auto()
    """The files are over the limit: send smaller ones."""
    NO_ACCESS = auto()
    """The bot may not write here: use another route."""
    EXPIRED = auto()
    """The interaction's token has expired."""
    LATER = auto()
    """A transient error: retry later."""
    REFUSED = auto()
    """Discord rejects the content: send text instead."""


_BY_CODE = {
    10008: Trouble.GONE,
    30046: Trouble.TOO_OLD,
    50083: Trouble.ARCHIVED,
    40005: Trouble.TOO_LARGE,
    **dict.fromkeys((10003, 10004, 50001, 50007, 50013, 50278, 160005), Trouble.NO_ACCESS),
    **dict.fromkeys((50027, 10062, 10015), Trouble.EXPIRED),
    130000: Trouble.LATER,
}
_BY_STATUS = {
    401: Trouble.LATER,  # the bot's token was reset: it ends soon, and its successor delivers what is left
    403: Trouble.NO_ACCESS,
    404: Trouble.GONE,
    413: Trouble.TOO_LARGE,
    429: Trouble.LATER,
}
TRANSIENT = (discord.DiscordServerError, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)
"""Transient errors."""
FAILURES = (discord.HTTPException, *TRANSIENT)
"""Errors that a request to Discord may raise."""


def is_transient(error: BaseException) -> bool:
    """Whether *error* is transient: no network, a rate limit, a proxy's page, or a status of 500 or more."""
    if not isinstance(error, discord.HTTPException):
        return isinstance(error, TRANSIENT)
    page = not error.code and error.text.lstrip().startswith("<")  # which says nothing about the message
    return error.status >= 500 or (page and error.status in (401, 403, 404, 405))


def trouble_of(error: BaseException) -> Trouble:
    """The class of *error* (one of FAILURES)."""
    if isinstance(error, discord.RateLimited):  # longer than the library may wait: for one message that means 30046
        return Trouble.TOO_OLD
    if is_transient(error) or not isinstance(error, discord.HTTPException):
        return Trouble.LATER
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, Trouble.REFUSED)


def is_final(error: BaseException) -> bool:
    """Whether no later attempt at the same request can succeed."""
    return trouble_of(error) not in (Trouble.LATER, Trouble.TOO_OLD)


def patience_for(error: BaseException, tries: int) -> float:
    """Seconds until the retry after LATER: `retry_after`, at most an hour, else 1, 2, 4 … 60."""
    return min(error.retry_after, LONGEST_WAIT) if isinstance(error, discord.RateLimited) else min(60.0, 2.0**tries)


class DeletionResult(Enum):
    GONE = auto()
    """The message is deleted."""
    LATER = auto()
    """A transient error: retry later."""
    REFUSED = auto()
    """Discord refuses the deletion for good."""


def removal_of(error: BaseException) -> DeletionResult:
    """The result of a deletion that raised *error* (one of FAILURES)."""
    if is_transient(error):
        return DeletionResult.LATER
    if getattr(error, "code", 0) in _GONE_WITH:
        return DeletionResult.GONE
    return _REMOVALS.get(trouble_of(error), DeletionResult.REFUSED)


_GONE_WITH = frozenset({10003, 10004})
"""The channel or server is gone, and so are its messages."""
_REMOVALS = {Trouble.GONE: DeletionResult.GONE, Trouble.LATER: DeletionResult.LATER}
Erase: TypeAlias = Callable[[], Awaitable[None]]
"""One way to delete a message."""


async def erased(*ways: Erase) -> DeletionResult:
    """Delete a message; tries *ways* in order until one succeeds."""
    left = DeletionResult.REFUSED
    for way in ways:
        try:
            await way()
        except FAILURES as error:
            log.info("a message cannot be deleted: %s", error)
            if (removal := removal_of(error)) is DeletionResult.GONE:
                return removal
            left = DeletionResult.LATER if DeletionResult.LATER in (left, removal) else DeletionResult.REFUSED
        else:
            return DeletionResult.GONE
    return left


@dataclass(frozen=True, slots=True)
class Address:
    """Where a job's message belongs. *token*: the interaction's secret while it lives, else empty."""

    guild_id: int | None
    channel_id: int
    user_id: int
    token: str = field(default="", repr=False)


def asked_at(created_at: float, interaction_id: int | None) -> float:
    """When a job was asked for, at the earliest (unix seconds): by our clock or by Discord's, which is in its ids.

    A clock of ours that ran ahead would otherwise look for a lost message only after it was posted.
    """
    if interaction_id is None:
        return created_at
    return min(created_at, discord.utils.snowflake_time(interaction_id).timestamp())


def nonce(job_id: str, purpose: str) -> str:
    """At most 25 characters by which Discord recognises the same message sent twice within a few minutes."""
    return hashlib.blake2b(f"{job_id}:{purpose}".encode(), digest_size=12).hexdigest()


Counted = Callable[[str, str], None]
"""Called after every request with its kind and the name of its `Trouble`, or an empty text."""


class Post:
    """Requests about the messages at one address."""

    def __init__(self, client: discord.Client, address: Address, counted: Counted = lambda what, trouble: None) -> None:
        self._client = client
        self._counted = counted
        self.address = address
        self.channel = client.get_partial_messageable(address.channel_id, guild_id=address.guild_id)

    @property
    def upload_limit(self) -> int:
        """Most bytes of one file that the bot posts here."""
        guild = self._client.get_guild(self.address.guild_id) if self.address.guild_id else None
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def edit(self, message_id: int, face: MessagePayload) -> None:
        """Edit the message to *face* with the bot's token. Idempotent, because files are named explicitly."""
        message = self.channel.get_partial_message(message_id)
        with self._counting("edit"):
            await message.edit(content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view())

    async def edit_or_send(self, message_id: int, face: MessagePayload, key: str) -> int:
        """Edit a message, or post another if Discord refuses edits of it; returns the id of the message that shows it.

        It refuses them in an archived thread, which the new message opens again, and after too many edits.
        """
        try:
            await self.edit(message_id, face)
        except discord.HTTPException as error:
            if trouble_of(error) not in (Trouble.ARCHIVED, Trouble.TOO_OLD):
                raise
            message_id = await self.send(face, key)
        return message_id

    async def edit_embed(self, message_id: int, embed: discord.Embed) -> None:
        """Replace the embed; files and buttons stay."""
        message = self.channel.get_partial_message(message_id)
        with self._counting("edit"):
            await message.edit(embed=embed)

    async def edit_by_token(self, message_id: int, face: MessagePayload) -> None:
        """Edit by the interaction's token, where the bot is a guest."""
        with self._counting("edit by token"):
            await self._webhook().edit_message(
                message_id, content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view()
            )

    async def send(self, face: MessagePayload, key: str) -> int:
        """Post a message, once per *key* within Discord's memory of nonces; returns its id."""
        view = face.new_view() or discord.utils.MISSING
        with self._counting("post", needed=True):
            sent = await self.channel.send(embed=face.embed, files=face.new_files(), view=view, nonce=key)
        return sent.id

    async def send_directly(self, face: MessagePayload, key: str) -> tuple[int, int]:
        """Send a direct message; returns (channel, message)."""
        with self._counting("direct message", needed=True):
            direct = await self._client.create_dm(discord.Object(self.address.user_id))
            sent = await direct.send(
                "I could not post this in the channel where you asked, so here it is.",
                embed=face.embed,
                files=face.new_files(),
                view=face.new_view() or discord.utils.MISSING,
                nonce=key,
            )
        return direct.id, sent.id

    async def reply(self, message_id: int, words: str, key: str) -> int:
        """Post a short reply that pings the person only; returns its id."""
        person = discord.Object(self.address.user_id)
        with self._counting("reply", needed=True):
            sent = await self.channel.send(
                words,
                reference=discord.MessageReference(
                    message_id=message_id,
                    channel_id=self.address.channel_id,
                    fail_if_not_exists=False,
                ),
                allowed_mentions=discord.AllowedMentions(users=[person], replied_user=False),
                nonce=key,
            )
        return sent.id

    async def start_thread(self, message_id: int, name: str) -> int:
        """Start a thread from a message; returns its id, also if the message has one already."""
        with self._counting("thread", needed=True):
            try:
                message = self.channel.get_partial_message(message_id)
                return (await message.create_thread(name=name, auto_archive_duration=WEEK)).id
            except discord.HTTPException as error:
                if error.code != HAS_THREAD:
                    raise
                return message_id  # such a thread has the id of its message

    async def pin(self, message_id: int) -> None:
        with self._counting("pin"):
            await self.channel.get_partial_message(message_id).pin()

    async def delete(self, message_id: int) -> None:
        with self._counting("delete"):
            await self.channel.get_partial_message(message_id).delete()

    async def find(self, job_id: str, since: float, without: int | None = None) -> int | None:
        """The id of the bot's message about *job_id* after *since* (unix seconds), other than *without*."""
        return await self._original(job_id, without) or await self._in_history(job_id, since, without)

    async def _original(self, job_id: str, without: int | None) -> int | None:
        if not self.address.token:
            return None
        hook = self._webhook()
        try:
            original = await hook.fetch_message("@original")  # type: ignore[arg-type]
            if original.flags.loading:  # a lasting “thinking …”: the response was lost
                await hook.delete_message("@original")  # type: ignore[arg-type]
                return None
        except FAILURES as error:
            log.debug("the interaction's own answer cannot be read: %s", error)
            return None
        if (shown := _custom_ids(original)) and job_id not in shown:
            log.error(FOREIGN, self.address.channel_id)
            return None
        return original.id if original.id != without else None

    async def _in_history(self, job_id: str, since: float, without: int | None) -> int | None:
        after, us = datetime.fromtimestamp(max(0.0, since - SLACK), UTC), self._client.user
        try:
            async for message in self.channel.history(limit=HISTORY, after=after, oldest_first=without is None):
                if message.id != without and message.author == us and job_id in _custom_ids(message):
                    return message.id
        except FAILURES as error:
            log.info("the channel's history cannot be read: %s", error)
        return None

    @contextmanager
    def _counting(self, what: str, *, needed: bool = False) -> Iterator[None]:
        """Count a request and how it failed. An answer that cannot be read is a failure only if it is *needed*."""
        try:
            with readable():
                yield
        except UnreadableAnswer:
            if needed:
                raise
        except FAILURES as error:
            self._counted(what, trouble_of(error).name.lower())
            raise
        self._counted(what, "")

    def _webhook(self) -> discord.Webhook:
        return discord.Webhook.partial(self._client.application_id or 0, self.address.token, client=self._client)


def _custom_ids(message: discord.Message) -> set[str]:
    """Job ids in the custom ids of a message."""
    found = set()
    for row in message.components:
        for item in getattr(row, "children", ()):
            parts = (getattr(item, "custom_id", "") or "").split(":")
            if len(parts) > 2 and parts[0] == "dream":
                found.add(parts[2])
    return found
