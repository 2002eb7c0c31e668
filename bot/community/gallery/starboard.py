"""The starboard: a copy of every picture that enough members starred, in a channel of the server's choice.

    star        a trigger queues the picture in `star_changes`
    settle      one transaction takes the change, and adds, keeps or removes the entry
    post, edit  Discord follows; a crash before the message is known searches for it first

An entry appears at the threshold. It stays while at least half of that many stars are left, so that one person cannot
make it come and go. Owners' own stars do not count. While a blind vote hides a picture, no entry of it appears, and one
that is there hides words and author.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import discord

from bot.community.gallery.embedder import PictureIndexer
from bot.community.gallery.visibility import opens
from bot.community.rounds import CHECK_SECONDS
from bot.delivery.edit_limiter import MessageKey
from bot.delivery.service import Delivery
from bot.embeds.gallery import starboard_embed
from bot.errors import StoreError
from bot.interactions.context import is_restricted
from bot.interactions.message_api import (
    FAILURES,
    HISTORY,
    SLACK,
    Address,
    DeletionResult,
    MessagePayload,
    Post,
    Trouble,
    is_final,
    nonce,
    patience_for,
    removal_of,
    trouble_of,
)
from bot.jobs.takedown import Takedowns
from bot.models.gallery import IndexedPicture
from bot.pictures.uploads import result_upload
from bot.policy.server_rules import ServerRules
from bot.retry import failpoint
from bot.storage import Store, files
from bot.storage.community.starboard import StarboardEntry

log = logging.getLogger(__name__)

_BATCH = 20


@dataclass(eq=False, repr=False)
class Starboard:
    """Keeps the entries in step with the stars."""

    _client: discord.Client
    _store: Store
    _delivery: Delivery
    _indexer: PictureIndexer
    _takedowns: Takedowns
    _buttons: Callable[[str, int], discord.ui.View]
    """The view of an entry, from job id and index."""
    _removed: Callable[[], None]
    """Called when a message is to be deleted."""
    _clock: Callable[[], float]
    """Unix seconds."""
    _resumed: bool = False
    _check_at: float = field(default_factory=lambda: time.monotonic() + CHECK_SECONDS)
    _tries: int = 0
    _checked: tuple[str, int] = ("", 0)

    async def work(self) -> None:
        """Settle changes, and check one entry. Raises StoreError."""
        if not self._resumed:
            await self._store.starboard.resume()
            self._resumed = True
        try:
            await self._settle_changes()
            if time.monotonic() >= self._check_at:
                self._check_at = time.monotonic() + CHECK_SECONDS
                await self.check_next()
        except StoreError:
            self._resumed = False  # a message may have been sent that is not stored
            raise

    async def _settle_changes(self) -> None:
        while changes := await self._store.starboard.changes(_BATCH):
            for job_id, index in changes:
                await self._indexer.ensure(job_id)
                await self._settle(job_id, index)

    async def check_next(self) -> None:
        """Look at one entry after the other, because the gateway does not report deletions by other people."""
        found = await self._store.starboard.next_entry(*self._checked)
        self._checked = found or ("", 0)
        picture = await self._store.picture_index.find(*found, on_disk=False) if found else None
        if picture is not None and await self._is_gone(picture):
            await self._settle_changes()

    async def _settle(self, job_id: str, index: int) -> None:
        rows, new = self._store.starboard, None
        async with self._store.transaction() as session:
            await rows.claim(session, job_id, index)
            entry = await rows.entry(session, job_id, index)
            picture = await self._store.picture_index.find(job_id, index, session, on_disk=False)
            server_id = picture.server_id if picture else None
            if picture is None or server_id is None or (entry is not None and entry.closed):
                return
            rules = await ServerRules.of(self._store, server_id, session)
            channel_id = entry.channel_id if entry else rules.starboard
            needed = (rules.stars + 1) // 2 if entry else rules.stars
            wanted = picture.stars >= needed and self._may_show(picture, server_id, channel_id, known=entry is not None)
            if picture.hidden and (entry is None or entry.message_id is None):
                wanted = False
            if entry is not None and not wanted and entry.message_id is not None:
                await rows.remove(session, job_id, index)
            elif entry is not None and entry.stars != picture.stars:
                await rows.editing(session, job_id, index)
            elif entry is None and wanted and picture.path is not None:
                new = StarboardEntry(
                    job_id, index, server_id, channel_id, None, "", picture.stars, False, self._clock()
                )
                await rows.add(session, new)
        if (shown := entry or new) is not None and (wanted or shown.message_id is None):
            await self._show(shown, picture, wanted=wanted, fresh=entry is None)
        elif shown is not None:
            self._removed()

    def _may_show(self, picture: IndexedPicture, server_id: int, channel_id: int, *, known: bool) -> bool:
        """Whether the picture is still shown, and whether everyone who sees the starboard may see it.

        An archived thread is not cached: that keeps a *known* entry and prevents a new one.
        """
        guild = self._client.get_guild(server_id)
        board = guild.get_channel_or_thread(channel_id) if guild and channel_id else None
        if guild is None or board is None or picture.message_id is None:
            return False
        mature = picture.mature or is_restricted(self._client.get_channel(picture.channel_id))
        seen = opens(guild, picture.channel_id, board)
        return (not mature or is_restricted(self._client.get_channel(channel_id))) and (known if seen is None else seen)

    async def _show(self, entry: StarboardEntry, picture: IndexedPicture, *, wanted: bool, fresh: bool) -> None:
        """Post or edit the message of an entry; remove one that is not *wanted* and whose message is not known."""
        post = Post(self._client, Address(entry.server_id, entry.channel_id, picture.owner))
        try:
            if not wanted:
                if (found := await self._find(entry, post)) is not None:
                    await self._store.starboard.posted(replace(entry, message_id=found[0], file=found[1]))
                await self._drop(entry)
                self._removed()
            elif entry.message_id is None:
                await self._post(entry, picture, post, fresh=fresh)
            elif entry.stars != picture.stars:
                await self._edit(entry, picture, post)
            self._tries = 0
        except FAILURES as error:
            await self._failed(entry, error)

    async def _post(self, entry: StarboardEntry, picture: IndexedPicture, post: Post, *, fresh: bool) -> None:
        found, stars = None if fresh else await self._find(entry, post), -1
        if found is None:
            if await self._is_gone(picture):
                return
            payload = await self._payload(picture, post.upload_limit)
            if payload is None:  # its file is gone
                await self._drop(entry)
                return
            failpoint("starboard posting")
            message_id = await post.send(payload, nonce(f"{entry.job_id}:{entry.index}", "star"))
            failpoint("starboard posted")
            found, stars = (message_id, payload.files[0][0]), picture.stars
        stored = replace(entry, message_id=found[0], file=found[1], stars=stars)
        await self._store.starboard.posted(stored)
        await self._store.starboard.queue(entry.job_id, entry.index)  # stars may have changed in the meantime

    async def _edit(self, entry: StarboardEntry, picture: IndexedPicture, post: Post) -> None:
        assert entry.message_id is not None
        if await self._is_gone(picture):
            return
        await self._delivery.edit_turn(MessageKey(("star", entry.message_id), entry.channel_id))
        newest = await self._store.picture_index.find(entry.job_id, entry.index, on_disk=False)
        if newest is not None:
            await post.edit_embed(entry.message_id, self._embed(newest, entry.file))
            await self._store.starboard.shown(entry.job_id, entry.index, newest.stars)

    async def _is_gone(self, picture: IndexedPicture) -> bool:
        """Whether the picture's own message was deleted on Discord; then it is forgotten, which queues the entry."""
        if picture.message_id is None:
            return True
        source = self._client.get_partial_messageable(picture.channel_id, guild_id=picture.server_id)
        try:
            await source.fetch_message(picture.message_id)
        except FAILURES as error:
            if removal_of(error) is DeletionResult.GONE:
                await self._takedowns.lost(picture.channel_id, picture.message_id)
                return True
        return False

    async def _failed(self, entry: StarboardEntry, error: BaseException) -> None:
        if not is_final(error):
            await self._store.starboard.queue(entry.job_id, entry.index)
            await asyncio.sleep(patience_for(error, self._tries))
            self._tries += 1
        elif entry.message_id is None:
            log.warning("the starboard entry of job %s cannot be posted: %s", entry.job_id, error)
            await self._drop(entry)
        elif trouble_of(error) is Trouble.GONE:
            await self._store.starboard.close(entry.job_id, entry.index)
        else:
            log.warning("the starboard entry of job %s cannot be edited: %s", entry.job_id, error)

    async def _drop(self, entry: StarboardEntry) -> None:
        """Forget an entry that has no message, so that the next star tries again."""
        async with self._store.transaction() as session:
            await self._store.starboard.remove(session, entry.job_id, entry.index)

    async def _find(self, entry: StarboardEntry, post: Post) -> tuple[int, str] | None:
        """(id, file name) of the message of an entry that an earlier run posted but did not store."""
        after = datetime.fromtimestamp(max(0.0, entry.created_at - SLACK), UTC)
        rows = self._buttons(entry.job_id, entry.index).to_components()
        wanted = {item["custom_id"] for row in rows for item in row["components"]}
        async for message in post.channel.history(limit=HISTORY, after=after, oldest_first=True):
            items = [item for row in message.components for item in getattr(row, "children", ())]
            shown = {getattr(item, "custom_id", None) for item in items}
            if self._client.user is not None and message.author.id == self._client.user.id and wanted & shown:
                return message.id, _file(message)
        return None

    async def _payload(self, picture: IndexedPicture, limit: int) -> MessagePayload | None:
        png = await files.read(picture.path)
        if png is None:
            return None
        upload = await result_upload(_name(picture), [png], limit)
        name = f"SPOILER_{upload.name}" if picture.spoiler else upload.name
        buttons = partial(self._buttons, picture.job_id, picture.index)
        return MessagePayload(self._embed(picture, name), ((name, upload.data),), buttons)

    def _embed(self, picture: IndexedPicture, name: str) -> discord.Embed:
        return starboard_embed(picture, "" if picture.spoiler else name)


def _file(message: discord.Message) -> str:
    """The name of the picture in an entry's message. A file that an embed shows is not among the attachments."""
    addresses = [*(file.url for file in message.attachments), *(embed.image.url for embed in message.embeds)]
    return next((PurePosixPath(urlsplit(address).path).name for address in addresses if address), "")


def _name(picture: IndexedPicture) -> str:
    return f"{picture.job_id}-{picture.index + 1}"
