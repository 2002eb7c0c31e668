"""Which channels of a server a person can read, so that lists of pictures show no more than those."""

from __future__ import annotations

import logging

import discord

from bot.interactions.context import Invocation
from bot.interactions.message_api import FAILURES, is_final
from bot.models.gallery import Viewer
from bot.storage import Store

log = logging.getLogger(__name__)

FETCHED = 5
"""Most uncached threads that one question asks Discord about; the others are left out of that answer."""
REMEMBERED = 1000


class Visibility:
    """Makes viewers. Discord's cache lacks archived threads, so these are fetched once and remembered."""

    def __init__(self, client: discord.Client, store: Store) -> None:
        self._client = client
        self._store = store
        self._threads: dict[int, discord.Thread | None] = {}

    async def viewer(self, caller: Invocation) -> Viewer:
        """The channels with pictures that the caller can read, in this server; none in a direct message."""
        if caller.guild_id is None or not caller.resident or caller.member is None:
            return Viewer(caller.user_id, restricted=caller.restricted)
        seen, fetches = [], FETCHED
        for channel_id, parent in await self._store.picture_index.channels(caller.guild_id):
            if caller.sees(channel_id):
                seen.append(channel_id)
            elif parent is not None and caller.sees(parent) and not self._is_cached(caller, channel_id):
                if channel_id not in self._threads:
                    if not fetches:
                        continue
                    fetches -= 1
                    await self._fetch(channel_id)
                thread = self._threads.get(channel_id)
                if thread is not None and caller.sees_channel(thread):
                    seen.append(channel_id)
        return Viewer(caller.user_id, caller.guild_id, tuple(seen), caller.restricted)

    def _is_cached(self, caller: Invocation, channel_id: int) -> bool:
        guild = self._client.get_guild(caller.guild_id or 0)
        return guild is not None and guild.get_channel_or_thread(channel_id) is not None

    async def _fetch(self, channel_id: int) -> None:
        """Remember an archived thread, or that it is gone. A failed request is repeated by the next question."""
        if len(self._threads) >= REMEMBERED:
            self._threads.clear()
        try:
            found = await self._client.fetch_channel(channel_id)
            self._threads[channel_id] = found if isinstance(found, discord.Thread) else None
        except discord.InvalidData:
            self._threads[channel_id] = None
        except FAILURES as error:
            if is_final(error):
                self._threads[channel_id] = None
                return
            log.info("a thread cannot be fetched: %s", error)
            self._threads.pop(channel_id, None)


def opens(guild: discord.Guild, channel_id: int, board: discord.abc.GuildChannel | discord.Thread) -> bool | None:
    """Whether every role that can see *board* can see that channel too; None for a channel that is not cached."""
    channel = guild.get_channel_or_thread(channel_id)
    if channel is None:
        return None
    if isinstance(channel, discord.Thread) and (channel.is_private() or channel.parent is None):
        return False
    seeing = [role for role in guild.roles if board.permissions_for(role).view_channel]
    return all(channel.permissions_for(role).view_channel for role in seeing)
