"""Talking to Discord about one message: edit it, post it, find it again; and what each refusal means for the next try.

Knows nothing of jobs' states; `bot.delivery.message_updater` decides what to do about a `Trouble`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TypeAlias

import aiohttp
import discord

from bot.interactions.payload import MessagePayload

log = logging.getLogger(__name__)

HISTORY = 100
"""Messages that are searched for a lost one."""
UNTOLD_SECONDS = 60.0
"""How long a limit is taken to last that does not say so."""
FOREIGN = (
    "An interaction was answered with a job that is not ours, in channel %d. A second process is running with this "
    "bot's token and renders and charges every job again: stop it, or reset the token."
)
SLACK = 30.0
"""Seconds that clocks may differ by."""


class Trouble(Enum):
    """Why a message could not be sent, by what can be done about it."""

    GONE = auto()
    """The message is no longer there: post another."""
    TOO_OLD = auto()
    """Discord lets nobody edit it any more (30046): post another."""
    ARCHIVED = auto()
    """Its thread is archived: a new message opens it again, unless it is locked, too."""
    TOO_LARGE = auto()
    """The files are over the limit: send smaller ones."""
    NO_ACCESS = auto()
    """The bot may not write here: another way, or none."""
    EXPIRED = auto()
    """The interaction's token is dead."""
    LATER = auto()
    """Discord or the network is busy: the same again after a while."""
    REFUSED = auto()
    """Discord does not want this content: say so in words."""


_BY_CODE = {
    10008: Trouble.GONE,
    30046: Trouble.TOO_OLD,
    50083: Trouble.ARCHIVED,
    40005: Trouble.TOO_LARGE,
    10003: Trouble.NO_ACCESS,
    10004: Trouble.NO_ACCESS,
    50001: Trouble.NO_ACCESS,
    50007: Trouble.NO_ACCESS,
    50013: Trouble.NO_ACCESS,
    50278: Trouble.NO_ACCESS,
    160005: Trouble.NO_ACCESS,
    50027: Trouble.EXPIRED,
    10062: Trouble.EXPIRED,
    10015: Trouble.EXPIRED,
}
_BY_STATUS = {
    401: Trouble.EXPIRED,
    403: Trouble.NO_ACCESS,
    404: Trouble.GONE,
    413: Trouble.TOO_LARGE,
    429: Trouble.LATER,
}
WEATHER = (discord.DiscordServerError, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)
"""What passes by itself."""
FAILURES = (discord.HTTPException, *WEATHER)
"""All that a request to Discord may raise."""


def is_transient(error: BaseException) -> bool:
    """Whether *error* passes by itself: no network, a rate limit, or any status of 500 and more."""
    return isinstance(error, WEATHER) or (isinstance(error, discord.HTTPException) and error.status >= 500)


def trouble_of(error: BaseException) -> Trouble:
    """What *error* (one of FAILURES) means for the next try."""
    if isinstance(error, discord.RateLimited):  # longer than the library may wait: for one message that means 30046
        return Trouble.TOO_OLD
    if is_transient(error) or not isinstance(error, discord.HTTPException):
        return Trouble.LATER
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, Trouble.REFUSED)


def patience_for(error: BaseException, tries: int) -> float:
    """Seconds to wait after LATER: what Discord says, else 1, 2, 4 … 60."""
    return error.retry_after if isinstance(error, discord.RateLimited) else min(60.0, 2.0**tries)


class Removal(Enum):
    """What has become of the attempt to delete a message."""

    GONE = auto()
    """It is no longer there, whoever deleted it."""
    LATER = auto()
    """Not now: the same again after a while."""
    REFUSED = auto()
    """Discord does not let us, and will not."""


def removal_of(error: BaseException) -> Removal:
    """What *error* (one of FAILURES) means for a message that was to be deleted."""
    if is_transient(error):
        return Removal.LATER
    if getattr(error, "code", 0) in _GONE_WITH:
        return Removal.GONE
    return _REMOVALS.get(trouble_of(error), Removal.REFUSED)


_GONE_WITH = frozenset({10003, 10004})
"""The channel or the server is no longer there, and its messages neither."""
_REMOVALS = {Trouble.GONE: Removal.GONE, Trouble.LATER: Removal.LATER}
Erase: TypeAlias = Callable[[], Awaitable[None]]
"""One way to delete a message."""


async def erased(*ways: Erase) -> Removal:
    """Delete a message in one of these *ways*, the next one where the one before is refused or put off."""
    left = Removal.REFUSED
    for way in ways:
        try:
            await way()
        except FAILURES as error:
            log.info("a message cannot be deleted: %s", error)
            if (removal := removal_of(error)) is Removal.GONE:
                return removal
            left = Removal.LATER if Removal.LATER in (left, removal) else Removal.REFUSED
        else:
            return Removal.GONE
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


@contextmanager
def _endless_limits_told() -> Iterator[None]:
    """A 429 that does not say for how long breaks discord.py; it is a limit that nobody can wait for."""
    try:
        yield
    except KeyError as error:
        if error.args != ("retry_after",):
            raise
        raise discord.RateLimited(UNTOLD_SECONDS) from error


def nonce(job_id: str, purpose: str) -> str:
    """At most 25 characters by which Discord recognises the same message sent twice within a few minutes."""
    return hashlib.blake2b(f"{job_id}:{purpose}".encode(), digest_size=12).hexdigest()


Counted = Callable[[str, str], None]
"""Is told of every request: what it did, and the name of its `Trouble` or nothing."""


class Post:
    """Requests about the messages at one address."""

    def __init__(self, client: discord.Client, address: Address, counted: Counted = lambda what, trouble: None) -> None:
        self._client = client
        self._counted = counted
        self.address = address
        self.channel = client.get_partial_messageable(address.channel_id, guild_id=address.guild_id)

    @property
    def upload_limit(self) -> int:
        """Bytes that one file may have when the bot itself sends it here."""
        guild = self._client.get_guild(self.address.guild_id) if self.address.guild_id else None
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def edit(self, message_id: int, face: MessagePayload) -> None:
        """Make the message look like *face*, with the bot's own token. Repeatable: the files are named explicitly."""
        message = self.channel.get_partial_message(message_id)
        with self._counting("edit"):
            await message.edit(content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view())

    async def edit_by_token(self, message_id: int, face: MessagePayload) -> None:
        """The same through the interaction, where the bot is a guest."""
        with self._counting("edit by token"):
            await self._webhook().edit_message(
                message_id, content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view()
            )

    async def send(self, face: MessagePayload, key: str) -> int:
        """Post a new message, once per *key* as far as Discord remembers; its id."""
        with self._counting("post"):
            sent = await self.channel.send(
                embed=face.embed,
                files=face.new_files(),
                view=face.new_view() or discord.utils.MISSING,
                nonce=key,
            )
        return sent.id

    async def send_directly(self, face: MessagePayload, key: str) -> tuple[int, int]:
        """To the person alone, where nothing else is left; (channel, message)."""
        with self._counting("direct message"):
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
        """A short reply that pings the person, and nobody else; its id."""
        person = discord.Object(self.address.user_id)
        with self._counting("reply"):
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

    async def delete(self, message_id: int) -> None:
        """Remove a message of ours."""
        with self._counting("delete"):
            await self.channel.get_partial_message(message_id).delete()

    async def find(self, job_id: str, since: float, without: int | None = None) -> int | None:
        """The id of our message about *job_id* that was posted after *since* (unix seconds), other than *without*."""
        return await self._original(job_id, without) or await self._in_history(job_id, since, without)

    async def _original(self, job_id: str, without: int | None) -> int | None:
        if not self.address.token:
            return None
        hook = self._webhook()
        try:
            original = await hook.fetch_message("@original")  # type: ignore[arg-type]
            if original.flags.loading:  # “thinking …”, for ever: its answer got lost
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
        after = datetime.fromtimestamp(max(0.0, since - SLACK), UTC)
        try:
            async for message in self.channel.history(limit=HISTORY, after=after, oldest_first=without is None):
                if message.id != without and self._is_ours(message) and job_id in _custom_ids(message):
                    return message.id
        except FAILURES as error:
            log.info("the channel's history cannot be read: %s", error)
        return None

    @contextmanager
    def _counting(self, what: str) -> Iterator[None]:
        try:
            with _endless_limits_told():
                yield
        except FAILURES as error:
            self._counted(what, trouble_of(error).name.lower())
            raise
        self._counted(what, "")

    def _is_ours(self, message: discord.Message) -> bool:
        return self._client.user is not None and message.author.id == self._client.user.id

    def _webhook(self) -> discord.Webhook:
        return discord.Webhook.partial(self._client.application_id or 0, self.address.token, client=self._client)


def _custom_ids(message: discord.Message) -> set[str]:
    """The job ids that a message's buttons carry."""
    found = set()
    for row in message.components:
        for item in getattr(row, "children", ()):
            parts = (getattr(item, "custom_id", "") or "").split(":")
            if len(parts) > 2 and parts[0] == "dream":
                found.add(parts[2])
    return found
